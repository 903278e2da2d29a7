"""A gRPC server and its client with what `QuickWins` gives both: refusals at the door, a line for each call, one trace."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from prometheus_client import CollectorRegistry

from quickwins import QuickWins
from quickwins.logs import bound, get_logger
from tests.grpc_service import serving as served

METHOD = "/feed.Feed/Get"


async def answer(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
    get_logger().info("answered")
    return request


@asynccontextmanager
async def serving(qw: QuickWins, **options: Any) -> AsyncIterator[grpc.aio.Channel]:
    server = grpc.aio.server(interceptors=qw.grpc_interceptors(**options))
    handlers = {"Get": grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("feed.Feed", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    interceptors = qw.grpc_client_interceptors()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}", interceptors=interceptors) as channel:
            yield channel
    finally:
        await server.stop(None)


@pytest.mark.asyncio
async def test_calls_are_refused_at_the_door_until_it_is_killed_and_each_leaves_its_line(
    tmp_path: Path,
) -> None:
    file, log = tmp_path / "quickwins.toml", tmp_path / "log"
    file.write_text(
        'service = "feed"\n[flags]\naudit = false\n[backpressure]\nenabled = true\nthreshold = 0.5\n'
        f'[logs]\nenabled = true\noutput = "{log}"\n'
    )
    async with QuickWins.load(file, env={}, registry=CollectorRegistry()) as qw:
        door = qw.gate(name="door", size=2)
        async with serving(qw, gate=door, trusted=True) as channel:
            call = channel.unary_unary(METHOD)
            with bound(tenant="t1"):
                assert await call(b"hello") == b"hello"
            async with door.permit():
                with pytest.raises(grpc.aio.AioRpcError) as refused:
                    await call(b"hello")
                assert refused.value.code() is grpc.StatusCode.UNAVAILABLE
                file.write_text(file.read_text().replace("threshold = 0.5", "threshold = 0.5\nkilled = true"))
                assert qw.flags.poll()
                assert await call(b"hello") == b"hello"
    told = [json.loads(line) for line in log.read_bytes().splitlines()]
    calls = [line for line in told if line["event.name"] == "rpc.request"]
    assert [line["rpc.grpc.status_code"] for line in calls] == [0, 14, 0]
    assert [line["event.name"] for line in told if "trace_id" in line].count("answered") == 2


@pytest.mark.asyncio
async def test_a_percentage_of_calls_meets_the_gate_whatever_kind_of_handler_answers(tmp_path: Path) -> None:
    file = tmp_path / "quickwins.toml"
    file.write_text(
        'service = "feed"\n[flags]\naudit = false\n[backpressure]\nenabled = true\npercent = 50\n'
    )
    registry = CollectorRegistry()
    qw = QuickWins.load(file, env={}, registry=registry)
    flag = qw.flag("backpressure")

    async def coroutine(request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return b"on" if flag.active() else b"off"

    async def generator(request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        first, second = flag.active(), flag.active()
        assert first is second
        yield b"on" if first else b"off"

    def function(request: bytes, context: grpc.ServicerContext) -> bytes:
        return b"on" if flag.active() else b"off"

    handlers = {
        "coroutine": grpc.unary_unary_rpc_method_handler(coroutine),
        "generator": grpc.unary_stream_rpc_method_handler(generator),
        "function": grpc.unary_unary_rpc_method_handler(function),
    }

    def user(details: grpc.HandlerCallDetails) -> str | None:
        return dict(details.invocation_metadata).get("user")

    for key, expected in ((None, {b"on", b"off"}), (user, {b"off"})):
        async with served(
            *qw.grpc_interceptors(key=key), executor=ThreadPoolExecutor(1), **handlers
        ) as channel:
            seen = [await channel.unary_unary("/feed.Feed/coroutine")(b"") for _ in range(40)]
            assert {*seen} == expected
            seen = [await channel.unary_unary("/feed.Feed/function")(b"") for _ in range(40)]
            assert {*seen} == expected
            seen = [m for _ in range(40) async for m in channel.unary_stream("/feed.Feed/generator")(b"")]
            assert {*seen} == expected
    missing = {"service": "feed", "name": "", "feature": "backpressure"}
    assert registry.get_sample_value("quickwins_flag_missing_key_total", missing) == 160, "without metadata"
    async with served(*qw.grpc_interceptors(key=user), **handlers) as channel:
        call = channel.unary_unary("/feed.Feed/coroutine")
        answers = [[await call(b"", metadata=(("user", str(one)),)) for one in range(30)] for _ in range(2)]
    assert answers[0] == answers[1]
    assert {*answers[0]} == {b"on", b"off"}
