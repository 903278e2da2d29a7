"""Two of three backends behind one address fail, one after the other: with one channel, and with several connections."""

from __future__ import annotations

import asyncio
from random import Random
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from quickwins.channels import MethodPolicy, PoolConfig, rotating_channel
from quickwins.core.errors import needs_extra
from quickwins.demo.result import OutageClient, OutageResult
from quickwins.rig import (
    Action,
    Outcome,
    SignalSchedule,
    Step,
    TcpBalancer,
    open_loop,
    perform,
    poisson_arrivals,
)

with needs_extra("demo"):
    import grpc.aio

    from quickwins.demo.protocol import feed_pb2, feed_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickwins.demo.service.processes import FeedService

GET_FEED = "/quickwins.demo.feed.v1.FeedService/GetFeed"
MEMBERS = 3
OF_CAPACITY = 0.125
"""What each of the two clients asks for: together the backend that is left can serve them."""

_KILLED_AT = 0.25
_STOPPED_AT = 0.5
_POSTS = 10
_PATIENCE = 2.0
"""The deadline ends a call; the load generator gives up well after it, so as not to be what ends it."""


async def run_outage(
    service: FeedService,
    *,
    capacity_per_second: float,
    duration_seconds: float,
    timeout_seconds: float,
    users: int,
    seed: int,
) -> OutageResult:
    """Ask both ways at once while backends fail; the first two of `service` do not serve afterwards.

    Each client has an address of its own, behind which connections go to the backends in turn, beginning with the first:
    the one channel is on the backend that is killed, and then on the one that is stopped.

    Args:
        service: All of whose backends run.
        capacity_per_second: What they can do together.
        duration_seconds: How long is asked.
        timeout_seconds: The deadline of each call.
        users: Whose feeds there are.
        seed: Of the arrivals, the same for both.
    """
    schedule = _schedule(service, seed, duration_seconds, duration_seconds + timeout_seconds)
    arrivals = poisson_arrivals(
        rate_per_second=OF_CAPACITY * capacity_per_second,
        duration_seconds=duration_seconds,
        rng=Random(seed),  # noqa: S311 -- a load to repeat, not a secret; until=never
    )

    async def ask(title: str, open_channel: Callable[[str], Any]) -> OutageClient:
        async with (
            TcpBalancer(service.backend_ports.values()) as balancer,
            open_channel(f"127.0.0.1:{balancer.port}") as channel,
        ):
            stub = feed_pb2_grpc.FeedServiceStub(channel)

            async def feed(index: int) -> object:
                request = feed_pb2.FeedRequest(user_id=1 + index % users, limit=_POSTS)
                return await stub.GetFeed(request, timeout=timeout_seconds)

            report = await open_loop(
                feed,
                arrivals,
                timeout_seconds=_PATIENCE * timeout_seconds,
                duration_seconds=duration_seconds,
            )
        return OutageClient(title, report.offered, report.offered - report.outcomes[Outcome.OK].count)

    async with asyncio.TaskGroup() as group:
        group.create_task(
            perform(schedule, {step.target: service.pids[step.target] for step in schedule.steps})
        )
        clients = [
            group.create_task(ask("one channel", grpc.aio.insecure_channel)),
            group.create_task(ask(f"{MEMBERS} connections", _several)),
        ]
    killed, stopped, _ = schedule.steps
    return OutageResult(
        killed.at_seconds, stopped.at_seconds, duration_seconds, tuple(client.result() for client in clients)
    )


def _schedule(service: FeedService, seed: int, duration_seconds: float, end: float) -> SignalSchedule:
    """The first backend is killed and the second one stopped, which goes on at the end."""
    first, second, *_ = service.backend_ports
    return SignalSchedule(
        seed,
        end,
        (
            Step(_KILLED_AT * duration_seconds, first, Action.KILL),
            Step(_STOPPED_AT * duration_seconds, second, Action.STOP),
            Step(end, second, Action.CONTINUE),
        ),
    )


def _several(target: str) -> Any:
    return rotating_channel(
        target,
        name="feed",
        config=PoolConfig(mode="pool", size=MEMBERS),
        methods={GET_FEED: MethodPolicy(idempotent=True)},
        registry=CollectorRegistry(),
    )
