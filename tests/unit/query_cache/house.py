"""Several processes' answers over one store and one set of rows, interleaved by chance: nothing here takes time.

Each row has a version. A query reads one and waits, before and after, for as many turns of the loop as chance says; a mutation
counts one up, and voids what shows it. What is served must be no older than what its process has been told of before it asked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from random import Random

from quickwins.core.clock import FakeClock
from quickwins.query_cache._core.fences import Fence, Invalidation, Order, entity
from quickwins.query_cache._core.plan import Plan
from quickwins.query_cache._execution import EXECUTION, Reads
from quickwins.query_cache._known import Known
from quickwins.query_cache._serving import Asked, Executed, Serving
from quickwins.query_cache._store import BreakerState, Entry, Found
from quickwins.query_cache.l1 import L1

ROWS = 3
TTL_SECONDS = 30.0


async def turns(rng: Random, most: int = 4) -> None:
    """Let others run."""
    for _ in range(rng.randrange(most)):
        await asyncio.sleep(0)


class Middle:
    """The server of a shared store: entries, an order of events, and who is connected.

    Attributes:
        changed: Told of each invalidation, when it has happened.
    """

    def __init__(self, changed: Callable[[Invalidation], None]) -> None:
        self.order = Order("0")
        self.entries: dict[bytes, Entry] = {}
        self.links: list[Link] = []
        self.epochs = 0
        self.changed = changed

    def void(self, invalidation: Invalidation) -> None:
        self.order.invalidate(invalidation.marks, invalidation.tag_prefixes)
        self.changed(invalidation)
        for link in self.links:
            if link.hears:
                link.inbox.append(invalidation)

    def forget(self) -> None:
        """Be restarted, empty."""
        self.entries.clear()
        self.epochs += 1
        self.order.renew(str(self.epochs))
        for link in self.links:
            link.cut()


class Link:
    """One process's connection to it. See `Store`.

    What is published comes some time later, in order, and never after a reply that was made later.
    """

    def __init__(self, middle: Middle, clock: FakeClock, rng: Random) -> None:
        self.hears = False
        self.inbox: list[Invalidation] = []
        self.owed: list[Invalidation] = []
        self.connected: Callable[[], None] = lambda: None
        self._invalidated: Callable[[Invalidation], None] = lambda _: None
        self._lost: Callable[[], None] = lambda: None
        self._middle = middle
        self._clock = clock
        self._rng = rng

    @property
    def state(self) -> BreakerState:
        return BreakerState.CLOSED if self.hears else BreakerState.OPEN

    def deliver(self) -> None:
        inbox, self.inbox = self.inbox, []
        for one in inbox:
            self._invalidated(one)

    def cut(self) -> None:
        if self.hears:
            self.hears = False
            self.inbox.clear()
            self._lost()

    def connect(self) -> None:
        """Say what is owed before anything is asked."""
        if not self.hears:
            self.hears = True
            self._lost()
            owed, self.owed = self.owed, []
            for one in owed:
                self._middle.void(one)
            self.connected()

    async def get(self, key: bytes) -> Found:
        await turns(self._rng)
        middle = self._middle
        if not self.hears:
            return Found(None, None)
        entry = middle.entries.get(key)
        if entry is not None and (
            middle.order.voids(entry.marks, entry.fence)
            or self._clock.now - entry.stored_at > entry.kept_seconds
        ):
            entry = None
        self.deliver()
        return Found(entry, middle.order.fence)

    async def put(self, entry: Entry) -> bool:
        await turns(self._rng)
        if not self.hears or self._middle.order.voids(entry.marks, entry.fence):
            return False
        self._middle.entries[entry.key] = entry
        self.deliver()
        return True

    async def invalidate(self, invalidation: Invalidation) -> Fence | None:
        self.owed.append(invalidation)
        await turns(self._rng)
        if not self.hears or invalidation not in self.owed:
            return None
        self.owed.remove(invalidation)
        self._middle.void(invalidation)
        self.deliver()
        return self._middle.order.fence

    async def subscribe(self, invalidated: Callable[[Invalidation], None], lost: Callable[[], None]) -> None:
        self._invalidated, self._lost = invalidated, lost
        self._middle.links.append(self)
        self.connect()

    async def close(self) -> None:
        self.cut()


@dataclass
class Counted:
    """What has happened."""

    served: int = 0
    executed: int = 0
    cancelled: int = 0
    mutations: int = 0
    outages: int = 0
    stale: list[str] = field(default_factory=list)


class Process:
    """One process. It knows the versions that it has been told of."""

    def __init__(self, house: House, rng: Random) -> None:
        self.told = [0] * ROWS
        self._house = house
        self._rng = rng
        self.link = Link(house.middle, house.clock, rng)
        self.serving = Serving(L1(max_entries=ROWS), self.link, clock=house.clock, rng=rng)

    async def start(self) -> None:
        shared = self.serving.shared
        assert shared is not None
        await shared.get(b"?")
        self.link.connected = self.learn

    def learn(self) -> None:
        """It is connected: it knows all that the store has been told of."""
        self.told = [max(pair) for pair in zip(self.told, self._house.voided, strict=True)]

    def deliver(self) -> None:
        """It is told what others have voided so far."""
        if self.link.hears:
            self.link.deliver()
            self.learn()

    async def query(self, row: int) -> None:
        """Ask for a row; what is served is no older than what this process knows now."""
        house, rng = self._house, self._rng
        known = self.told[row]

        async def execute() -> Executed:
            house.counted.executed += 1
            execution = EXECUTION.get()
            await turns(rng)
            version = house.versions[row]
            if execution is not None:
                execution.of_type("Row").add(str(row))
            await turns(rng)
            if rng.random() < 0.05:
                return Executed(version, None, "error")
            return Executed(version, str(version).encode(), None)

        reads = Reads()
        reads.is_open = False
        asked = Asked(house.documents[row], b"", b"", None, lambda _: None, reads)
        served = await self.serving.serve(asked, execute)
        version = int(served.slot.entry.body) if served.slot is not None else int(served.result)
        house.counted.served += 1
        if version < known:
            house.counted.stale.append(f"row {row}: {version} was served, and {known} was known")

    async def mutate(self, row: int) -> None:
        """Change a row; afterwards this process knows it."""
        await turns(self._rng)
        self._house.versions[row] += 1
        version = self._house.versions[row]
        self._house.counted.mutations += 1
        self.serving.void(Invalidation(frozenset({entity("Row", str(row))})))
        await self.serving.tell()
        self.told[row] = max(self.told[row], version)


class House:
    """Processes over one store."""

    def __init__(self, seed: int, *, processes: int = 2) -> None:
        rng = Random(seed)
        self.rng = rng
        self.clock = FakeClock()
        self.middle = Middle(self._changed)
        self.counted = Counted()
        self.versions = [0] * ROWS
        self.voided = [0] * ROWS
        plan = Plan(
            operation="query",
            ttl_seconds=TTL_SECONDS,
            stale_while_revalidate_seconds=20.0,
            stale_if_error_seconds=20.0,
            policy="ROW",
        )
        self.documents = [Known(replace(plan), b"row %d" % row) for row in range(ROWS)]
        self.processes = [Process(self, rng) for _ in range(processes)]

    def _changed(self, invalidation: Invalidation) -> None:
        for row in range(ROWS):
            if invalidation.voids(entity("Row", str(row))):
                self.voided[row] = self.versions[row]

    async def live(self, steps: int) -> Counted:
        """Do so many things, many of them at once; return when all have ended."""
        rng = self.rng
        for one in self.processes:
            await one.start()
        tasks: dict[asyncio.Task[None], None] = {}  # no set, whose order is another in each run
        for _ in range(steps):
            self._step(rng, tasks)
            if rng.random() < 0.4:
                await turns(rng)
            if len(tasks) > 12:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in [task for task in tasks if task.done()]:
                del tasks[task]
                if not task.cancelled():
                    task.result()
        if tasks:
            done, pending = await asyncio.wait(tasks, timeout=10)
            assert not pending, "somebody waits for ever"
            for task in done:
                if not task.cancelled():
                    task.result()
        for one in self.processes:
            await one.serving.close()
        return self.counted

    def _step(self, rng: Random, tasks: dict[asyncio.Task[None], None]) -> None:
        kind, one, row = rng.random(), rng.choice(self.processes), rng.randrange(ROWS)
        if kind < 0.65:
            tasks[asyncio.create_task(one.query(row))] = None
        elif kind < 0.82:
            tasks[asyncio.create_task(one.mutate(row))] = None
        elif kind < 0.9:
            if tasks:
                rng.choice([*tasks]).cancel()
                self.counted.cancelled += 1
        elif kind < 0.93:
            self.clock.now += rng.choice([0.1, 5.0, 35.0])
        elif kind < 0.97:
            one.deliver()
        elif kind < 0.98:
            self.counted.outages += 1
            if rng.random() < 0.3:
                self.middle.forget()
            else:
                one.link.cut()
        else:
            one.link.connect()
