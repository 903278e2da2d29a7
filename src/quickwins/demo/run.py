"""One run of the demo, from nothing to the result, with everything removed at the end."""

from __future__ import annotations

import asyncio
import dataclasses
import platform
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins import __version__
from quickwins.demo.burst import run_burst
from quickwins.demo.cached_reads import run_cached_reads
from quickwins.demo.calibration import (
    OVERLOAD_FACTOR,
    TRIAL_POOL_SIZE,
    TRIAL_SERVICE_SECONDS,
    choose,
    measure_capacity,
    measure_cost,
)
from quickwins.demo.change_events import run_change_events
from quickwins.demo.cpu import POSTGRES, CpuMeter, cores
from quickwins.demo.figures import checks, flip_results, phase_results
from quickwins.demo.index_build import run_index_build
from quickwins.demo.load import Load
from quickwins.demo.outage import run_outage
from quickwins.demo.phases import PHASES, config_text
from quickwins.demo.result import DemoResult, Setting
from quickwins.demo.service.database import create_feed
from quickwins.demo.service.processes import ServiceSettings, feed_service
from quickwins.engines import PostgresServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from quickwins.demo.burst import Burst
    from quickwins.demo.calibration import Choice, RequestCost
    from quickwins.demo.options import DemoOptions
    from quickwins.demo.result import CacheResult, DuplicatesResult, IndexResult, OutageResult
    from quickwins.demo.service.processes import FeedService

CLIENT_TIMEOUT_SECONDS = 1.0


def run_demo(options: DemoOptions, progress: Callable[[str], None] = lambda _: None) -> DemoResult:
    """Run the demo once. Blocks for about a minute and a half; needs the main thread.

    However it ends, Ctrl-C and SIGTERM included, every process and folder it made is gone afterwards.

    Args:
        options: What to run; `output` is for `write_page` and the caller.
        progress: Told about each step, in a few words.

    Raises:
        EngineError: PostgreSQL or a process of the service did not start; the message ends with its log.
        MissingExtraError: The extra `demo` is not installed.
        KeyboardInterrupt: Ctrl-C.
    """
    started = time.monotonic()
    progress("starting PostgreSQL")
    with PostgresServer.start(settings={"max_connections": "100", "jit": "off"}) as server:
        # All our files live in the server's temporary folder, which is removed even if we are killed.
        folder = server.folder / "feed"
        folder.mkdir(mode=0o700)
        result = asyncio.run(_run(options, server, folder, progress))
        progress("stopping")
    return dataclasses.replace(result, wall_seconds=time.monotonic() - started)


@dataclass(frozen=True, slots=True)
class _Measured:
    """What the service itself was measured with, before the databases of their own."""

    capacity_by_backend: Mapping[str, float]
    burst: Burst
    outage: OutageResult

    @property
    def capacity(self) -> float:
        return sum(self.capacity_by_backend.values())


async def _run(
    options: DemoOptions, server: PostgresServer, folder: Path, progress: Callable[[str], None]
) -> DemoResult:
    durations = options.durations
    counts = await create_feed(server.url, options.rows, progress)
    config = folder / "quickwins.toml"
    config.write_text(config_text(PHASES), encoding="utf-8")
    service = ServiceSettings(
        config=config,
        database_url=server.url,
        pool_size=TRIAL_POOL_SIZE,
        service_seconds=TRIAL_SERVICE_SECONDS,
        timeout_seconds=CLIENT_TIMEOUT_SECONDS,
    )

    progress("starting the backends and the gateway, for a trial of what a request costs")
    async with feed_service(service, folder=folder / "trial") as running:
        cost = await measure_cost(
            running,
            CpuMeter({**running.pids, POSTGRES: server.pid}),
            users=counts.users,
            duration_seconds=durations.trial_seconds,
            timeout_seconds=CLIENT_TIMEOUT_SECONDS,
        )
    choice = choose(cost, core_count=cores())
    progress(
        f"a request costs {cost.cpu_seconds * 1000:.1f} ms of CPU: pools of {choice.pool_size}, "
        f"{choice.service_seconds:.2f} s a query{'' if choice.fits else ' (this machine is too busy or too slow)'}"
    )

    service = dataclasses.replace(service, pool_size=choice.pool_size, service_seconds=choice.service_seconds)
    async with feed_service(service, folder=folder / "burst") as running:
        meter = CpuMeter({**running.pids, POSTGRES: server.pid})
        measured = await _measure(running, config, meter, options, users=counts.users, progress=progress)

    indexes = await run_index_build(
        server.url, rows=durations.index_rows, duration_seconds=durations.index_seconds, progress=progress
    )
    duplicates = await run_change_events(
        server.url,
        folder=folder / "change_events",
        events=durations.change_events,
        seed=options.seed,
        progress=progress,
    )
    cache = await run_cached_reads(
        server.url, count=durations.cached_requests, seed=options.seed, progress=progress
    )
    setting = _setting(options, choice, cost, users=counts.users, postgres=server.version)
    return _result(setting, measured, indexes, duplicates, cache, phase_seconds=durations.phase_seconds)


def _setting(
    options: DemoOptions, choice: Choice, cost: RequestCost, *, users: int, postgres: str
) -> Setting:
    # The last client of the phase before gives up within its timeout; a query begun for it ends a service time later.
    settling_seconds = CLIENT_TIMEOUT_SECONDS + choice.service_seconds
    return Setting(
        rows=options.rows,
        users=users,
        seed=options.seed,
        command=options.command,
        core_count=cores(),
        pool_size=choice.pool_size,
        service_seconds=choice.service_seconds,
        timeout_seconds=CLIENT_TIMEOUT_SECONDS,
        settling_seconds=settling_seconds,
        overload_factor=OVERLOAD_FACTOR,
        cpu_seconds_per_request=cost.cpu_seconds,
        versions={
            "quickwins": __version__,
            "Python": platform.python_version(),
            "PostgreSQL": postgres,
            "system": f"{platform.system()} {platform.machine()}",
        },
    )


async def _measure(
    running: FeedService,
    config: Path,
    meter: CpuMeter,
    options: DemoOptions,
    *,
    users: int,
    progress: Callable[[str], None],
) -> _Measured:
    """The capacity of the bare pools, the burst over it, and the outage after it."""
    durations = options.durations
    progress("measuring the capacity of the bare pools")
    by_backend = await measure_capacity(running, duration_seconds=durations.capacity_seconds)
    capacity = sum(by_backend.values())
    rate = OVERLOAD_FACTOR * capacity
    progress(f"capacity {capacity:.0f} requests/s; now a burst of {rate:.0f} requests/s")
    load = Load.drawn(
        rate_per_second=rate,
        duration_seconds=len(PHASES) * durations.phase_seconds,
        users=users,
        seed=options.seed,
    )
    burst = await run_burst(
        running,
        load,
        phases=PHASES,
        phase_seconds=durations.phase_seconds,
        config=config,
        meter=meter,
        timeout_seconds=CLIENT_TIMEOUT_SECONDS,
        progress=progress,
    )
    progress(f"two of three backends fail: {durations.outage_seconds:.0f} s")
    outage = await run_outage(
        running,
        capacity_per_second=capacity,
        duration_seconds=durations.outage_seconds,
        timeout_seconds=CLIENT_TIMEOUT_SECONDS,
        users=users,
        seed=options.seed,
    )
    return _Measured(by_backend, burst, outage)


def _result(
    setting: Setting,
    measured: _Measured,
    indexes: IndexResult,
    duplicates: DuplicatesResult,
    cache: CacheResult,
    *,
    phase_seconds: float,
) -> DemoResult:
    phases = phase_results(
        measured.burst,
        PHASES,
        phase_seconds=phase_seconds,
        settling_seconds=setting.settling_seconds,
        capacity_per_second=measured.capacity,
        core_count=setting.core_count,
    )
    flips = flip_results(measured.burst, settling_seconds=setting.settling_seconds)
    report = measured.burst.offered.report
    return DemoResult(
        setting=setting,
        capacity_per_second=measured.capacity,
        capacity_by_backend=measured.capacity_by_backend,
        phases=phases,
        flips=flips,
        outage=measured.outage,
        indexes=indexes,
        duplicates=duplicates,
        cache=cache,
        checks=checks(PHASES, phases, flips, measured.outage, indexes, duplicates, cache),
        generator_lateness_p99_seconds=report.generator_lateness.p99_seconds or 0.0,
        generator_was_bottleneck=report.generator_was_bottleneck,
        wall_seconds=0.0,
        timeline=report.timeline,
        samples=measured.burst.samples,
    )
