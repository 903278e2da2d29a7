"""Odd requests beside Strawberry's own view: the same answer, stored or not."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import strawberry
from prometheus_client import CollectorRegistry
from strawberry.asgi import GraphQL
from strawberry.scalars import JSON

from quickwins.query_cache import CacheControl, CachedGraphQL, QueryCache

pytestmark = pytest.mark.asyncio

MINUTE = CacheControl(max_age=60)


@strawberry.type
class Query:
    @strawberry.field(directives=[MINUTE])
    def number(self, x: float | None = strawberry.UNSET) -> str:
        return f"{type(x).__name__} {x!r}"

    @strawberry.field(directives=[MINUTE])
    def anything(self, x: JSON | None = strawberry.UNSET) -> str:
        return f"{type(x).__name__} {x!r}"

    @strawberry.field(directives=[MINUTE])
    def text(self, x: str | None = strawberry.UNSET) -> str:
        return repr(x)


NUMBER = '"query($x: Float) { number(x: $x) }"'
ANYTHING = '"query($x: JSON) { anything(x: $x) }"'
TWO = '"query A { text } query B { number }"'


@pytest.mark.parametrize(
    "bodies",
    [
        pytest.param(
            [f'{{"query": {NUMBER}{rest}}}' for rest in ("", *(f', "variables": {one}' for one in (
                "null", "{}", '{"x": null}', '{"x": 1}', '{"x": 1.0}', '{"x": true}', '{"x": "1"}', '{"x": -0.0}', '{"x": NaN}', '{"y": 1}',
            )))],
            id="absent, null, and what is equal in Python",
        ),
        pytest.param(
            [f'{{"query": {ANYTHING}, "variables": {{"x": {one}}}}}' for one in (
                "1", "1.0", "true", '"1"', "[1]", "[true]", '{"a": 1}', '{"a": 1.0}', '{"a": null}', "{}", '{"a": 1, "a": 2}', '{"a": 2, "a": 1}',
            )],
            id="scalars without a type",
        ),
        pytest.param(
            [f'{{"query": "{{ text(x: \\"{one}\\") }}"}}' for one in ("é", "e\u0301", "\\\\u00e9", "\\u00e9", " é", "É")],
            id="letters that look alike",
        ),
        pytest.param(
            [f'{{"query": {TWO}{rest}}}' for rest in ("", *(f', "operationName": {one}' for one in ('"A"', '"B"', '""', '"C"', "null", "5")))],
            id="names of operations",
        ),
        pytest.param(
            [
                '{"query": "{ text }", "query": "{ number }"}', '{"query": "{ number }", "query": "{ text }"}',
                '{"query": "{ text }", "extensions": {"persistedQuery": {"version": 1, "sha256Hash": "ab"}}}',
                '{"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "ab"}}}',
                '[{"query": "{ text }"}]', '{"query": null}', '{"query": "{ text }"', "null", '{"query": "{ text }", "variables": []}',
            ],
            id="bodies",
        ),
    ],
)  # fmt: skip
async def test_it_is_answered_as_without_a_cache(bodies: list[str]) -> None:
    async with QueryCache(registry=CollectorRegistry()) as cache:
        cached = CachedGraphQL(strawberry.Schema(Query, extensions=[cache.extension]), cache=cache)
        bare: Any = GraphQL(strawberry.Schema(Query))
        for body in [*bodies, *reversed(bodies)]:
            assert await answered(cached, body) == await answered(bare, body), body


async def answered(app: Any, body: str) -> tuple[int, str]:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://api") as client:
        reply = await client.post("/", content=body.encode(), headers={"content-type": "application/json"})
        return reply.status_code, reply.text
