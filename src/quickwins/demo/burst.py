"""The burst: one continuous load across all phases, with flags flipped in the configuration file while it runs."""

from __future__ import annotations

import asyncio
import itertools
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.core.flags.writer import FlagWriter
from quickwins.demo.client import HttpClient
from quickwins.demo.load import offer
from quickwins.demo.phases import Flip, flips
from quickwins.demo.watch import Watcher
from quickwins.facade import SECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from quickwins.demo.cpu import CpuMeter, CpuReading
    from quickwins.demo.load import Load, Offered
    from quickwins.demo.phases import Phase
    from quickwins.demo.service.processes import FeedService
    from quickwins.demo.watch import Sample

_LOOK_CLOSELY_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Burst:
    """Everything that was seen of a burst.

    Attributes:
        offered: The load and how it fared.
        flips: The flags changed during it.
        samples: What the backends' metrics showed.
        cpu: CPU readings at the start, at each change of phase and at the end, each with its time in seconds.
    """

    offered: Offered
    flips: Sequence[Flip]
    samples: Sequence[Sample]
    cpu: Sequence[tuple[float, CpuReading]]


async def run_burst(
    service: FeedService,
    load: Load,
    *,
    phases: Sequence[Phase],
    phase_seconds: float,
    config: Path,
    meter: CpuMeter,
    timeout_seconds: float,
    progress: Callable[[str], None],
) -> Burst:
    """Offer `load` while the phases follow one another.

    Args:
        service: Started with the flags of the first phase.
        load: For all phases together.
        phases: In order.
        phase_seconds: How long each one lasts.
        config: The file the backends follow.
        meter: For the processes of the service and of PostgreSQL.
        timeout_seconds: When clients give up.
        progress: Told about each phase.
    """
    clients = {name: HttpClient(port) for name, port in service.metrics_ports.items()}
    gateway = HttpClient(service.gateway_port)
    writer = FlagWriter(config, SECTIONS)
    done: list[Flip] = []
    watcher = Watcher(clients, meter, started=time.monotonic())

    async def direct() -> None:
        watcher.read_cpu()
        progress(f"{phases[0].title}: {phase_seconds:.0f} s")
        for number, (before, after) in enumerate(itertools.pairwise(phases), start=1):
            await asyncio.sleep(number * phase_seconds - watcher.now())
            watcher.read_cpu()
            progress(f"{after.title}: {phase_seconds:.0f} s, the same load goes on")
            watcher.look_closely(_LOOK_CLOSELY_SECONDS)
            for feature, on in flips(before, after).items():
                done.append(Flip(feature, on, watcher.now()))
                await asyncio.to_thread(writer.set, feature, enabled=on)
        await asyncio.sleep(len(phases) * phase_seconds - watcher.now())
        watcher.read_cpu()

    try:
        async with asyncio.TaskGroup() as group:
            watching = group.create_task(watcher.run())
            group.create_task(direct())
            offered = await offer(
                gateway,
                load,
                timeout_seconds=timeout_seconds,
                duration_seconds=len(phases) * phase_seconds,
            )
            watching.cancel()
    finally:
        for client in (gateway, *clients.values()):
            client.close()
    return Burst(offered, done, watcher.samples, watcher.cpu)
