"""A real Prometheus: what a ramp asks it, and a ramp that it is the only one to watch."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, ProcessCollector

from quickwins import QuickWins
from quickwins.core.flags.writer import FlagWriter
from quickwins.core.metrics import MetricsServer
from quickwins.facade import SECTIONS
from quickwins.rollout import (
    FileStore,
    Phase,
    Plan,
    PrometheusSource,
    Reading,
    Reason,
    RolloutController,
    ScrapeSource,
)
from quickwins.rollout.asgi import RolloutMiddleware
from tests.monitoring import prometheus
from tests.unit.rollout.service import flags_at
from tests.unit.rollout.test_asgi import answering, ask

pytestmark = pytest.mark.asyncio
CONFIG = """\
service = "feed"
[flags]
poll_interval_seconds = 0.1
[backpressure]
enabled = true
percent = 0
# quickwins: complete
"""


async def until(source: PrometheusSource, feature: str, holds: Callable[[Reading], bool]) -> Reading:
    """What it says as soon as `holds`; a scrape is a second old at most."""
    reading = Reading()
    try:
        async with asyncio.timeout(40):
            while not holds(reading):
                await asyncio.sleep(0.1)
                reading = await source.read(feature, time.time())
    except TimeoutError:
        pytest.fail(f"it never came true: {reading}")
    return reading


def counted(reading: Reading) -> int:
    """Of how many processes all is known: Prometheus may have read one between two of the questions."""
    return sum(bool(one.counts and one.percents) for one in reading.processes.values())


async def test_it_says_what_the_processes_say_and_which_of_them_are_gone(tmp_path: Path) -> None:
    with ExitStack() as stack:
        ports, kept = {}, []
        for job, percent in (("api", 100), ("worker", 10)):
            registry = CollectorRegistry()
            ProcessCollector(registry=registry)
            flags = flags_at(percent, registry)
            kept.append(RolloutMiddleware(answering(200), flags, features=["feed"], registry=registry))
            for _ in range(3):
                await ask(kept[-1])
            ports[job] = stack.enter_context(MetricsServer(registry=registry))
        url = stack.enter_context(prometheus(tmp_path, {job: one.port for job, one in ports.items()})).url
        source = PrometheusSource(url)
        reading = await until(source, "feed", lambda reading: counted(reading) == len(ports))
        for job, server in ports.items():
            page = f"http://127.0.0.1:{server.port}/metrics"
            scraped = (await ScrapeSource([page]).read("feed", time.time())).processes[page]
            asked = reading.processes[f"{job} 127.0.0.1:{server.port}"]
            assert (asked.counts, asked.buckets, asked.percents) == (
                scraped.counts,
                scraped.buckets,
                scraped.percents,
            )
            assert asked.started_at == pytest.approx(scraped.started_at)
            assert asked.memory_bytes
            assert time.time() - asked.at < 15
        assert (await source.read("logs", time.time())).processes == {}
        ports["worker"].close()
        gone = await until(source, "feed", lambda reading: bool(reading.missing))
        assert gone.missing == (f"worker 127.0.0.1:{ports['worker'].port}",)
        assert gone.processes.keys() == {f"api 127.0.0.1:{ports['api'].port}"}


@pytest.mark.volume
async def test_a_ramp_that_it_watches_goes_up_and_comes_back(tmp_path: Path) -> None:
    config, registry = tmp_path / "quickwins.toml", CollectorRegistry()
    config.write_text(CONFIG)
    ProcessCollector(registry=registry)
    with ExitStack() as stack:
        async with QuickWins.load(config, env={}, registry=registry) as qw:
            flag = qw.flag("backpressure")

            async def app(*asgi: object) -> None:
                await answering(500 if flag.active() else 200)(*asgi)

            service = RolloutMiddleware(app, qw.flags, features=["backpressure"], registry=registry)

            async def clients() -> None:
                while True:
                    for _ in range(10):
                        await ask(service)
                    await asyncio.sleep(0.02)

            asking = asyncio.create_task(clients())
            port = stack.enter_context(qw.metrics_server()).port
            url = stack.enter_context(prometheus(tmp_path, {"feed": port})).url
            steps = [{"percent": 10, "min_requests": 1_000_000}]
            gates = {"cascade_p99_ratio_max": 50, "cpu_ratio_max": 100, "memory_ratio_max": 100}
            plan = Plan.model_validate(
                {"steps": steps, "gates": gates, "prometheus": url, "baseline_requests": 300}
            )
            controller = RolloutController(
                PrometheusSource(url),
                FlagWriter(config, SECTIONS),
                FileStore(tmp_path / "ramps.json"),
                feature="backpressure",
                registry=CollectorRegistry(),
            )
            await controller.start(plan)
            async with asyncio.timeout(50):
                look = await controller.run()
            asking.cancel()
            assert not flag.active()
    assert (look.phase, look.reason) in {(Phase.ROLLED_BACK, why) for why in (Reason.BURST, Reason.ERRORS)}
