"""A refusal inside a GraphQL execution, over real HTTP connections: the error beside the data that succeeded."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import strawberry
import uvicorn
from graphql import GraphQLError
from starlette.applications import Starlette
from starlette.routing import Mount
from strawberry.asgi import GraphQL

from quickwins.backpressure import Gate, PoolExhausted, RejectReason
from quickwins.backpressure.asgi import BackpressureMiddleware
from quickwins.backpressure.strawberry import BackpressureExtension
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.backpressure.conftest import Pools, all_is_back, gated_over

pytestmark = pytest.mark.asyncio

MEDIA_TYPES = ["application/json", "application/graphql-response+json"]


def refusal(retry_after_seconds: float | None = 1.2) -> PoolExhausted:
    return PoolExhausted(
        "pool is full", reason=RejectReason.QUEUE_FULL, retry_after_seconds=retry_after_seconds
    )


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str | None:
        return "world"

    @strawberry.field
    async def full(self) -> str | None:
        raise refusal()

    @strawberry.field
    async def later(self) -> str | None:
        for _ in range(5):
            await asyncio.sleep(0)
        raise refusal()

    @strawberry.field
    def closed(self) -> str | None:
        raise refusal(None)

    @strawberry.field
    async def fanned(self) -> str | None:
        raise ExceptionGroup("both", [refusal(), refusal()])

    @strawberry.field
    async def broken(self) -> str | None:
        raise ValueError("ours")

    @strawberry.field
    async def told(self) -> str | None:
        raise GraphQLError("no", extensions={"code": "FORBIDDEN"})

    @strawberry.field
    async def required(self) -> str:
        raise refusal()


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self) -> AsyncIterator[int]:
        yield 1
        raise refusal()


SCHEMA = strawberry.Schema(Query, subscription=Subscription, extensions=[BackpressureExtension])
EXPECTED = {"code": "SERVICE_UNAVAILABLE", "reason": "queue_full", "retryAfter": 2}


@pytest.mark.parametrize("field", ["full", "fanned"])
async def test_a_refused_field_says_when_to_come_back_and_the_others_are_answered(field: str) -> None:
    result = await SCHEMA.execute(f"{{ hello {field} }}")
    assert result.data == {"hello": "world", field: None}
    assert result.errors is not None
    (error,) = result.errors
    assert error.extensions == EXPECTED
    assert error.path == [field]
    assert error.message == "The service has as much work as it can do. Nothing was done; try again later."


async def test_an_extension_that_is_one_object_for_all_operations_keeps_them_apart() -> None:
    async def results() -> list[Any]:
        one: Any = BackpressureExtension()
        schema = strawberry.Schema(Query, extensions=[one])
        return await asyncio.gather(
            *(schema.execute(f"{{ {field} }}") for field in ("later", "hello", "broken"))
        )

    with pytest.warns(DeprecationWarning, match="instance"):
        refused, *others = await results()
    assert refused.errors is not None
    assert refused.errors[0].extensions == EXPECTED
    assert [other.errors and other.errors[0].extensions for other in others] == [None, {}]


async def test_executed_without_a_loop_it_is_the_same() -> None:
    result = await asyncio.to_thread(SCHEMA.execute_sync, "{ hello closed }")
    assert result.errors is not None
    assert result.errors[0].extensions == {"code": "SERVICE_UNAVAILABLE", "reason": "queue_full"}


async def test_other_errors_stay_as_they_are() -> None:
    result = await SCHEMA.execute("{ broken told full }")
    assert result.errors is not None
    found = {error.path[0]: error.extensions for error in result.errors if error.path}
    assert found == {"broken": {}, "told": {"code": "FORBIDDEN"}, "full": EXPECTED}
    assert (await SCHEMA.execute("{ nonsense }")).errors
    assert (await SCHEMA.execute("{ hello }")).errors is None


async def test_a_subscription_that_is_refused_says_so_too() -> None:
    results: Any = await SCHEMA.subscribe("subscription { ticks }")
    first, second = [result async for result in results]
    assert first.data == {"ticks": 1}
    assert second.errors[0].extensions == EXPECTED


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[Any]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        server = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="critical", ws="none"))
        task = asyncio.ensure_future(server.serve(sockets=[listener]))

        def fetch(query: str, accept: str) -> tuple[int, dict[str, str], Any]:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_SECONDS)
            try:
                headers = {"content-type": "application/json", "accept": accept}
                connection.request("POST", "/graphql/", json.dumps({"query": query}), headers)
                answer = connection.getresponse()
                return (
                    answer.status,
                    {k.lower(): v for k, v in answer.getheaders()},
                    json.loads(answer.read()),
                )
            finally:
                connection.close()

        async def post(query: str, accept: str) -> tuple[int, dict[str, str], Any]:
            return await asyncio.to_thread(fetch, query, accept)

        try:
            await eventually(lambda: server.started)
            yield post
        finally:
            server.should_exit = True
            await asyncio.wait_for(task, DEADLINE_SECONDS)


def app_of(schema: strawberry.Schema, **options: Any) -> Starlette:
    app = Starlette(routes=[Mount("/graphql", GraphQL(schema))])
    app.add_middleware(BackpressureMiddleware, graphql=["/graphql", "/graphql/"], **options)
    return app


@pytest.mark.parametrize("accept", MEDIA_TYPES)
async def test_over_http_what_succeeded_is_there_with_the_status_of_a_partial_answer(accept: str) -> None:
    async with serving(app_of(SCHEMA)) as post:
        status, headers, body = await post("{ hello full }", accept)
        assert status == 200
        assert headers["content-type"] == "application/json", "Strawberry knows no other type"
        assert body["data"] == {"hello": "world", "full": None}
        assert body["errors"][0]["extensions"] == EXPECTED
        _, _, body = await post("{ hello required }", accept)
        assert body["data"] is None
        assert body["errors"][0]["extensions"] == EXPECTED


@pytest.mark.parametrize("accept", MEDIA_TYPES)
async def test_refused_at_the_door_nothing_is_executed_and_the_error_has_the_media_type_asked_for(
    accept: str,
) -> None:
    gate = Gate.threshold(0.999)
    gate.bind(1, name="http")
    async with serving(app_of(SCHEMA, gate=gate)) as post:
        async with gate.permit():
            status, headers, body = await post("{ hello }", accept)
        assert (await post("{ hello }", accept))[0] == 200
    assert status == 503
    assert headers["content-type"] == f"{accept}; charset=utf-8"
    assert int(headers["retry-after"]) == body["errors"][0]["extensions"]["retryAfter"]
    assert "data" not in body


@pytest.mark.engines("postgres")
async def test_a_full_pool_below_a_schema(pools: Pools) -> None:
    gated = gated_over(await pools(2), 0.5)

    @strawberry.type
    class Rows:
        @strawberry.field
        async def row(self) -> int | None:
            return int(await gated.fetchval("SELECT 42"))

    schema = strawberry.Schema(Rows, extensions=[BackpressureExtension])
    async with serving(app_of(schema)) as post:
        async with gated.acquire():
            _, _, body = await post("{ row }", MEDIA_TYPES[1])
        assert body["errors"][0]["extensions"]["reason"] == "threshold"
        assert (await post("{ row }", MEDIA_TYPES[1]))[2]["data"] == {"row": 42}
    await all_is_back(gated)
