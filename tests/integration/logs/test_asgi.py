"""The context of requests over real connections: it begins and ends with each, whatever its neighbours do."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route

from quickwins.logs._context import annotate, bound, in_context
from quickwins.logs.asgi import LogMiddleware
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.logs.serving import serving
from tests.unit.logs.recording import Lines, bound_here, recorded

pytestmark = pytest.mark.asyncio

TRACEPARENT = f"00-{'a' * 32}-{'b' * 16}-01"


@pytest.fixture
def lines() -> Iterator[Lines]:
    with recorded() as made:
        yield made


def application(*routes: Any, **options: Any) -> Starlette:
    app = Starlette(routes=[*routes])
    app.add_middleware(LogMiddleware, **options)
    return app


async def show(request: Request) -> JSONResponse:
    with bound(user=request.path_params.get("user")):
        annotate(shown=True)
        in_thread = await asyncio.get_running_loop().run_in_executor(None, in_context(bound_here))
        return JSONResponse({"here": bound_here(), "in_thread": in_thread})


async def test_a_request_carries_its_trace_into_threads_and_back_to_the_client(lines: Lines) -> None:
    app = application(Mount("/api", routes=[Route("/users/{user}", show)]), trusted=True)
    headers = {"Traceparent": TRACEPARENT, "X-Correlation-ID": "order-7"}
    async with serving(app) as client:
        answer = await client.get("/api/users/alice?token=secret", headers)
    line = lines.only()
    seen = json.loads(answer.body)
    assert answer.headers["x-correlation-id"] == "order-7"
    assert seen["here"] == seen["in_thread"] == {**line.bound, "user": "alice"}
    assert (line.bound["trace_id"], line.bound["correlation_id"]) == ("a" * 32, "order-7")
    assert line.fields.pop("duration_ms") > 0
    assert line.fields == {
        "http.request.method": "GET",
        "http.route": "/api/users/{user}",
        "http.response.status_code": 200,
        "shown": True,
    }


async def test_a_hundred_requests_at_once_see_their_own_context_only(lines: Lines) -> None:
    arrived, leave = [], asyncio.Event()

    async def wait(request: Request) -> JSONResponse:
        with bound(user=request.path_params["user"]):
            before = bound_here()
            arrived.append(before)
            if len(arrived) == 100:
                leave.set()
            await asyncio.wait_for(leave.wait(), DEADLINE_SECONDS)
            annotate(user=request.path_params["user"])
            return JSONResponse([before, bound_here()])

    async with serving(application(Route("/{user}", wait), trusted=True)) as client:
        answers = await asyncio.gather(
            *(client.get(f"/u{number}", {"x-correlation-id": f"c{number}"}) for number in range(100))
        )
    for number, answer in enumerate(answers):
        before, after = json.loads(answer.body)
        assert before == after
        assert (before["user"], before["correlation_id"]) == (f"u{number}", f"c{number}")
        assert answer.headers["x-correlation-id"] == f"c{number}"
    assert len({line.bound["trace_id"] for line in lines.lines}) == 100
    assert all(line.fields["user"][1:] == line.bound["correlation_id"][1:] for line in lines.lines)


async def test_requests_on_one_connection_inherit_nothing_from_each_other_also_when_pipelined(
    lines: Lines,
) -> None:
    async def leaves_something(scope: Any, receive: Any, send: Any) -> None:
        with bound(user=scope["path"]):
            await PlainTextResponse(json.dumps(bound_here()))(scope, receive, send)

    request = b"GET /%s HTTP/1.1\r\nhost: x\r\n\r\n"
    async with serving(LogMiddleware(leaves_something)) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(request % b"one" + request % b"two" + request % b"three")
        for user in ("/one", "/two", "/three"):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), DEADLINE_SECONDS)
            (length,) = [
                int(row.split(b":")[1]) for row in head.split(b"\r\n") if row.startswith(b"content-length")
            ]
            seen = json.loads(await reader.readexactly(length))
            assert seen.keys() == {"trace_id", "span_id", "correlation_id", "user"}
            assert seen["user"] == user
        writer.close()
        await writer.wait_closed()
        await eventually(lambda: len(lines.lines) == 3)
    assert all(line.bound.keys() == {"trace_id", "span_id", "correlation_id"} for line in lines.lines)
    assert len({line.bound["trace_id"] for line in lines.lines}) == 3


async def test_a_failure_is_a_500_for_the_client_and_on_the_line(lines: Lines) -> None:
    async def fail(request: Request) -> PlainTextResponse:
        raise ValueError("secret")

    async with serving(application(Route("/fail/{user}", fail))) as client:
        answer = await client.get("/fail/alice")
    line = lines.only()
    assert answer.status == line.fields["http.response.status_code"] == 500
    assert (line.level, line.fields["error.type"], line.fields["http.route"]) == (
        "error", "ValueError", "/fail/{user}",
    )  # fmt: skip


@pytest.mark.parametrize("begun", [False, True], ids=["before the response", "within it"])
async def test_a_client_that_goes_away_leaves_its_line(lines: Lines, begun: bool) -> None:
    entered = asyncio.Event()

    async def parts() -> AsyncIterator[bytes]:
        yield b"one"
        entered.set()
        await asyncio.Event().wait()

    async def stream(request: Request) -> StreamingResponse:
        return StreamingResponse(parts())

    async def wait(request: Request) -> PlainTextResponse:
        entered.set()
        while (await request.receive())["type"] != "http.disconnect":
            pass
        raise asyncio.CancelledError

    app = application(Route("/{user}", stream if begun else wait))
    async with serving(app) as client:
        _, writer = await asyncio.open_connection("127.0.0.1", client.port)
        writer.write(b"GET /alice HTTP/1.1\r\nhost: x\r\n\r\n")
        await asyncio.wait_for(entered.wait(), DEADLINE_SECONDS)
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        await eventually(lambda: len(lines.lines) == 1)
    line = lines.only()
    assert line.level in {"info", "warning"}
    assert line.fields.get("http.response.status_code") == (200 if begun else None)
    assert line.fields["http.route"] == "/{user}"


async def test_what_nobody_matched_has_no_route_and_no_path(lines: Lines) -> None:
    async with serving(application(Route("/users", show))) as client:
        assert (await client.get("/secret/secret?token=secret")).status == 404
        assert (await client.request("PURGE", "/users")).status == 405
    unmatched, purged = lines.lines
    assert "http.route" not in unmatched.fields
    assert "secret" not in str(unmatched)
    assert (purged.fields["http.route"], purged.fields["http.request.method"]) == ("/users", "_OTHER")
