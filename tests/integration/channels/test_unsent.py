"""Calls that cannot be sent: their metadata, or their request, is none that gRPC takes. Each ends, and gives its place back."""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio
import pytest

from quickwins.channels import PoolConfig
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.channels.conformance.service import CHAT, COUNT, ECHO, JOIN, serving
from tests.integration.channels.kinds import ours
from tests.integration.channels.test_contexts import Seen

pytestmark = pytest.mark.asyncio

PATHS = {"unary_unary": ECHO, "unary_stream": COUNT, "stream_unary": JOIN, "stream_stream": CHAT}
CONFIG = PoolConfig(mode="pool", size=2)


METADATA: dict[str, Any] = {
    "value": (("key", 5),),
    "name": (("UPPER case", "x"),),
    "letter": (("k\u00e9y", "x"),),
    "binary": (("key-bin", "text"),),
}


async def failed(call: Any) -> BaseException:
    try:
        if hasattr(call, "__aiter__"):
            async for _ in call:
                pass
        else:
            await call
    except (TypeError, grpc.RpcError, grpc.aio.InternalError, asyncio.CancelledError) as error:
        return error
    raise AssertionError("it went through")


@pytest.mark.parametrize("intercepted", [False, True], ids=["plain", "intercepted"])
@pytest.mark.parametrize("methods", [[], list(PATHS.values())], ids=["native", "retried"])
@pytest.mark.parametrize("kind", PATHS)
async def test_it_ends_as_on_a_channel_of_grpcs_and_nothing_stays(
    kind: str, methods: list[str], intercepted: bool
) -> None:
    seen = [Seen().interceptor(kind)] if intercepted else []
    async with (
        serving() as (_, port),
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", interceptors=seen) as bare,
        ours(f"127.0.0.1:{port}", config=CONFIG, methods=methods, interceptors=seen) as channel,
    ):
        await channel.channel_ready()
        fine: Any = [b"1"] if kind.startswith("stream") else b"1"
        wrong = {name: (fine, metadata) for name, metadata in METADATA.items()}
        if kind.startswith("unary"):
            wrong["request"] = (5, ())
        for name, (request, metadata) in wrong.items():
            errors = []
            for one in (bare, channel):
                call = getattr(one, kind)(PATHS[kind])(request, metadata=metadata)
                errors.append(await asyncio.wait_for(failed(call), DEADLINE_SECONDS))
            assert type(errors[0]) is type(errors[1]), name
            await eventually(
                lambda: channel.stats().inflight == 0, f"with a wrong {name}, its place is taken"
            )
        assert [one.silent for one in channel.stats().members] == [0, 0]
        assert await channel.unary_unary(ECHO)(b"fine") == b"fine"
