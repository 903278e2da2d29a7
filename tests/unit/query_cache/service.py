"""A service to try caches with: its schema counts what it executes, and an ASGI client without sockets asks it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import urlencode

import strawberry
from strawberry.permission import BasePermission
from strawberry.schema.config import StrawberryConfig
from strawberry.types import Info

from quickwins.core.asgi import App
from quickwins.core.clock import FakeClock
from quickwins.query_cache import CacheControl, CachedGraphQL, QueryCache, cache_control, invalidates


class Never:
    """No jitter."""

    def random(self) -> float:
        return 0.0


@dataclass
class World:
    """What the resolvers see."""

    users: dict[str, str] = field(default_factory=lambda: {"1": "Ann", "2": "Bob"})
    executed: Counter[str] = field(default_factory=Counter)
    gate: asyncio.Event | None = None
    entered: asyncio.Event = field(default_factory=asyncio.Event)
    fails: bool = False


def world(info: Info) -> World:
    found: World = info.context["world"]
    return found


class SignedIn(BasePermission):
    message = "sign in"

    def has_permission(self, source: object, info: Info, **kwargs: object) -> bool:
        return info.context["user"] is not None


@strawberry.type(directives=[CacheControl(policy="PUBLIC")])
class User:
    id: strawberry.ID
    name: str


@strawberry.type(directives=[CacheControl(policy="PUBLIC")])
class Bot:
    name: str


Actor = Annotated[User | Bot, strawberry.union("Actor")]


@strawberry.type
class Query:
    @strawberry.field
    async def user(self, info: Info, id: strawberry.ID) -> User | None:  # noqa: A002 -- as in GraphQL; until=never
        here = world(info)
        here.executed["user"] += 1
        name = here.users.get(id)
        here.entered.set()
        if here.gate is not None:
            await here.gate.wait()
        if here.fails:
            raise ValueError("the database is down")
        return None if name is None else User(id=id, name=name)

    @strawberry.field
    def users(self, info: Info, first: int = 10) -> list[User]:
        world(info).executed["users"] += 1
        return [User(id=strawberry.ID(key), name=name) for key, name in world(info).users.items()][:first]

    @strawberry.field
    def actors(self, info: Info) -> list[Actor]:
        world(info).executed["actors"] += 1
        return [
            Bot(name="bot"),
            *(User(id=strawberry.ID(key), name=name) for key, name in world(info).users.items()),
        ]

    @strawberry.field(directives=[CacheControl(policy="USER_DATA")])
    def me(self, info: Info) -> str:
        world(info).executed["me"] += 1
        return f"I am {info.context['user']}"

    @strawberry.field(directives=[CacheControl(policy="PUBLIC")], permission_classes=[SignedIn])
    def inner(self, info: Info) -> str:
        return f"inner of {info.context['user']}"

    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def language(self, info: Info) -> str:
        return str(info.context["request"].headers.get("accept-language"))

    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def theme(self, info: Info) -> str:
        return str(info.context["request"].cookies.get("theme"))

    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def everything(self, info: Info) -> str:
        return str(sorted(info.context["request"].headers.items()))

    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def whose(self, info: Info) -> str:
        return f"seen by {info.context['user']}"

    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def with_cookie(self, info: Info) -> str:
        info.context["response"].set_cookie("session", "secret")
        return "x"

    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def restricted(self, info: Info, age: int) -> str:
        world(info).executed["restricted"] += 1
        cache_control(info).restrict(max_age=age)
        return "x"

    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def turned_private(self, info: Info) -> str:
        world(info).executed["turned_private"] += 1
        cache_control(info).restrict(scope="PRIVATE")
        return f"for {info.context['user']}"

    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def unstored(self, info: Info) -> str:
        world(info).executed["unstored"] += 1
        cache_control(info).no_store()
        return "x"

    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def tagged(self, info: Info, tag: str) -> str:
        world(info).executed["tagged"] += 1
        cache_control(info).tag(tag)
        return tag

    @strawberry.field
    def uncached(self, info: Info) -> int:
        world(info).executed["uncached"] += 1
        return world(info).executed["uncached"]


@strawberry.type
class Mutation:
    @strawberry.mutation
    @invalidates("User", id=lambda args, _: args["id"])
    def rename(self, info: Info, id: strawberry.ID, name: str) -> bool:  # noqa: A002 -- as in GraphQL; until=never
        world(info).users[id] = name
        return True

    @strawberry.mutation
    async def renamed(self, info: Info, id: strawberry.ID, name: str) -> User:  # noqa: A002 -- as in GraphQL; until=never
        world(info).users[id] = name
        return User(id=id, name=name)

    @strawberry.mutation
    @invalidates(lists=["Query.users"])
    async def add(self, info: Info, id: strawberry.ID, name: str) -> bool:  # noqa: A002 -- as in GraphQL; until=never
        world(info).users[id] = name
        return True

    @strawberry.mutation
    @invalidates("User", id=lambda args, result: result)
    async def half(self, info: Info, id: strawberry.ID) -> str:  # noqa: A002 -- as in GraphQL; until=never
        here = world(info)
        here.users[id] = "half"
        here.entered.set()
        if here.gate is not None:
            await here.gate.wait()
        raise ValueError("after the commit")


class View(CachedGraphQL):
    """Authenticates in `get_context`."""

    world: World

    async def get_context(self, request: Any, response: Any) -> Any:
        return {
            "request": request,
            "response": response,
            "user": request.headers.get("authorization"),
            "world": self.world,
        }


@dataclass
class Reply:
    """What came back."""

    status: int
    headers: dict[str, str]
    body: bytes
    raw: list[tuple[bytes, bytes]]

    @property
    def data(self) -> Any:
        return json.loads(self.body)["data"]


async def call(
    app: App,
    method: str = "POST",
    *,
    path: str = "/graphql",
    body: bytes = b"",
    query: bytes = b"",
    headers: Any = (),
) -> Reply:
    """Ask an ASGI application."""
    pairs = [(name.lower().encode(), value.encode()) for name, value in dict(headers).items()]
    scope = {
        "type": "http", "method": method, "path": path, "root_path": "", "query_string": query, "headers": pairs,
        "http_version": "1.1", "scheme": "http", "server": ("test", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    messages: list[Any] = []
    parts = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Any:
        if parts:
            return parts.pop()
        await asyncio.Event().wait()
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        messages.append(message)

    await app(scope, receive, send)
    start, *rest = messages
    raw = list(start["headers"])
    named = {name.decode(): value.decode() for name, value in raw}
    return Reply(start["status"], named, b"".join(one.get("body", b"") for one in rest), raw)


async def ask(
    app: App, query: str, variables: Any = None, *, name: str | None = None, **headers: str
) -> Reply:
    """POST a query; headers by their names with underscores."""
    content: dict[str, Any] = {"query": query}
    if variables is not None:
        content["variables"] = variables
    if name is not None:
        content["operationName"] = name
    sent = {
        "content-type": "application/json",
        **{key.replace("_", "-"): value for key, value in headers.items()},
    }
    return await call(app, body=json.dumps(content).encode(), headers=sent)


async def get(app: App, query: str, method: str = "GET", **headers: str) -> Reply:
    """GET a query."""
    sent = {key.replace("_", "-"): value for key, value in headers.items()}
    return await call(app, method, query=urlencode({"query": query}).encode(), headers=sent)


class Service:
    """A view with a cache on a fake clock."""

    def __init__(self, view: type[View] = View, *, extensions: Any = (), **options: Any) -> None:
        self.clock = FakeClock()
        self.world = World()
        options.setdefault("shared_context", ["world"])
        options.setdefault("principal", lambda context: context["user"])
        options.setdefault("rng", Never())
        self.cache = QueryCache(clock=self.clock, **options)
        config = StrawberryConfig(batching_config={"max_operations": 10})
        self.schema = strawberry.Schema(
            Query, Mutation, types=[User, Bot], config=config, extensions=[self.cache.extension, *extensions]
        )
        self.app = view(self.schema, cache=self.cache)
        self.app.world = self.world

    async def ask(self, query: str, variables: Any = None, **headers: Any) -> Reply:
        return await ask(self.app, query, variables, **headers)
