"""Strawberry's views, and ours in their place: the same requests have the same answers, whatever a subclass adds."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any
from urllib.parse import urlencode

import pytest
import strawberry
from cross_web import HTTPException
from fastapi import FastAPI
from strawberry.asgi import GraphQL
from strawberry.extensions import MaskErrors
from strawberry.fastapi import GraphQLRouter
from strawberry.scalars import JSON
from strawberry.schema.config import StrawberryConfig
from strawberry.types import Info

from quickwins.query_cache import CacheControl, CachedGraphQL, CachedGraphQLRouter, QueryCache
from tests.unit.query_cache.service import Reply, call

TYPE = {"content-type": "application/json"}
EXECUTED = Counter[str]()


@strawberry.type
class Query:
    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def greeting(self, name: str = "ä") -> str:
        EXECUTED["greeting"] += 1
        return f"hello {name}"

    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def maybe(self, fails: bool) -> str | None:
        EXECUTED["maybe"] += 1
        if fails:
            raise ValueError("inside")
        return "x"

    @strawberry.field
    def odd(self) -> JSON:
        return JSON({1, 2})

    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def root(self, info: Info) -> str:
        return str(info.root_value)


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self) -> int:
        return 1


class Plain:
    """Adds nothing."""


class Sorted:
    """Encodes in its own way."""

    def encode_json(self, data: object) -> bytes:
        return json.dumps(data, sort_keys=True, indent=1).encode()


class Guarding(Plain):
    """Begins with what no script of another site can run, so that it makes no JSON."""

    def encode_json(self, data: object) -> bytes:
        return b")]}'," + json.dumps(data).encode()


class Formatting:
    """Formats errors in its own way, and says how many there were."""

    async def process_result(self, request: Any, result: Any) -> Any:
        parent: Any = super()
        made = await parent.process_result(request, result)
        if result.errors:
            made["errors"] = [{"code": type(one.original_error).__name__} for one in result.errors]
        return {**made, "count": len(result.errors or ())}

    def _handle_errors(self, errors: Any, response_data: Any) -> None:
        response_data["handled"] = len(errors)


class Persisted:
    """Knows documents by their names."""

    async def parse_http_body(self, request: Any) -> Any:
        parent: Any = super()
        data = await parent.parse_http_body(request)
        if not isinstance(data, list) and data.query == "greeting":
            data.query = "{ greeting }"
        return data


class Marked:
    """Marks each response."""

    def create_response(self, response_data: Any, sub_response: Any) -> Any:
        parent: Any = super()
        response = parent.create_response(response_data, sub_response)
        response.headers["x-marked"] = "yes"
        return response


class Guarded:
    """Lets in who has the key, once the request was read."""

    async def execute_operation(self, request: Any, **given: Any) -> Any:
        if request.headers.get("x-key") == "wrong":
            raise HTTPException(403, "no")
        parent: Any = super()
        return await parent.execute_operation(request=request, **given)


MIXINS = [Plain, Sorted, Formatting, Persisted, Marked, Guarded]


def schema(*extensions: Any) -> strawberry.Schema:
    def masking() -> MaskErrors:
        return MaskErrors(lambda error: "inside" in str(error))

    config = StrawberryConfig(batching_config={"max_operations": 3})
    return strawberry.Schema(Query, Mutation, config=config, extensions=[masking, *extensions])


def apps(framework: str, mixin: type) -> tuple[Any, Any, QueryCache]:
    """Strawberry's own view with what `mixin` adds, and ours with the same."""
    cache = QueryCache()
    with_cache = schema(cache.extension)
    if framework == "asgi":
        own = type("Own", (mixin, GraphQL), {})(schema())
        return own, type("Cached", (mixin, CachedGraphQL), {})(with_cache, cache=cache), cache
    own, cached = FastAPI(), FastAPI()
    own.include_router(type("Own", (mixin, GraphQLRouter), {})(schema()), prefix="/graphql")
    router = type("Cached", (mixin, CachedGraphQLRouter), {})(with_cache, cache=cache)
    cached.include_router(router, prefix="/graphql")
    return own, cached, cache


def posted(content: Any, **headers: str) -> dict[str, Any]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return {"body": body, "headers": {**TYPE, **named}}


def got(accept: str = "*/*", **parameters: str) -> dict[str, Any]:
    return {"method": "GET", "query": urlencode(parameters).encode(), "headers": {"accept": accept}}


REQUESTS = {
    "query": posted({"query": "{ greeting }"}),
    "variables": posted(
        {"query": "query($n: String!) { greeting(name: $n) }", "variables": {"n": "\u2028 b"}}
    ),
    "a name": posted({"query": "query A { greeting } query B { maybe(fails: false) }", "operationName": "B"}),
    "no such name": posted({"query": "query A { greeting }", "operationName": "C"}),
    "persisted": posted({"query": "greeting"}),
    "a key that is wrong": posted({"query": "{ greeting }"}, x_key="wrong"),
    "batch": posted(
        [{"query": "{ greeting }"}, {"query": "{ greeting maybe(fails: true) }"}, {"query": "{ n }"}]
    ),
    "batch of one": posted([{"query": "{ greeting }"}]),
    "batch with a mutation": posted([{"query": "mutation { change }"}, {"query": "{ greeting }"}]),
    "batch that is too large": posted([{"query": "{ greeting }"}] * 4),
    "empty batch": posted([]),
    "syntax": posted({"query": "{ greeting "}),
    "validation": posted({"query": "{ nothing }"}),
    "resolver fails": posted({"query": "{ greeting maybe(fails: true) }"}),
    "root value": posted({"query": "{ root }"}),
    "mutation": posted({"query": "mutation { change }"}),
    "no query": posted({"variables": {}}),
    "query is no text": posted({"query": 1}),
    "variables are no object": posted({"query": "{ greeting }", "variables": [1]}),
    "no json": posted(b"{"),
    "no content": posted(b""),
    "no json either": posted(b"nul"),
    "form": posted(b"query=x", content_type="application/x-www-form-urlencoded"),
    "multipart": posted(b"x", content_type="multipart/form-data; boundary=b"),
    "get": got(query="{ greeting }"),
    "get with variables": got(query="query($n: String!) { greeting(name: $n) }", variables='{"n": "x"}'),
    "get with odd variables": got(query="{ greeting }", variables="{"),
    "get of a mutation": got(query="mutation { change }"),
    "page": got(accept="text/html"),
    "put": {"method": "PUT", "body": b"{}", "headers": TYPE},
    "head": {"method": "HEAD", "query": b"query={greeting}"},
}


def seen(reply: Reply) -> tuple[int, str | None, bytes, str | None]:
    return reply.status, reply.headers.get("content-type"), reply.body, reply.headers.get("x-marked")


@pytest.mark.parametrize("mixin", MIXINS)
@pytest.mark.parametrize("framework", ["asgi", "fastapi"])
@pytest.mark.asyncio
async def test_a_request_has_the_same_answer_each_time(framework: str, mixin: type) -> None:
    own, cached, cache = apps(framework, mixin)
    for name, request in REQUESTS.items():
        expected = seen(await call(own, **request))
        for time in range(3):
            assert seen(await call(cached, **request)) == expected, (name, time)
    assert cache.stats().hits["l1"] > 20
    EXECUTED.clear()
    for _ in range(2):
        await call(cached, **REQUESTS["query"])
    assert not EXECUTED


@pytest.mark.parametrize("framework", ["asgi", "fastapi"])
@pytest.mark.asyncio
async def test_what_is_no_json_is_left_alone(framework: str) -> None:
    own, cached, cache = apps(framework, Guarding)
    for name in ("query", "batch", "resolver fails", "query"):
        expected = seen(await call(own, **REQUESTS[name]))
        for _ in range(2):
            assert seen(await call(cached, **REQUESTS[name])) == expected
    assert cache.stats().entries == 0


@pytest.mark.parametrize("framework", ["asgi", "fastapi"])
@pytest.mark.asyncio
async def test_what_can_not_be_encoded_fails_beside_what_is_stored_too(framework: str) -> None:
    own, cached, _ = apps(framework, Plain)
    await call(cached, **REQUESTS["query"])
    for one in (own, cached):
        with pytest.raises(TypeError, match="set is not JSON serializable"):
            await call(one, **posted([{"query": "{ greeting }"}, {"query": "{ odd }"}]))


@pytest.mark.parametrize("framework", ["asgi", "fastapi"])
@pytest.mark.asyncio
async def test_what_is_formatted_by_a_subclass_is_so_on_a_hit(framework: str) -> None:
    _, cached, _ = apps(framework, Formatting)
    for _ in range(3):
        reply = await call(cached, **REQUESTS["query"])
        assert json.loads(reply.body) == {"data": {"greeting": "hello ä"}, "count": 0}
        failed = await call(cached, **REQUESTS["resolver fails"])
        assert json.loads(failed.body)["handled"] == 1
        assert failed.headers["cache-control"] == "no-store"
