"""Answers a second of a pool of three, beside gRPC's own round_robin over three addresses and beside one bare channel.

All connections lead to the same process, on three ports, so that what differs is the client. A block is a batch of calls by 64
workers, each of which asks again when it has its answer.

python -m benchmarks.channels.throughput [--rounds 60] [--brief]
"""

from __future__ import annotations

import asyncio
import json
import sys
from random import Random
from typing import TYPE_CHECKING

import grpc.aio
from prometheus_client import CollectorRegistry

from benchmarks.channels.backend import METHOD, backend
from benchmarks.program import add_brief, command_line, conclude
from quickwins.channels import MethodPolicy, PoolConfig, rotating_channel
from quickwins.rig import Target, paired_ratios_async

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

REQUEST = b"x" * 100
WORKERS = 64
EACH = 4
ROUND_ROBIN = json.dumps({"loadBalancingConfig": [{"round_robin": {}}]})


def batch(channel: grpc.aio.Channel) -> Callable[[], Awaitable[object]]:
    call = channel.unary_unary(METHOD)

    async def worker() -> None:
        for _ in range(EACH):
            await call(REQUEST, timeout=5.0)

    async def run() -> None:
        await asyncio.gather(*(worker() for _ in range(WORKERS)))

    return run


async def measured(ports: list[int], rounds: int, *, brief: bool) -> list[Target]:
    address = f"127.0.0.1:{ports[0]}"
    addresses = "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in ports)
    config = PoolConfig(mode="pool")
    methods = {METHOD: MethodPolicy(idempotent=True)}
    async with (
        grpc.aio.insecure_channel(addresses, options=[("grpc.service_config", ROUND_ROBIN)]) as round_robin,
        grpc.aio.insecure_channel(address) as bare,
        rotating_channel(address, name="native", config=config, registry=CollectorRegistry()) as native,
        rotating_channel(
            address, name="armed", config=config, methods=methods, registry=CollectorRegistry()
        ) as armed,
        rotating_channel(addresses, name="core", methods=methods, registry=CollectorRegistry()) as core,
    ):
        named = {
            "gRPC's round_robin": round_robin,
            "pool, native": native,
            "pool, armed": armed,
            "core mode": core,
        }
        if not brief:
            named["one bare channel"] = bare
        contenders = {name: batch(channel) for name, channel in named.items()}
        for run in contenders.values():
            await run()
        found = await paired_ratios_async(
            contenders, reference="gRPC's round_robin", rng=Random(1), rounds=rounds, block_seconds=0.05
        )
        print(f"modes: {', '.join(f'{one.name} {one.stats().mode}' for one in (native, armed, core))}")
    print(found.table())
    speed = {name: ratio.inverse() for name, ratio in found.ratios.items()}
    return [speed[name].at_least(0.9) for name in ("pool, native", "pool, armed", "core mode")]


def main() -> int:
    """Measure, print, and say whether the targets were met."""
    parser = command_line("benchmarks.channels.throughput", __doc__)
    parser.add_argument("--rounds", type=int, default=60)
    add_brief(parser)
    options = parser.parse_args()
    with backend() as ports:
        return conclude(asyncio.run(measured(ports, options.rounds, brief=options.brief)))


if __name__ == "__main__":
    sys.exit(main())
