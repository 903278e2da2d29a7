"""Core mode over several addresses, and the mode that looks for itself."""

from __future__ import annotations

import asyncio
import gc
from contextlib import AsyncExitStack
from typing import Any

import grpc
import grpc.aio
import pytest
from prometheus_client import CollectorRegistry

from quickwins.channels import MethodPolicy, Mode, PoolConfig, RotatingChannel, rotating_channel
from tests.eventually import eventually
from tests.grpc_service import listening

pytestmark = pytest.mark.asyncio


class Replica:
    """One of several servers, which counts its calls."""

    def __init__(self, code: grpc.StatusCode = grpc.StatusCode.OK) -> None:
        self.code = code
        self.calls = 0

    async def say(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        self.calls += 1
        if self.code is not grpc.StatusCode.OK:
            await context.abort(self.code)
        return request


async def started(stack: AsyncExitStack, *replicas: Replica) -> list[int]:
    return [
        await stack.enter_async_context(listening(say=grpc.unary_unary_rpc_method_handler(one.say)))
        for one in replicas
    ]


def made(target: str, **config: Any) -> RotatingChannel:
    return rotating_channel(
        target,
        name="feed",
        config=PoolConfig(**config),
        methods={"/test/say": MethodPolicy(idempotent=True)},
        registry=CollectorRegistry(),
    )


def several(ports: list[int]) -> str:
    return "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)


async def test_over_several_addresses_grpc_balances_and_retries() -> None:
    async with AsyncExitStack() as stack:
        replicas = [Replica(), Replica(grpc.StatusCode.UNAVAILABLE), Replica()]
        channel = await stack.enter_async_context(
            made(several(await started(stack, *replicas)), eject_after=0)
        )
        say = channel.unary_unary("/test/say")
        assert [await say(b"x") for _ in range(30)] == [b"x"] * 30
        stats = channel.stats()
        assert (stats.mode, stats.why, stats.addresses) == (Mode.CORE, "the target has 3 addresses", 3)
        assert len(stats.members) == 1
        assert all(one.calls >= 5 for one in replicas)
        assert stats.requests == {"OK": 30}  # a retried call is one


async def test_in_core_mode_grpc_ejects_a_replica_that_refuses_everything() -> None:
    async with AsyncExitStack() as stack:
        replicas = [Replica(), Replica(grpc.StatusCode.UNAVAILABLE), Replica()]
        ports = await started(stack, *replicas)
        channel = await stack.enter_async_context(made(several(ports), mode="core", ejection_seconds=60.0))
        say = channel.unary_unary("/test/say")

        calls_in_a_row, seen = 0, 0
        async with asyncio.timeout(30):
            while calls_in_a_row < 15:  # gRPC looks once a second
                await say(b"x")
                calls_in_a_row = calls_in_a_row + 1 if replicas[1].calls == seen else 0
                seen = replicas[1].calls


async def test_a_core_channel_is_rotated_as_a_whole() -> None:
    async with AsyncExitStack() as stack:
        channel = await stack.enter_async_context(made(several(await started(stack, Replica(), Replica()))))
        say = channel.unary_unary("/test/say")
        await say(b"x")
        await channel.rotate()
        await say(b"x")
        assert [one.number for one in channel.stats().members] == [2]


async def test_a_name_is_looked_up_while_calls_go_to_a_stock_channel() -> None:
    async with AsyncExitStack() as stack:
        [port] = await started(stack, Replica())
        channel = await stack.enter_async_context(made(f"localhost:{port}"))
        say = channel.unary_unary("/test/say")
        first = say(b"x")
        assert channel.stats().why == "the target's addresses are not known yet"
        assert await first == b"x"
        await eventually(lambda: channel.stats().mode is Mode.POOL)
        assert channel.stats().why == "the target has one address"
        assert await say(b"x") == b"x"


@pytest.mark.parametrize("target", ["nowhere.invalid:1", "no..name:1", f"{'x' * 64}.invalid:1"])
async def test_a_name_that_nobody_knows_stays_with_the_stock_channel_and_is_asked_for_again(
    target: str,
) -> None:
    unseen: list[Any] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: unseen.append(context))
    async with made(target) as channel:
        call = channel.unary_unary("/test/say")(b"x", timeout=30)
        assert await call.code() is grpc.StatusCode.UNAVAILABLE
        assert channel.stats().mode is Mode.SINGLE
    del channel, call
    gc.collect()  # a task that has failed says so then
    assert unseen == []


async def test_a_channel_that_becomes_auto_later_looks_the_name_up_then() -> None:
    async with AsyncExitStack() as stack:
        [port] = await started(stack, Replica())
        channel = await stack.enter_async_context(made(f"localhost:{port}", mode="single"))
        say = channel.unary_unary("/test/say")
        await say(b"x")
        channel.reconfigure(PoolConfig())
        await eventually(lambda: channel.stats().mode is Mode.POOL)
        channel.reconfigure(PoolConfig(mode="core"))
        assert await say(b"x") == b"x"
        assert channel.stats().mode is Mode.CORE
        await eventually(lambda: channel.stats().draining == ())
