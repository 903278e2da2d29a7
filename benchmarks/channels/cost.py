"""What a call costs on a pool of three, as a ratio to one bare channel in the same run.

A server in a process of its own answers with the request. `native` is a call that cannot be tried again, and so a member's own
call object; `armed` is one of an idempotent method. Blocks are short and shuffled, since long ones differ by some per cent for
nothing: the A/A ratio stands in the last line.

python -m benchmarks.channels.cost [--rounds 200]
"""

from __future__ import annotations

import asyncio
import sys
from random import Random
from typing import TYPE_CHECKING

import grpc.aio
from prometheus_client import CollectorRegistry

from benchmarks.channels.backend import METHOD, backend
from benchmarks.program import command_line, conclude
from quickwins.channels import MethodPolicy, PoolConfig, rotating_channel
from quickwins.rig import Target, paired_ratios_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

REQUEST = b"x" * 100


def asking(channel: grpc.aio.Channel) -> Callable[[], Awaitable[object]]:
    call = channel.unary_unary(METHOD, bytes, bytes)  # with serializers, as generated stubs have them

    async def ask() -> None:
        await call(REQUEST, timeout=5.0)

    return ask


async def measured(port: int, rounds: int) -> list[Target]:
    address = f"127.0.0.1:{port}"
    config = PoolConfig(mode="pool")
    armed = {METHOD: MethodPolicy(idempotent=True)}
    async with (
        grpc.aio.insecure_channel(address) as bare,
        rotating_channel(address, name="native", config=config, registry=CollectorRegistry()) as native,
        rotating_channel(
            address, name="armed", config=config, methods=armed, registry=CollectorRegistry()
        ) as retried,
    ):
        contenders = {"bare": asking(bare), "native": asking(native), "armed": asking(retried)}
        for ask in contenders.values():
            for _ in range(200):
                await ask()
        found = await paired_ratios_async(
            contenders, reference="bare", rng=Random(1), rounds=rounds, block_seconds=0.02
        )
    print(found.table())
    return [found.ratios["native"].at_most(1.05), found.ratios["armed"].at_most(1.10)]


def main() -> int:
    """Measure, print, and say whether the targets were met."""
    parser = command_line("benchmarks.channels.cost", __doc__)
    parser.add_argument("--rounds", type=int, default=200)
    with backend() as ports:
        return conclude(asyncio.run(measured(ports[0], parser.parse_args().rounds)))


if __name__ == "__main__":
    sys.exit(main())
