"""A log with people's secrets in it: services get them everywhere, on every middleware, and must write none of them.

Each service here is running for real, behind sockets, and does what services do with what they get: it logs it. What is
looked at is what arrives at the log's descriptor.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import grpc
import grpc.aio
import pytest
import strawberry
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route
from strawberry.asgi import GraphQL

from quickwins.logs import Sink, annotate, bound, configure_logging, get_logger, in_context
from quickwins.logs.asgi import LogMiddleware
from quickwins.logs.grpc import LogClientInterceptor, LogServerInterceptor
from quickwins.logs.kafka import extract, inject
from quickwins.logs.strawberry import LogExtension
from quickwins.logs.testing import Canaries, LeakError, canaries
from tests.eventually import DEADLINE_SECONDS
from tests.integration.kafka.topics import create_topic
from tests.integration.logs.serving import Client, serving

if TYPE_CHECKING:
    from tests.engines import Target

__all__ = ["canaries"]

pytestmark = pytest.mark.asyncio

log = get_logger()
standard = logging.getLogger("the.application")

Scenario = Callable[[Canaries], Awaitable[None]]


@pytest.fixture
def descriptor(tmp_path: Path) -> Iterator[int]:
    opened = os.open(tmp_path / "log.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    yield opened
    os.close(opened)


@contextmanager
def watched(
    canaries: Canaries, descriptor: int, level: str = "debug"
) -> Iterator[Callable[[], list[dict[str, Any]]]]:
    """All that is logged within goes to the descriptor, and is clean. Gives what gives its lines, afterwards."""
    sink = Sink.descriptor(descriptor)
    with (
        configure_logging(service="feed", level=level, sink=sink, registry=CollectorRegistry()),
        canaries.watching(descriptor, flush=lambda: sink.flush(DEADLINE_SECONDS)) as written,
    ):
        yield lambda: [json.loads(line) for line in written.data.splitlines()]


def says(canaries: Canaries, what: Any) -> None:
    """Log like somebody who was never told about secrets."""
    log.info(
        "order.placed", body=what, thing=canaries.object(), things=[canaries.object(), {1: canaries.object()}]
    )
    standard.warning("got %s of %s: %r", what, canaries.object(), canaries.object(), extra={"body": what})
    annotate(body=what, thing=canaries.object())
    error = canaries.exception()
    log.error("order.failed", error=error, exc_info=error)
    standard.error("failed: %s", error, exc_info=error)
    log.error(
        "order.failed", error=repr(type(error)), url=f"https://example.com/?{urlencode(canaries.query())}"
    )


def named(headers: Any) -> dict[str, Any]:
    """Of some headers those whose names, or looks, say what they are. No logger can know what is in the others."""
    secret = ("authorization", "cookie", "x-api-key", "x-auth-token", "x-correlation-id", "baggage")
    return {name: value for name, value in dict(headers).items() if name in secret}


async def http(canaries: Canaries, *, trusted: bool) -> None:
    async def place(request: Request) -> JSONResponse:
        body = await request.json()
        with bound(headers=named(request.headers), url=str(request.url.replace(path="/")), body=body):
            await asyncio.get_running_loop().run_in_executor(None, in_context(says), canaries, body)
        return JSONResponse(body, headers={"x-echo": "1"})

    async def fail(request: Request) -> JSONResponse:
        says(canaries, await request.json())
        raise canaries.exception()

    app = Starlette(
        routes=[
            Route("/users/{user}/orders/{order}", place, methods=["POST"]),
            Mount("/mounted/{key}", routes=[Route("/users/{user}/orders/{order}", fail, methods=["POST"])]),
        ]
    )
    app.add_middleware(LogMiddleware, trusted=trusted, slow_seconds=0)
    query = urlencode(canaries.query())

    async def post(client: Client, path: str, body: Any = None) -> int:
        answer = await client.post(f"{path}?{query}", body or canaries.body(), canaries.headers())
        for value in answer.headers.values():
            canaries.assert_clean(value.encode())
        return answer.status

    async with serving(app) as client:
        assert await post(client, canaries.path()) == 200
        assert await post(client, f"/mounted/{canaries.query()['q']}{canaries.path()}") == 500
        assert await post(client, f"/nowhere{canaries.path()}") == 404
        assert await post(client, canaries.path(), "x") == 200
        assert (await client.get(f"{canaries.path()}?{query}", canaries.headers())).status == 405


async def rpc(canaries: Canaries) -> None:
    body = json.dumps(canaries.body()).encode()
    metadata = tuple(canaries.headers().items())

    async def answer(request: bytes, context: Any) -> bytes:
        says(canaries, json.loads(request))
        context.set_trailing_metadata((("x-body", canaries.headers()["x-api-key"]),))
        return request

    async def abort(request: bytes, context: Any) -> bytes:
        await context.abort(grpc.StatusCode.INTERNAL, str(canaries.exception()))
        raise AssertionError

    async def fail(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for request in requests:
            yield request
            raise canaries.exception()

    def in_thread(request: bytes, context: Any) -> Iterator[bytes]:
        says(canaries, json.loads(request))
        yield request
        raise canaries.exception()

    class Service(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            return {
                "Answer": grpc.unary_unary_rpc_method_handler(answer),
                "Abort": grpc.unary_unary_rpc_method_handler(abort),
                "Fail": grpc.stream_stream_rpc_method_handler(fail),
                "InThread": grpc.unary_stream_rpc_method_handler(in_thread),
            }.get(handler_call_details.method.rpartition("/")[2])

    server = grpc.aio.server(interceptors=[LogServerInterceptor(trusted=True, slow_seconds=0)])
    server.add_generic_rpc_handlers((Service(),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    target = f"127.0.0.1:{port}"
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(
            grpc.aio.insecure_channel(target, interceptors=[*LogClientInterceptor()])
        )
        with bound(body=canaries.body(), headers=named(canaries.headers())):
            assert await channel.unary_unary("/test.Service/Answer")(body, metadata=metadata) == body
            failing: list[Any] = [
                channel.unary_unary("/test.Service/Abort")(body, metadata=metadata),
                channel.stream_stream("/test.Service/Fail")(iter([body]), metadata=metadata),
                channel.unary_stream("/test.Service/InThread")(body, metadata=metadata),
            ]
            # A client that is not ours: ours tells which methods it calls, which its own code says.
            stranger = await stack.enter_async_context(grpc.aio.insecure_channel(target))
            method = f"/{canaries.query()['email']}/{canaries.query()['q']}"
            failing.append(stranger.unary_unary(method)(body, metadata=metadata))
            for call in failing:
                try:
                    _ = [one async for one in call] if hasattr(call, "__aiter__") else await call
                except grpc.aio.AioRpcError as error:
                    log.exception("rpc.failed", error=error)
                    standard.error("failed: %s", error)
                else:
                    raise AssertionError
    await server.stop(None)


async def graphql(canaries: Canaries) -> None:
    @strawberry.type
    class Query:
        @strawberry.field
        async def order(self, body: strawberry.scalars.JSON, token: str = "") -> str | None:
            says(canaries, body)
            return "ok"

        @strawberry.field
        async def fails(self, body: strawberry.scalars.JSON) -> str | None:
            raise canaries.exception()

    app = Starlette(routes=[Mount("/graphql", GraphQL(strawberry.Schema(Query, extensions=[LogExtension])))])
    app.add_middleware(LogMiddleware)
    literal = json.dumps(canaries.query()["token"])
    alias = f"a_{canaries.query()['q']}"
    async with serving(app) as client:
        for query in (
            f"query Place($body: JSON!) {{ order(body: $body, token: {literal}) }}",
            f"query Fail($body: JSON!) {{ {alias}: fails(body: $body) }}",
            f"query Bad($body: JSON!) {{ {alias} order(body: {literal}, nothing: $body) }}",
            f"query Worse($body: JSON!) {{ order(body: {literal}",
        ):
            document = {"query": query, "variables": {"body": canaries.variables()}}
            assert (await client.post("/graphql/", document, canaries.headers())).status == 200


SCENARIOS: dict[str, Scenario] = {
    "http, trusted": lambda canaries: http(canaries, trusted=True),
    "http, not trusted": lambda canaries: http(canaries, trusted=False),
    "grpc": rpc,
    "graphql": graphql,
}
CANONICAL = {"http, trusted": 5, "http, not trusted": 5, "grpc": 5, "graphql": 4}


@pytest.mark.parametrize("name", SCENARIOS)
async def test_nothing_that_a_service_gets_is_at_its_logs_descriptor(
    canaries: Canaries, descriptor: int, name: str
) -> None:
    with watched(canaries, descriptor) as lines:
        await SCENARIOS[name](canaries)
    events = [line["event.name"] for line in lines()]
    assert events.count("rpc.request" if name == "grpc" else "http.request") == CANONICAL[name]
    assert {"order.placed", "order.failed", "log.record"} <= {*events}
    assert ("rpc.call" in events) == (name == "grpc")
    assert ("graphql.error" in events) == (name == "graphql")


@pytest.mark.parametrize("name", SCENARIOS)
async def test_the_same_services_are_caught_when_they_log_as_usual(
    canaries: Canaries, descriptor: int, name: str
) -> None:
    handler = logging.StreamHandler(os.fdopen(descriptor, "w", closefd=False))
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        with pytest.raises(LeakError) as caught, canaries.watching(descriptor):
            await SCENARIOS[name](canaries)
    finally:
        root.removeHandler(handler)
    assert "exception" in str(caught.value)
    canaries.assert_clean(str(caught.value).encode())


@pytest.mark.engines("kafka")
async def test_nothing_that_comes_with_a_message_is_at_the_logs_descriptor(
    canaries: Canaries, descriptor: int, kafka: Target, topic_prefix: str
) -> None:
    topic = f"{topic_prefix}orders"
    await create_topic(kafka.url, topic)
    headers = [(name, value.encode()) for name, value in canaries.headers().items()]
    with watched(canaries, descriptor) as lines:
        async with AIOKafkaProducer(bootstrap_servers=kafka.url) as producer:
            await producer.send_and_wait(topic, canaries.kafka_value(), headers=headers)
            with extract(headers):
                await producer.send_and_wait(topic, canaries.kafka_value(), headers=inject(headers))
        async with (
            AIOKafkaConsumer(topic, bootstrap_servers=kafka.url, auto_offset_reset="earliest") as consumer,
            asyncio.timeout(DEADLINE_SECONDS),
        ):
            for _ in range(2):
                message = await consumer.getone()
                with (
                    extract(message.headers, topic=topic),
                    bound(value=message.value, headers=named(message.headers)),
                ):
                    says(canaries, json.loads(message.value))
                    log.info("message.handled", message=message)
    handled = [line for line in lines() if line["event.name"] == "message.handled"]
    assert [line["messaging.destination.name"] for line in handled] == [topic] * 2
    assert all(len(line["trace_id"]) == 32 for line in handled)
