"""GraphQL operations on the line of their request, over real HTTP connections and without any."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError
from starlette.applications import Starlette
from starlette.routing import Mount
from strawberry.asgi import GraphQL
from strawberry.extensions import MaskErrors
from strawberry.schema.exceptions import CannotGetOperationTypeError

from quickwins.logs import strawberry as adapter
from quickwins.logs._context import CONTEXT, Canonical, Context
from quickwins.logs.asgi import LogMiddleware
from quickwins.logs.strawberry import MAX_ERRORS, LogExtension
from tests.integration.logs.serving import serving
from tests.unit.logs.recording import Lines, recorded

pytestmark = pytest.mark.asyncio


@strawberry.type
class Post:
    number: int

    @strawberry.field
    async def title(self) -> str | None:
        if self.number % 2:
            raise ValueError(f"secret {self.number}")
        return "t"


@strawberry.type
class Query:
    @strawberry.field
    def hello(self, name: str = "") -> str | None:
        return "world"

    @strawberry.field
    async def posts(self, number: int = 3) -> list[Post]:
        return [Post(number=one) for one in range(number)]

    @strawberry.field
    async def told(self) -> str | None:
        raise GraphQLError("secret")

    @strawberry.field
    async def waits(self, turns: int) -> str | None:
        for _ in range(turns):
            await asyncio.sleep(0)
        return "ok"


@strawberry.type
class Mutation:
    @strawberry.mutation
    def change(self) -> str | None:
        return "ok"


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self) -> AsyncIterator[int]:
        yield 1
        yield 2
        raise ValueError("secret")

    @strawberry.subscription
    async def posts(self) -> AsyncIterator[Post]:
        for number in range(4):
            yield Post(number=number)


def schema_of(*extensions: Any) -> strawberry.Schema:
    return strawberry.Schema(Query, Mutation, Subscription, extensions=[*extensions])


SCHEMA = schema_of(LogExtension)


@pytest.fixture
def lines() -> Iterator[Lines]:
    with recorded() as made:
        yield made


async def annotated(query: str, schema: strawberry.Schema = SCHEMA, **options: Any) -> dict[str, Any]:
    """What the request's line would say of an operation."""
    canonical = Canonical()
    token = CONTEXT.set(Context({}, canonical=canonical))
    with suppress(CannotGetOperationTypeError):  # the document has no such operation
        await schema.execute(query, **options)
    CONTEXT.reset(token)
    return {name.removeprefix("graphql.operation."): value for name, value in canonical.items()}


BOTH = "query A { hello } query B { hello } mutation C { change }"


@pytest.mark.parametrize(
    ("query", "options", "expected"),
    [
        pytest.param("{ hello }", {}, {"type": "query"}, id="without a name"),
        pytest.param("query Feed { hello }", {}, {"type": "query", "name": "Feed"}, id="with one"),
        pytest.param("mutation M { change }", {}, {"type": "mutation", "name": "M"}, id="a mutation"),
        pytest.param(BOTH, {"operation_name": "C"}, {"type": "mutation", "name": "C"}, id="one of several"),
        pytest.param("{ hello }", {"operation_name": "secret"}, {}, id="a name that is not there"),
        pytest.param(
            f"query {'x' * 64} {{ hello }}", {}, {"type": "query", "name": "x" * 64}, id="a long name"
        ),
        pytest.param(f"query {'x' * 65} {{ hello }}", {}, {"type": "query"}, id="too long a name"),
        pytest.param("query Feed { nonsense }", {}, {"type": "query", "name": "Feed"}, id="not valid"),
        pytest.param("query Feed { hello", {}, {}, id="no document"),
        pytest.param("fragment F on Query { hello }", {}, {}, id="no operation"),
    ],
)
async def test_an_operation_is_named_as_its_document_names_it(
    lines: Lines, query: str, options: Any, expected: Any
) -> None:
    assert await annotated(query, **options) == expected


async def test_without_a_loop_it_is_the_same(lines: Lines) -> None:
    def run() -> dict[str, object]:
        canonical = Canonical()
        CONTEXT.set(Context({}, canonical=canonical))
        SCHEMA.execute_sync("query Feed { hello nonsense }")
        return canonical

    canonical = await asyncio.to_thread(run)
    assert canonical == {"graphql.operation.type": "query", "graphql.operation.name": "Feed"}
    assert lines.only().level == "warning"


QUERY = """
query Feed($secret: Int!) {
  alias_secret: posts(number: $secret) { ...Parts ... on Post { another_secret: title } }
  told
}
fragment Parts on Post { number ...Parts2 }
fragment Parts2 on Post { title }
"""


async def test_an_error_is_told_by_its_type_and_the_fields_that_lead_to_it(lines: Lines) -> None:
    await SCHEMA.execute(QUERY, variable_values={"secret": 2})
    told = [
        (line.level, line.event, line.fields["error.type"], line.fields["graphql.path"])
        for line in lines.lines
    ]
    assert sorted(told) == [
        ("error", "graphql.error", "ValueError", "posts.title"),
        ("error", "graphql.error", "ValueError", "posts.title"),
        ("warning", "graphql.error", "GraphQLError", "told"),
    ]
    for line in lines.lines:
        error = line.fields.pop("exc_info", None)
        assert (error is not None) == (line.level == "error")
        assert "secret" not in str(line)


async def test_of_many_errors_some_are_told(lines: Lines) -> None:
    await SCHEMA.execute("{ posts(number: 100) { title } }")
    assert len(lines.lines) == MAX_ERRORS


@pytest.mark.parametrize(
    "query", ["{ secret }", "{ hello", "{ hello(name: 7) }", "query($a: Secret) { hello }"]
)
async def test_a_document_that_is_not_valid_is_the_clients_and_not_shown(lines: Lines, query: str) -> None:
    await SCHEMA.execute(query)
    assert {line.level for line in lines.lines} == {"warning"}
    assert "secret" not in str(lines).lower()
    assert "exc_info" not in str(lines)


async def test_errors_that_are_masked_afterwards_are_told_as_they_were(lines: Lines) -> None:
    result = await schema_of(MaskErrors, LogExtension).execute("{ posts { title } }")
    assert result.errors is not None
    assert result.errors[0].message == "Unexpected error."
    assert lines.only().fields["error.type"] == "ValueError"


async def test_each_result_of_a_subscription_is_looked_at_once(lines: Lines) -> None:
    results: Any = await SCHEMA.subscribe("subscription S { posts { title } }")
    seen = [(len(lines.lines), bool(result.errors)) async for result in results]
    assert seen == [(0, False), (1, True), (1, False), (2, True)]
    assert [line.fields["graphql.path"] for line in lines.lines] == ["posts.title"] * 2
    results = await SCHEMA.subscribe("subscription S { ticks }")
    assert [bool(result.errors) async for result in results] == [False, False, True]
    assert (len(lines.lines), lines.lines[-1].fields["error.type"]) == (3, "ValueError")


async def test_a_subscription_that_is_left_is_annotated_too(lines: Lines) -> None:
    canonical = Canonical()
    token = CONTEXT.set(Context({}, canonical=canonical))
    results: Any = await SCHEMA.subscribe("subscription S { posts { number } }")
    async for _ in results:
        break
    await results.aclose()
    CONTEXT.reset(token)
    assert canonical == {"graphql.operation.type": "subscription", "graphql.operation.name": "S"}
    assert not lines.lines


async def test_one_extension_for_all_keeps_concurrent_operations_apart(lines: Lines) -> None:
    with pytest.warns(DeprecationWarning, match="extension instance"):
        shared = schema_of(LogExtension())

    async def one(number: int) -> None:
        query = f"query Q{number} {{ waits(turns: {number % 7}) told }}"
        assert (await annotated(query, shared))["name"] == f"Q{number}"

    await asyncio.gather(*(one(number) for number in range(50)))
    assert len(lines.lines) == 50


async def test_a_mistake_of_ours_is_told_and_does_not_hurt_the_operation(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "annotate", None)
    result = await SCHEMA.execute("{ hello }")
    assert result.data == {"hello": "world"}
    assert (lines.only().event, type(lines.only().fields["exc_info"])) == ("log.failed", TypeError)


async def test_while_its_flag_is_off_nothing_is_said(lines: Lines) -> None:
    class Off:
        class state:  # noqa: N801 -- as flags have it; until=never
            on = False

    off: Any = Off
    schema = schema_of(lambda: LogExtension(flag=off))
    assert await annotated("query Feed { told }", schema) == {}
    results: Any = await schema.subscribe("subscription S { ticks }")
    assert [bool(result.errors) async for result in results] == [False, False, True]
    assert not lines.lines


async def test_over_http_it_is_one_line_and_one_event_with_the_same_trace(lines: Lines) -> None:
    app = Starlette(routes=[Mount("/graphql", GraphQL(SCHEMA))])
    app.add_middleware(LogMiddleware)
    async with serving(app) as client:
        body = {"query": "query Feed($n: Int!) { posts(number: $n) { title } }", "variables": {"n": 2}}
        answer = await client.post("/graphql/", body)
        assert answer.status == 200
    event, line = lines.lines
    assert (event.event, line.event) == ("graphql.error", "http.request")
    assert event.bound["trace_id"] == line.bound["trace_id"]
    assert line.fields["http.route"] == "/graphql"
    assert line.fields["graphql.operation.name"] == "Feed"
    assert answer.headers["x-correlation-id"] == line.bound["correlation_id"]
