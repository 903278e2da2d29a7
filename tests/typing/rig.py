"""Load, measuring and faults as a caller writes them."""

from __future__ import annotations

import asyncio
from random import Random
from typing import assert_type

from quickwins.rig import (
    Action,
    Bucket,
    Comparison,
    LatencySummary,
    LoadReport,
    Outcome,
    Ratio,
    SignalSchedule,
    SignalTarget,
    Step,
    Target,
    TcpBalancer,
    TcpProxy,
    Throughput,
    ZipfKeys,
    classify,
    closed_loop,
    exit_code,
    fine_loop,
    open_loop,
    paired_ratios,
    paired_ratios_async,
    perform,
    poisson_arrivals,
    uniform_arrivals,
)


async def load() -> float:
    keys = ZipfKeys(100, 1.1, Random(1))

    async def ask(number: int) -> int:
        return keys.draw() + number

    async def again() -> None:
        await ask(0)

    arrivals = poisson_arrivals(rate_per_second=100, duration_seconds=1, rng=Random(1))
    report = await open_loop(ask, arrivals, classify=classify)
    assert_type(report, LoadReport)
    assert_type(report.timeline, tuple[Bucket, ...])
    assert_type(report.outcomes[Outcome.OK], LatencySummary)
    await open_loop(ask, uniform_arrivals(rate_per_second=10, duration_seconds=1), timeout_seconds=0.5)
    capacity = await closed_loop([again, again], duration_seconds=1)
    assert_type(capacity, Throughput)
    return report.goodput_per_second / capacity.per_second


async def ratios() -> int:
    async def nothing() -> None:
        await asyncio.sleep(0)

    quick = paired_ratios({"list": list, "dict": dict}, reference="list", rng=Random(1))
    assert_type(quick, Comparison)
    slow = await paired_ratios_async({"one": nothing, "other": nothing}, reference="one", rng=Random(1))
    assert_type(slow.ratios["other"], Ratio)
    targets = [quick.ratios["dict"].at_most(2.0), slow.noise.inverse().at_least(0.5)]
    assert_type(targets, list[Target])
    return exit_code(targets)


async def faults(targets: dict[str, SignalTarget]) -> list[Step]:
    schedule = SignalSchedule.draw(1, duration_seconds=1, targets=[*targets], actions=[Action.KILL])
    async with TcpProxy("127.0.0.1", 5432) as proxy:
        proxy.latency(0.1)
        async with TcpBalancer([proxy.port]) as balancer:
            assert_type(balancer.targets, list[int])
            balancer.targets.append(5433)
            await balancer.reset(refuse_new=True)
        return await perform(schedule, targets)


def finely() -> None:
    with asyncio.Runner(loop_factory=fine_loop) as runner:
        runner.run(load())
