"""FastAPI's router: what its dependencies read is observed, and what they put into the response stays each request's own."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
import strawberry
from fastapi import Cookie, Depends, FastAPI, Header, HTTPException, Query, Request, Response
from fastapi.dependencies import utils as dependencies
from strawberry.fastapi import BaseContext
from strawberry.types import Info

from quickwins.query_cache import CacheControl, CachedGraphQLRouter, QueryCache
from tests.unit.query_cache.service import Reply, call

EXECUTED: list[str] = []


class Context(BaseContext):
    def __init__(self, user: str | None, tenant: str = "") -> None:
        super().__init__()
        self.user = user
        self.tenant = tenant


@strawberry.type
class Root:
    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def everybodys(self) -> str:
        EXECUTED.append("everybodys")
        return "x"

    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def seen(self, info: Info) -> str:
        return f"{info.context.user} of {info.context.tenant}"

    @strawberry.field(directives=[CacheControl(policy="USER_DATA")])
    def mine(self, info: Info) -> str:
        EXECUTED.append("mine")
        return str(info.context.user)

    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def later(self, info: Info) -> str:
        info.context.background_tasks.add_task(EXECUTED.append, "later")
        return "x"

    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def agent(self, info: Info) -> str:
        return str(info.context.request.headers.get("user-agent"))


def app(getter: Any, cache: QueryCache | None = None) -> FastAPI:
    made = FastAPI()
    cache = cache or QueryCache(principal=lambda context: context.user)
    router = CachedGraphQLRouter(
        strawberry.Schema(Root, extensions=[cache.extension]), cache=cache, context_getter=getter
    )
    made.include_router(router, prefix="/graphql")
    return made


async def post(made: FastAPI, query: str, *, parameters: bytes = b"", **headers: str) -> Reply:
    sent = {
        "content-type": "application/json",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    return await call(made, body=f'{{"query": "{query}"}}'.encode(), query=parameters, headers=sent)


def by_header(user: Annotated[str | None, Header(alias="authorization")] = None) -> Context:
    return Context(user)


def by_cookie(user: Annotated[str | None, Cookie()] = None) -> Context:
    return Context(user)


def by_query(user: Annotated[str | None, Query()] = None) -> Context:
    return Context(user)


def by_request(request: Request) -> Context:
    return Context(request.headers.get("authorization"))


async def authenticated(request: Request) -> str:
    if request.headers.get("authorization") is None:
        raise HTTPException(401)
    return request.headers["authorization"]


def by_dependency(user: Annotated[str, Depends(authenticated)]) -> Context:
    return Context(user)


@pytest.fixture(autouse=True)
def _nothing_is_executed() -> None:
    EXECUTED.clear()


ALL_FOR_ONE = not hasattr(dependencies, "_get_multidict_extras")
"""Whether this FastAPI reads all headers to give one, as 0.116 does: then what is private is not stored."""


@pytest.mark.parametrize("getter", [by_header, by_request, by_dependency])
@pytest.mark.asyncio
async def test_principals_are_kept_apart_and_share_what_is_everybodys(getter: Any) -> None:
    made = app(getter)
    for user in "aabb":
        assert (await post(made, "{ mine }", authorization=user)).data == {"mine": user}
        assert (await post(made, "{ seen }", authorization=user)).data == {"seen": f"{user} of "}
        await post(made, "{ everybodys }", authorization=user)
    times = 4 if getter is by_header and ALL_FOR_ONE else 2
    assert sorted(EXECUTED) == ["everybodys", *["mine"] * times]


@pytest.mark.asyncio
async def test_a_cookie_is_part_of_the_key_and_a_parameter_of_the_query_is_not_stored() -> None:
    made = app(by_cookie)
    for user in "abab":
        assert (await post(made, "{ seen }", cookie=f"user={user}")).data == {"seen": f"{user} of "}
    cache = QueryCache(principal=lambda context: None)
    made = app(by_query, cache)
    for name in ("a", "b"):
        reply = await post(made, "{ seen }", parameters=f"user={name}".encode())
        assert reply.data == {"seen": f"{name} of "}
    assert cache.stats().misses == {"undeclared": 2}


@pytest.mark.asyncio
async def test_authentication_comes_first() -> None:
    made = app(by_dependency)
    await post(made, "{ everybodys }", authorization="a")
    assert (await post(made, "{ everybodys }")).status == 401


@pytest.mark.asyncio
async def test_headers_of_dependencies_are_each_requests_own() -> None:
    def greeting(request: Request, response: Response) -> Context:
        response.headers["x-for"] = request.headers["authorization"]
        return Context(None)

    made = app(greeting)
    for user in "aab":
        reply = await post(made, "{ everybodys }", authorization=user)
        assert reply.headers["x-for"] == user
    assert EXECUTED == ["everybodys"]


@pytest.mark.asyncio
async def test_an_answer_with_a_background_task_is_not_stored() -> None:
    cache = QueryCache()
    made = app(by_header, cache)
    for _ in range(2):
        await post(made, "{ later }")
    assert cache.stats().misses == {"response": 2}


@pytest.mark.asyncio
async def test_what_resolvers_read_of_the_request_is_part_of_the_key() -> None:
    made = app(by_header)
    for agent in "xyxy":
        reply = await post(made, "{ agent }", user_agent=agent)
        assert reply.data == {"agent": agent}
    assert reply.headers["age"] == "0"
    assert reply.headers["vary"] == "user-agent"
