"""Consumers of one group in processes of their own, and what they leave behind."""

from __future__ import annotations

import math
import signal
import tempfile
from collections import Counter
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.eventually import eventually
from tests.faults.dedup.consume import begin
from tests.integration.dedup.consuming import send, truth
from tests.unit.dedup.records import real_truth

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.integration.dedup.consuming import House
    from tests.unit.dedup.records import Record


FORKS = get_context("forkserver")
FORKS.set_forkserver_preload([begin.__module__])


class Consumer:
    """One in a process of its own, which a process forks that has imported all: that is nine tenths of what a start takes."""

    def __init__(self, options: dict[str, Any]) -> None:
        # Not a pipe: nobody reads what it says before it has ended, and one whose broker is away says more than a pipe holds.
        self._said = tempfile.NamedTemporaryFile()  # noqa: SIM115 -- `said` closes it; until=never
        self._process = FORKS.Process(target=begin, args=(options, self._said.name), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Its exit status; negative, the signal that ended it; `None` while it goes on."""
        return self._process.exitcode

    def kill(self) -> None:
        self._process.kill()

    def wait(self) -> None:
        self._process.join()

    def said(self) -> str:
        """All that it has said; to be asked once."""
        with self._said:
            return self._said.read().decode()


class Processes:
    """Consumers of one group."""

    def __init__(self, house: House, records: Sequence[Record], dsn: str, *, valkey: str = "") -> None:
        self.house = house
        self._left = list(records)
        self._ends: Counter[tuple[str, int]] = Counter()
        self._all = Counter((f"{house.prefix}{record.topic}", record.partition) for record in records)
        self._about = {
            "bootstrap": house.bootstrap,
            "dsn": dsn,
            "group": f"{house.prefix}group",
            "valkey": valkey,
            "checks": True,
            "counts": False,
            "subscribe": False,
            "strategy": "state",
            "batch": 60,
        }

    async def send(self, share: float = 1.0) -> None:
        """Send a part of what is left of the events."""
        count = math.ceil(share * len(self._left))
        sent, self._left = self._left[:count], self._left[count:]
        await send(self.house.bootstrap, sent, self.house.prefix)
        self._ends.update((f"{self.house.prefix}{record.topic}", record.partition) for record in sent)

    def start(
        self, point: str = "", nth: int = 1, action: signal.Signals = signal.SIGKILL, **more: Any
    ) -> Consumer:
        """Start one that reads what was sent, or with `whole` what is still to be sent as well."""
        until = self._all if more.pop("whole", False) else self._ends
        ends = [(topic, number, count) for (topic, number), count in until.items()]
        return Consumer({**self._about, "ends": ends, "point": point, "nth": nth, "action": action, **more})

    async def until_killed(self, *about: Any, **more: Any) -> None:
        """Start one, which must come by its point."""
        code, said = await ended(self.start(*about, **more))
        assert code == -signal.SIGKILL, (about, code, said)

    async def to_the_end(self, **more: Any) -> None:
        """Send the rest, and start one that reads everything that is left."""
        await self.send()
        code, said = await ended(self.start(**more))
        assert code == 0, said

    async def wrong(self) -> int:
        """How many rows differ from the source's own final state, or were applied more than once."""
        found, expected = await truth(self.house.pool), real_truth()
        differing = sum(
            len([row for row in found[name] if row not in rows])
            + len([row for row in rows if row not in found[name]])
            for name, rows in expected.items()
        )
        doubled = await self.house.pool.fetchval(
            "SELECT count(*) - count(DISTINCT (topic, record_offset)) FROM applied"
        )
        return differing + int(doubled)

    async def effects(self) -> int:
        """How many events that are counted had an effect."""
        found: int = await self.house.pool.fetchval("SELECT count(*) FROM effects")
        return found

    async def lost_and_doubled(self, events: int) -> tuple[int, int]:
        """Of `events` that were counted: how many had no effect, and how many more than one."""
        times, ids = await self.house.pool.fetchrow("SELECT count(*), count(DISTINCT id) FROM effects")
        return events - ids, times - ids


async def ended(process: Consumer, seconds: float = 60) -> tuple[int, str]:
    """Its exit status and what it said."""
    try:
        await eventually(lambda: process.poll() is not None, "the consumer does not end", seconds=seconds)
    except BaseException as error:
        process.kill()
        process.wait()
        error.add_note(process.said()[-4_000:])
        raise
    code = process.poll()
    assert code is not None
    return code, process.said()


async def killed(process: Consumer) -> None:
    """End it here and now."""
    process.kill()
    await ended(process)


def state_of(pid: int) -> str:
    """As in `ps`: `T` when it is stopped."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
