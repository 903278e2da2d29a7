"""The demo's feed with a bug behind a flag: clients over HTTP, and a controller that is a process of its own.

Times are those of the gateways' own notes: from when the first harmed request came in to when the last one did.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import h11
import pytest

from quickwins.cli.app import run
from quickwins.demo.client import HttpClient
from quickwins.demo.load import request_body
from quickwins.demo.protocol.graphql import PATH
from quickwins.demo.service.database import create_feed
from quickwins.demo.service.processes import ServiceSettings, feed_service
from quickwins.rollout import FileStore, State
from tests.faults.rollout.gateway import FEATURE
from tests.faults.rollout.house import ROOT, running, until

pytestmark = [
    pytest.mark.asyncio,
    pytest.mark.engines("postgres"),
    pytest.mark.any_server,
    pytest.mark.no_cover,
    pytest.mark.volume,
]
CONFIG = """\
service = "feed"
[flags]
poll_interval_seconds = 0.2
[query_cache]
enabled = true
percent = 0
[backpressure]
enabled = true
percent = 40
[channels]
killed = true
# quickwins: complete
"""
PLAN = """\
[query_cache]
steps = [{{ percent = {percent}, min_requests = 1_000_000 }}]
targets = {targets}
baseline_requests = 300
interval = 0.25
ttl = 30
# The tests share two processors with others: what is seeded is far beyond this.
gates = {{ p99_ratio_max = 1.2, cpu_ratio_max = 100, memory_ratio_max = 100, cascade_p99_ratio_max = 5 }}
"""


class Note(NamedTuple):
    """What a gateway noted of one request."""

    at: float
    on: bool
    harmed: bool


class Feed:
    """The feed behind two gateways, with a bug."""

    def __init__(self, folder: Path) -> None:
        self.config = folder / "quickwins.toml"
        self._notes = folder / "notes"
        self._notes.touch()
        self._ports: list[int] = []
        self._targets: list[str] = []
        self.failed = 0

    @contextmanager
    def gateway(self, bug: str, backends: list[str]) -> Iterator[None]:
        program = [sys.executable, "-m", "tests.faults.rollout.gateway", str(self.config), bug]
        process = subprocess.Popen(
            [*program, str(self._notes), *backends],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        try:
            assert process.stdout is not None
            port, metrics = json.loads(process.stdout.readline())
            self._ports.append(port)
            self._targets.append(f"http://127.0.0.1:{metrics}/metrics")
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)  # the supervisor and its worker
            process.communicate()

    @asynccontextmanager
    async def clients(self, rate: float) -> AsyncIterator[None]:
        """`rate` requests a second, whether they are answered or not."""
        rng = Random(1)
        servers = [HttpClient(port) for port in self._ports]
        asking: set[asyncio.Task[None]] = set()

        async def ask() -> None:
            try:
                async with asyncio.timeout(20):
                    answer = await rng.choice(servers).request("POST", PATH, request_body(rng.randint(1, 10)))
            except (OSError, h11.RemoteProtocolError):
                self.failed += 1
            else:
                self.failed += answer.status != 200

        async def arrive() -> None:
            loop = asyncio.get_running_loop()
            due = loop.time()
            while True:
                due += rng.expovariate(rate)
                await asyncio.sleep(max(0.0, due - loop.time()))
                task = asyncio.create_task(ask())
                asking.add(task)
                task.add_done_callback(asking.discard)

        arriving = asyncio.create_task(arrive())
        yield
        arriving.cancel()
        await asyncio.wait([arriving, *asking])
        for server in servers:
            server.close()

    async def begin(self, percent: float) -> None:
        """A person begins a ramp."""
        plan = PLAN.format(percent=percent, targets=json.dumps(self._targets))
        self.config.with_name("rollout.toml").write_text(plan)
        asked = ["rollout", "start", FEATURE, "--config", str(self.config)]
        assert await asyncio.to_thread(run, asked) == 0

    @property
    def notes(self) -> list[Note]:
        found = [Note(*json.loads(line)) for line in self._notes.read_text().splitlines()]
        return sorted(found)

    @property
    def others(self) -> dict[str, Any]:
        """The flags that no ramp is about."""
        found = tomllib.loads(self.config.read_text())
        return {name: section for name, section in found.items() if name != FEATURE}

    async def state(self) -> State:
        store = FileStore(self.config.with_name("quickwins.toml.rollout.json"))
        async with store.exclusive(FEATURE) as held:
            assert held.record is not None
            return held.record.state


@asynccontextmanager
async def feed(folder: Path, database: str, bug: str) -> AsyncIterator[Feed]:
    made = Feed(folder)
    made.config.write_text(CONFIG)
    await create_feed(database, 200, lambda _: None)
    settings = ServiceSettings(
        config=made.config, database_url=database, pool_size=4, service_seconds=0.05, timeout_seconds=5
    )
    async with feed_service(settings, folder=folder / "feed") as service:
        with ExitStack() as stack:
            for _ in range(2):
                backends = [f"127.0.0.1:{port}" for port in service.backend_ports.values()]
                stack.enter_context(made.gateway(bug, backends))
            yield made


@pytest.mark.parametrize(
    ("bug", "percent", "rate", "reasons", "seconds"),
    [
        pytest.param("errors:1", 10, 50, {"burst", "errors"}, 5, id="all fail"),
        pytest.param("errors:0.05", 50, 60, {"errors"}, 15, id="5 % fail"),
        pytest.param("slow:2", 50, 60, {"latency"}, 30, id="twice as slow"),
        pytest.param("crash:1", 10, 50, {"crash", "heartbeat"}, 30, id="crash"),
        pytest.param("cascade:1.5", 20, 50, {"cascade", "latency"}, 30, id="cascade"),
    ],
)
async def test_a_bug_is_off_everywhere_in_time_and_harms_no_more_than_its_cohort(
    bug: str,
    percent: float,
    rate: float,
    reasons: set[str],
    seconds: float,
    postgres_database: str,
    tmp_path: Path,
) -> None:
    async with feed(tmp_path, postgres_database, bug) as made:
        others = made.others
        async with made.clients(rate):
            await made.begin(percent)
            with running(made.config, FEATURE) as controller:

                async def is_over() -> bool:
                    return controller.poll() is not None

                await until(is_over, seconds=120)
                assert controller.returncode == 3  # taken back, and every process shows it
            over, asked = time.time(), len(made.notes)

            async def goes_on() -> bool:
                return len(made.notes) >= asked + 2 * rate

            await until(goes_on, seconds=60)
        state, notes = await made.state(), made.notes
    assert state.why in reasons
    assert made.others == others
    harmed = [note for note in notes if note.harmed]
    print(bug, state.why, len(harmed), f"{harmed[-1].at - harmed[0].at:.1f} s")
    assert harmed[-1].at - harmed[0].at <= seconds
    assert all(note.on for note in harmed)
    assert not any(note.on for note in notes if note.at > over)
    on = [note for note in notes if note.on]
    meanwhile = [note for note in notes if on[0].at <= note.at <= on[-1].at]
    share = percent / 100
    spread = 4 * (share * (1 - share) * len(meanwhile)) ** 0.5
    if bug.startswith("errors"):
        assert made.failed == len(harmed)
    if not bug.startswith("crash"):  # the crash takes whoever is inside with it
        assert len(on) <= share * len(meanwhile) + spread + 1
