"""A file that is replaced, swapped under a link or cut short, while it is being followed."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from pathlib import Path
from random import Random

import pytest
from prometheus_client import CollectorRegistry

from quickwins.core.config import Layer
from quickwins.core.flags import FileSource, Flags, FlagSettings, Snapshot, pinned
from quickwins.core.flags.writer import FlagWriter
from quickwins.facade import SECTIONS

SEEN_WITHIN_SECONDS = 2.0
KILL_SEEN_WITHIN_SECONDS = 1.0

FOLLOWER = """
import asyncio, sys, time
from quickwins import QuickWins

async def main():
    qw = QuickWins.load(sys.argv[1], env={})
    seen = asyncio.Event()
    qw.flags.subscribe(lambda snapshot: seen.set())
    async with qw:
        print("ready", flush=True)
        await seen.wait()
        print(time.monotonic(), qw.flag("backpressure").state.why, flush=True)

asyncio.run(main())
"""


def text(version: int) -> str:
    """A configuration in which no value is a default."""
    return (
        f'service = "feed"\n[flags]\npoll_interval_seconds = 0.05\naudit = false\n'
        f'[backpressure]\nenabled = true\nthreshold = 0.51\nsalt = "v{version}"\npercent = 73\n'
    )


class Follower:
    """Follows a file and keeps what it saw."""

    def __init__(self, path: Path) -> None:
        self.flags = Flags(SECTIONS, [FileSource(path)], registry=CollectorRegistry())
        self.seen: list[Snapshot] = [self.flags.snapshot]
        self._changed = asyncio.Event()
        self.flags.subscribe(self._note)

    def _note(self, snapshot: Snapshot) -> None:
        self.seen.append(snapshot)
        self._changed.set()

    @property
    def version(self) -> str:
        settings = self.flags.snapshot.settings.section("backpressure", FlagSettings)
        return settings.salt

    async def reaches(self, version: int) -> None:
        """Wait for `version`, no longer than promised."""
        async with asyncio.timeout(SEEN_WITHIN_SECONDS):
            while self.version != f"v{version}":
                self._changed.clear()
                await self._changed.wait()

    def assert_no_defaults_were_seen(self) -> None:
        for snapshot in self.seen:
            dumped = snapshot.settings.sections["backpressure"].model_dump()
            assert (dumped["threshold"], dumped["percent"], dumped["enabled"]) == (0.51, 73, True)


def replace(path: Path, content: str) -> None:
    aside = path.with_suffix(".new")
    aside.write_text(content)
    aside.replace(path)


@pytest.mark.asyncio
async def test_a_thousand_atomic_replacements_end_at_the_last_version(tmp_path: Path) -> None:
    path = tmp_path / "quickwins.toml"
    path.write_text(text(0))
    follower = Follower(path)
    async with follower.flags:
        for version in range(1, 1001):
            await asyncio.to_thread(replace, path, text(version))
        await follower.reaches(1000)
    follower.assert_no_defaults_were_seen()
    assert len(follower.seen) > 2


@pytest.mark.asyncio
async def test_a_hundred_swaps_of_the_data_link_end_at_the_last_version(tmp_path: Path) -> None:
    def publish(version: int) -> None:
        """As the kubelet does it: a new folder, then one rename of the link that everything goes through."""
        folder = tmp_path / f"..2026_{version}"
        folder.mkdir()
        (folder / "quickwins.toml").write_text(text(version))
        (tmp_path / "..data_tmp").symlink_to(folder.name)
        (tmp_path / "..data_tmp").replace(tmp_path / "..data")
        if version:
            old = tmp_path / f"..2026_{version - 1}"
            (old / "quickwins.toml").unlink()
            old.rmdir()

    publish(0)
    (tmp_path / "quickwins.toml").symlink_to("..data/quickwins.toml")
    follower = Follower(tmp_path / "quickwins.toml")
    async with follower.flags:
        for version in range(1, 101):
            await asyncio.to_thread(publish, version)
            if version % 10 == 0:
                await follower.reaches(version)
    follower.assert_no_defaults_were_seen()
    assert len(follower.seen) >= 11


@pytest.mark.asyncio
async def test_a_hundred_truncations_change_nothing_and_the_whole_file_is_seen_again(tmp_path: Path) -> None:
    path = tmp_path / "quickwins.toml"
    path.write_text(text(0))
    follower = Follower(path)
    rng = Random(7)
    async with follower.flags:
        for version in range(1, 101):
            whole = text(version)
            path.write_text(whole[: rng.randrange(len(whole))])
            if version % 2:
                follower.flags.poll()  # look at the worst moment, not only when the poller happens to
            path.write_text(whole)
            if version % 10 == 0:
                await follower.reaches(version)
    follower.assert_no_defaults_were_seen()


@pytest.mark.parametrize("processes", [2, pytest.param(8, marks=pytest.mark.volume)])
def test_a_kill_is_seen_by_every_process_in_time(tmp_path: Path, processes: int) -> None:
    path = tmp_path / "quickwins.toml"
    path.write_text('service = "feed"\n[backpressure]\nenabled = true\n')
    followers = [
        subprocess.Popen([sys.executable, "-c", FOLLOWER, str(path)], stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    try:
        for follower in followers:
            assert follower.stdout is not None
            assert follower.stdout.readline() == "ready\n"
        killed_at = time.monotonic()
        FlagWriter(path, SECTIONS).set("backpressure", killed=True)
        answers = [follower.communicate(timeout=20)[0].split() for follower in followers]
    finally:
        for follower in followers:
            follower.kill()
            follower.wait()
    assert [why for _, why in answers] == ["killed"] * processes
    assert max(float(at) for at, _ in answers) - killed_at <= KILL_SEEN_WITHIN_SECONDS
    lines = [json.loads(line) for line in (tmp_path / "quickwins.toml.audit.jsonl").read_text().splitlines()]
    assert len({line["pid"] for line in lines}) == processes
    assert len({line["digest"] for line in lines}) == 1


def agree(flags: Flags, reads: int) -> bool:
    one, two = flags.flag("one"), flags.flag("two")
    return len({flag.active() for _ in range(reads // 2) for flag in (one, two)}) == 1


class Both:
    """A source of two flags that always say the same."""

    name = "both"

    def __init__(self) -> None:
        self.on = True

    def read(self) -> object:
        return self.on

    def layer(self) -> Layer:
        return Layer(self.name, {"one": {"enabled": self.on}, "two": {"enabled": self.on}})

    def accept(self) -> None:
        """Nothing is kept."""


@pytest.mark.no_cover  # tracing takes many times as long as the test
@pytest.mark.parametrize("swaps", [500, pytest.param(10_000, marks=pytest.mark.volume)])
def test_many_reads_during_swaps_and_no_request_sees_two_versions(swaps: int) -> None:
    source = Both()
    sections = {"one": FlagSettings, "two": FlagSettings}
    flags = Flags(sections, [source], registry=CollectorRegistry())
    torn: list[int] = []
    requests = [0, 0]

    def serve(worker: int) -> None:
        while requests[worker] < 5 * swaps or swapping.is_alive():
            with pinned(f"user-{requests[worker]}"):
                if not agree(flags, reads=10):
                    torn.append(requests[worker])
            requests[worker] += 1

    def swap() -> None:
        for number in range(swaps):
            source.on = bool(number % 2)
            flags.poll()

    swapping = threading.Thread(target=swap)
    servers = [threading.Thread(target=serve, args=(worker,)) for worker in range(2)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in (swapping, *servers):
            thread.start()
        for thread in (swapping, *servers):
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert flags.snapshot.version == swaps + 1
    assert sum(requests) >= 10 * swaps
    assert not torn


def test_without_a_pin_a_request_does_see_two_versions() -> None:
    """The negative control of the test above."""
    source = Both()
    flags = Flags({"one": FlagSettings, "two": FlagSettings}, [source], registry=CollectorRegistry())
    first = flags.flag("one").active()
    source.on = False
    flags.poll()
    assert first != flags.flag("two").active()
