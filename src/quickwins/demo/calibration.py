"""Fits the burst to the machine: the cost of a request decides how long a query holds its connection.

At three times capacity the burst must leave more than half of the machine idle; otherwise the figures would show a
busy machine instead of a full pool. Capacity is connections divided by service time, so a costlier request, or a slower
machine, gets a longer service time and a lower rate.
"""

from __future__ import annotations

import asyncio
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.core.errors import needs_extra
from quickwins.demo.client import HttpClient
from quickwins.demo.cpu import POSTGRES
from quickwins.demo.load import Load, offer
from quickwins.demo.service.processes import BACKENDS

with needs_extra("demo"):
    import grpc.aio

    from quickwins.demo.protocol import feed_pb2, feed_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickwins.demo.cpu import CpuMeter
    from quickwins.demo.service.processes import FeedService

OVERLOAD_FACTOR = 3.0
"""The burst's rate, as a multiple of capacity."""

POOL_SIZES = (10, 7)
"""Connections per backend; the first size that fits is taken. A threshold of 0.85 leaves nine of ten, or six of seven;
other small sizes lose more to rounding."""

CPU_SHARE_LIMIT = 0.5
CPU_SHARE_PLANNED = 0.42
"""Below the limit, since the trial may underestimate the cost."""

BUSIEST_PROCESS_PLANNED = 0.6
"""Of one core. Gateway and load generator are single threads; past this we would be measuring their queues."""

MIN_SERVICE_SECONDS = 0.1
MAX_SERVICE_SECONDS = 0.7
"""So that a query can wait a little and still answer before its client gives up after a second."""

TRIAL_POOL_SIZE = 10
TRIAL_SERVICE_SECONDS = 0.5
_WARM_UP_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class RequestCost:
    """Processor seconds per offered request.

    Attributes:
        cpu_seconds: Of all processes together.
        busiest_cpu_seconds: Of the busiest single-threaded process.
    """

    cpu_seconds: float
    busiest_cpu_seconds: float


@dataclass(frozen=True, slots=True)
class Choice:
    """What the burst is run with.

    Attributes:
        pool_size: Connections per backend.
        service_seconds: How long a query holds its connection on top of its own work.
        fits: Whether the burst should stay within the planned share of the machine.
    """

    pool_size: int
    service_seconds: float
    fits: bool


def choose(cost: RequestCost, *, core_count: int, backends: int = len(BACKENDS)) -> Choice:
    """The largest pools this machine can burst with queries that are not too long.

    Args:
        cost: What the trial showed.
        core_count: Cores we may use.
        backends: How many pools there are.
    """
    offered_per_second = min(
        CPU_SHARE_PLANNED * core_count / cost.cpu_seconds,
        BUSIEST_PROCESS_PLANNED / cost.busiest_cpu_seconds,
    )
    capacity_per_second = offered_per_second / OVERLOAD_FACTOR
    for pool_size in POOL_SIZES:
        service_seconds = math.ceil(100 * backends * pool_size / capacity_per_second) / 100
        if service_seconds <= MAX_SERVICE_SECONDS:
            return Choice(pool_size, max(MIN_SERVICE_SECONDS, service_seconds), fits=True)
    return Choice(POOL_SIZES[-1], MAX_SERVICE_SECONDS, fits=False)


async def measure_cost(
    service: FeedService, meter: CpuMeter, *, users: int, duration_seconds: float, timeout_seconds: float
) -> RequestCost:
    """Offer a trial load like the baseline, the most expensive phase, and see what a request costs.

    Args:
        service: Started with the trial's pool size and service time, all flags off.
        meter: For the processes of the service and of PostgreSQL.
        users: How many users there are.
        duration_seconds: How long to offer.
        timeout_seconds: When clients give up.
    """
    rate = OVERLOAD_FACTOR * len(BACKENDS) * TRIAL_POOL_SIZE / TRIAL_SERVICE_SECONDS
    client = HttpClient(service.gateway_port)

    async def offer_for(seconds: float) -> int:
        load = Load.drawn(rate_per_second=rate, duration_seconds=seconds, users=users, seed=0)
        await offer(client, load, timeout_seconds=timeout_seconds, duration_seconds=seconds)
        return max(1, len(load.arrivals))

    try:
        # The first requests cost more: modules, plans and connections are made for them.
        await offer_for(_WARM_UP_SECONDS)
        before = meter.read()
        requests = await offer_for(duration_seconds)
        used = meter.read().since(before)
    finally:
        client.close()
    single_threaded = [seconds for name, seconds in used.by_process.items() if name != POSTGRES]
    return RequestCost(used.total_seconds / requests, max(single_threaded) / requests)


async def measure_capacity(service: FeedService, *, duration_seconds: float) -> Mapping[str, float]:
    """Queries per second of each backend's bare pool, all at the same time, with one closed-loop worker per connection."""

    async def ask(port: int) -> float:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            stub = feed_pb2_grpc.FeedServiceStub(channel)
            reached = await stub.MeasureCapacity(feed_pb2.CapacityRequest(seconds=duration_seconds))
            rate: float = reached.queries_per_second
            return rate

    rates = await asyncio.gather(*(ask(port) for port in service.backend_ports.values()))
    return dict(zip(service.backend_ports, rates, strict=True))
