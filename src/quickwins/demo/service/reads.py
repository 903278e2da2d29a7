"""The feed's queries and mutations on its database, with hints of how long each answer lasts and what each change voids."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickwins.core.errors import needs_extra
from quickwins.query_cache import CacheControl, CachedGraphQL, QueryCache, invalidates

with needs_extra("demo"):
    import strawberry

if TYPE_CHECKING:
    import asyncpg
    from starlette.requests import Request
    from starlette.responses import Response

POSTS = 10
_POST = "SELECT p.id, p.body, u.id AS author_id, u.name FROM posts p JOIN users u ON u.id = p.user_id"
FEED = (
    f"{_POST} JOIN follows f ON f.followee_id = p.user_id WHERE f.follower_id = $1 "
    f"ORDER BY p.created_at DESC, p.id DESC LIMIT {POSTS}"
)
ONE = f"{_POST} WHERE p.id = $1"
SEARCH = f"{_POST} WHERE p.body LIKE $1 ORDER BY p.id LIMIT {POSTS}"
PROFILE = "SELECT id, name FROM users WHERE id = $1"
RENAME = "UPDATE users SET name = $2 WHERE id = $1"
WRITE = "INSERT INTO posts (id, user_id, body, created_at) VALUES ($1, $2, $3, now())"


class Database:
    """Statements of resolvers, counted.

    Attributes:
        count: How many there were.
    """

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.count = 0
        self._connection = connection

    async def fetch(self, statement: str, *values: object) -> Any:
        """The rows of a query."""
        self.count += 1
        return await self._connection.fetch(statement, *values)

    async def execute(self, statement: str, *values: object) -> None:
        """A change."""
        await self._connection.execute(statement, *values)


@strawberry.type(directives=[CacheControl(inherit_max_age=True)])
class Author:
    """Somebody who writes."""

    id: strawberry.ID
    name: str


@strawberry.type(directives=[CacheControl(inherit_max_age=True)])
class Post:
    """Something somebody wrote."""

    id: strawberry.ID
    body: str
    author: Author


def posts_of(rows: Any) -> list[Post]:
    """The posts that these rows are."""
    return [
        Post(
            id=strawberry.ID(str(row["id"])),
            body=row["body"],
            author=Author(id=strawberry.ID(str(row["author_id"])), name=row["name"]),
        )
        for row in rows
    ]


async def _feed(info: strawberry.Info[Any, None], user: int) -> list[Post]:
    return posts_of(await info.context["database"].fetch(FEED, user))


async def _profile(info: strawberry.Info[Any, None], user: int) -> Author | None:
    rows = await info.context["database"].fetch(PROFILE, user)
    return Author(id=strawberry.ID(str(rows[0]["id"])), name=rows[0]["name"]) if rows else None


async def _post(info: strawberry.Info[Any, None], id: int) -> Post | None:  # noqa: A002 -- as in GraphQL; until=never
    found = posts_of(await info.context["database"].fetch(ONE, id))
    return found[0] if found else None


async def _search(info: strawberry.Info[Any, None], word: str) -> list[Post]:
    return posts_of(await info.context["database"].fetch(SEARCH, f"%{word}%"))


@invalidates("Author", id=lambda args, _: args["user"])
async def _rename(info: strawberry.Info[Any, None], user: int, name: str) -> bool:
    await info.context["database"].execute(RENAME, user, name)
    return True


@invalidates(lists=["Query.feed", "Query.search"])
async def _write(info: strawberry.Info[Any, None], user: int, id: int, body: str) -> bool:  # noqa: A002 -- as in GraphQL; until=never
    await info.context["database"].execute(WRITE, id, user, body)
    return True


@strawberry.type
class Query:
    """What can be asked: one's own feed and profile, and what everybody sees."""

    feed: list[Post] = strawberry.field(resolver=_feed, directives=[CacheControl(policy="USER_DATA")])
    profile: Author | None = strawberry.field(
        resolver=_profile, directives=[CacheControl(policy="USER_DATA")]
    )
    post: Post | None = strawberry.field(resolver=_post, directives=[CacheControl(policy="PUBLIC")])
    search: list[Post] = strawberry.field(resolver=_search, directives=[CacheControl(policy="SEARCH")])


@strawberry.type
class Mutation:
    """What can be changed."""

    rename: bool = strawberry.mutation(resolver=_rename)
    write: bool = strawberry.mutation(resolver=_write)


class ReadsView(CachedGraphQL):
    """Knows who asks by a header, as a gateway behind an authenticating proxy does."""

    database: Database

    async def get_context(self, request: Request, response: Response) -> dict[str, Any]:  # type: ignore[override]  # -- no WebSocket comes here; until=2028-01-31
        """What `info.context` is."""
        return {"response": response, "database": self.database, "viewer": request.headers.get("x-user")}


def make_view(database: Database, cache: QueryCache) -> ReadsView:
    """The endpoint, with `cache` before it."""
    view = ReadsView(
        strawberry.Schema(Query, Mutation, extensions=[cache.extension]), cache=cache, graphql_ide=None
    )
    view.database = database
    return view


def viewer(context: dict[str, Any]) -> str | None:
    """Whose a request is, for `QueryCache(principal=...)`."""
    found: str | None = context["viewer"]
    return found
