"""A gRPC server and its client with what `QuickWins` gives both: refusals at the door, a line for each call, one trace."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
from prometheus_client import CollectorRegistry

from quickwins import QuickWins
from quickwins.logs import bound, get_logger

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
