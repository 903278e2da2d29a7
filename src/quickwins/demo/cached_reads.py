"""A fixed mix of queries, users and mutations, without and with the query cache; each answer is compared with the database."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry

from quickwins.core.errors import needs_extra
from quickwins.core.flags import Flags, FlagSettings, MemorySource
from quickwins.demo.mix import MUTATIONS, Kind, Request, requests
from quickwins.demo.result import CacheResult
from quickwins.demo.service import reads
from quickwins.demo.service.database import create_feed
from quickwins.query_cache import QueryCache

with needs_extra("demo"):
    import asyncpg

if TYPE_CHECKING:
    from collections.abc import Callable

_DATABASE = "cached"
_ROWS = 1_000
_POST_FIELDS = "{ id body author { id name } }"
_DOCUMENTS = {
    Kind.FEED: f"query($user: Int!) {{ feed(user: $user) {_POST_FIELDS} }}",
    Kind.PROFILE: "query($user: Int!) { profile(user: $user) { id name } }",
    Kind.POST: f"query($id: Int!) {{ post(id: $id) {_POST_FIELDS} }}",
    Kind.SEARCH: f"query($word: String!) {{ search(word: $word) {_POST_FIELDS} }}",
    Kind.RENAME: "mutation($user: Int!, $name: String!) { rename(user: $user, name: $name) }",
    Kind.WRITE: "mutation($user: Int!, $id: Int!, $body: String!) { write(user: $user, id: $id, body: $body) }",
}


async def run_cached_reads(
    url: str, *, count: int, seed: int, progress: Callable[[str], None]
) -> CacheResult:
    """Ask for the same twice: first with the flag off, then with it on.

    Args:
        url: The server; a database of our own is made on it.
        count: How many requests.
        seed: Of the mix.
        progress: Told about each step.
    """
    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE DATABASE {_DATABASE}")
    await connection.close()
    own = urlsplit(url)._replace(path=f"/{_DATABASE}").geturl()
    counts = await create_feed(own, _ROWS, progress)
    mix = list(requests(count, users=counts.users, posts=counts.posts, seed=seed))
    connection = await asyncpg.connect(own)
    try:
        queries, policies, outdated = [], {}, 0
        for on in (False, True):
            progress(f"{count:,} queries and mutations, query cache {'on' if on else 'off'}")
            asked = await _Asked.of(connection, mix, on=on)
            queries.append(asked.queries)
            policies, outdated = asked.policies, outdated + asked.outdated
    finally:
        await connection.close()
    mutations = sum(one.kind in MUTATIONS for one in mix)
    return CacheResult(count, mutations, policies, queries[0], queries[1], outdated)


class _Asked:
    """What came of all requests.

    Attributes:
        queries: Statements that resolvers sent.
        policies: The part of each policy's answers that was not executed.
        outdated: Answers that were not what the database had.
    """

    def __init__(self) -> None:
        self.queries = 0
        self.policies: dict[str, float] = {}
        self.outdated = 0

    @classmethod
    async def of(cls, connection: asyncpg.Connection, mix: list[Request], *, on: bool) -> _Asked:
        """Ask for all of `mix`."""
        source = MemorySource({"query_cache": {"enabled": on}})
        flags = Flags({"query_cache": FlagSettings}, [source], registry=CollectorRegistry())
        made = cls()
        database, truth = reads.Database(connection), reads.Database(connection)
        async with QueryCache(
            principal=reads.viewer,
            shared_context={"database"},
            flag=flags.flag("query_cache"),
            registry=CollectorRegistry(),
        ) as cache:
            view = reads.make_view(database, cache)
            for number, one in enumerate(mix):
                answer = await _post(view, one, number if on else -1 - number)
                if one.kind not in MUTATIONS and answer != await _truth(truth, one):
                    made.outdated += 1
            stats = cache.stats().policies
            made.policies = {name: found.hit_rate for name, found in sorted(stats.items()) if found.misses}
        made.queries = database.count
        return made


def _variables(one: Request, number: int) -> dict[str, object]:
    match one.kind:
        case Kind.POST:
            return {"id": one.thing}
        case Kind.SEARCH:
            return {"word": _word(one)}
        case Kind.RENAME:
            return {"user": one.user, "name": f"Renamed {number}"}
        case Kind.WRITE:
            # GraphQL's whole numbers have 32 bits.
            return {"user": one.user, "id": (1 << 30) + number, "body": f"Post of {number}"}
        case _:
            return {"user": one.user}


def _word(one: Request) -> str:
    return f"Post {one.thing}:"


async def _truth(database: reads.Database, one: Request) -> Any:
    """What the database has at this moment, as an answer says it."""
    match one.kind:
        case Kind.PROFILE:
            rows = await database.fetch(reads.PROFILE, one.user)
            return {"id": str(rows[0]["id"]), "name": rows[0]["name"]} if rows else None
        case Kind.POST:
            found = _shown(await database.fetch(reads.ONE, one.thing))
            return found[0] if found else None
        case Kind.SEARCH:
            return _shown(await database.fetch(reads.SEARCH, f"%{_word(one)}%"))
        case _:
            return _shown(await database.fetch(reads.FEED, one.user))


def _shown(rows: Any) -> list[dict[str, Any]]:
    return [
        {
            "id": str(row["id"]),
            "body": row["body"],
            "author": {"id": str(row["author_id"]), "name": row["name"]},
        }
        for row in rows
    ]


async def _post(view: Any, one: Request, number: int) -> Any:
    """What the view answers, without a socket."""
    document = {"query": _DOCUMENTS[one.kind], "variables": _variables(one, number)}
    parts = [{"type": "http.request", "body": json.dumps(document).encode(), "more_body": False}]
    sent: list[Any] = []

    async def receive() -> Any:
        return parts.pop() if parts else {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": "POST",
        "path": "/",
        "query_string": b"",
        "headers": [(b"content-type", b"application/json"), (b"x-user", str(one.user).encode())],
    }
    await view(scope, receive, send)
    answer = json.loads(b"".join(message.get("body", b"") for message in sent[1:]))
    if answer.get("errors"):
        raise RuntimeError(f"{one.kind} failed: {answer['errors']}")
    return answer["data"][one.kind]
