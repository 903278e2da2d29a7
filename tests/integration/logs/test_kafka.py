"""A trace goes with a message through a real broker into its handler, and on from there."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from quickwins.logs._context import CONTEXT, EMPTY
from quickwins.logs.asgi import LogMiddleware
from quickwins.logs.kafka import extract, inject
from quickwins.logs.testing import recording
from tests.eventually import DEADLINE_SECONDS
from tests.integration.kafka.topics import create_topic
from tests.integration.logs.serving import serving
from tests.unit.logs.recording import bound_here

if TYPE_CHECKING:
    from tests.engines import Target


@pytest.fixture(autouse=True)
def configured() -> Iterator[None]:
    with recording():
        yield


@pytest.mark.asyncio
@pytest.mark.engines("kafka")
async def test_an_event_is_handled_in_the_trace_of_the_request_that_caused_it(
    kafka: Target, topic_prefix: str
) -> None:
    first, second = f"{topic_prefix}posts", f"{topic_prefix}mails"
    for topic in (first, second):
        await create_topic(kafka.url, topic)
    caused: list[dict[str, object]] = []

    async with AIOKafkaProducer(bootstrap_servers=kafka.url) as producer:

        async def post(request: Request) -> PlainTextResponse:
            caused.append(bound_here())
            old = [("schema", b"7"), ("traceparent", b"old")]
            await producer.send_and_wait(first, b"value", headers=inject(old))
            return PlainTextResponse("ok")

        app = Starlette(routes=[Route("/posts", post)])
        app.add_middleware(LogMiddleware, trusted=True)
        async with serving(app) as client:
            await client.get("/posts", {"x-correlation-id": "order-7", "tracestate": "foo=1"})
            await client.get(
                "/posts",
                {
                    "traceparent": f"00-{'a' * 32}-{'b' * 16}-01",
                    "tracestate": "foo=1",
                    "x-correlation-id": "order-8",
                },
            )

        handled: list[tuple[dict[str, object], Any]] = []
        options = {"bootstrap_servers": kafka.url, "auto_offset_reset": "earliest"}
        async with (
            AIOKafkaConsumer(first, **options) as posts,
            AIOKafkaConsumer(second, **options) as mails,
            asyncio.timeout(DEADLINE_SECONDS),
        ):
            for consumer in (posts, posts, mails, mails):
                message = await consumer.getone()
                with extract(message.headers, topic=message.topic):
                    handled.append((bound_here(), message.headers))
                    if consumer is posts:
                        await producer.send_and_wait(second, b"value", headers=inject())
                assert CONTEXT.get() is EMPTY

    assert [fields["trace_id"] for fields, _ in handled] == [caused[0]["trace_id"], "a" * 32] * 2
    assert [fields["correlation_id"] for fields, _ in handled] == ["order-7", "order-8"] * 2
    assert [fields["messaging.destination.name"] for fields, _ in handled] == [first, first, second, second]
    assert (
        len({str(fields["span_id"]) for fields, _ in handled} | {str(one["span_id"]) for one in caused}) == 6
    )
    headers = [dict(sent) for _, sent in handled]
    assert headers[0]["schema"] == b"7"
    assert headers[0]["traceparent"].startswith(f"00-{caused[0]['trace_id']}-{caused[0]['span_id']}".encode())
    assert [one.get("tracestate") for one in headers] == [None, b"foo=1"] * 2
