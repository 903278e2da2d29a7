"""Those who write to the feed's tables meanwhile: a process of their own, which comes first at the processor.

In production they have machines of their own, so what they wait for here should be the server, and nothing else.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import random
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import asyncpg

from benchmarks.indexes.cores import Cores, move, prefer
from quickwins.rig import fine_loop

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence
    from multiprocessing.synchronize import Event

T = TypeVar("T")
WRITES_PER_SECOND = 200
WRITERS = 8
WARMING = 50
"""Writes of each connection before the first that counts: those of a service are no newcomers."""


@dataclass
class Writes:
    """What the writers have seen: when each write was due, and how long after that it was done."""

    latencies: list[float] = field(default_factory=list)
    errors: int = 0
    longest_stall: float = 0.0
    _last: float = field(default_factory=time.perf_counter)

    @classmethod
    def of(cls, several: Sequence[Writes]) -> Writes:
        """All of them together."""
        return cls(
            latencies=[each for one in several for each in one.latencies],
            errors=sum(one.errors for one in several),
            longest_stall=max((one.longest_stall for one in several), default=0.0),
        )

    def done(self, due: float, now: float) -> None:
        self.latencies.append(now - due)
        self.longest_stall = max(self.longest_stall, now - self._last)
        self._last = now

    def percentile(self, share: float) -> float:
        return percentile(self.latencies, share)

    def __str__(self) -> str:
        return (
            f"{len(self.latencies):,} writes, p50 {self.percentile(0.5) * 1000:.1f} ms, p99 {self.percentile(0.99) * 1000:.1f} ms, "
            f"longest stall {self.longest_stall * 1000:.0f} ms, {self.errors} errors"
        )


def p99(writes: Writes) -> float:
    return writes.percentile(0.99)


def percentile(values: list[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


class Apart:
    """A process that calls functions one after the other, in a session of its own, as on a machine of its own."""

    def __init__(self, start: Callable[..., None], *arguments: object) -> None:
        self._pool = ProcessPoolExecutor(
            1, mp_context=multiprocessing.get_context("spawn"), initializer=start, initargs=arguments
        )

    async def call(self, function: Callable[..., T], *arguments: object) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._pool, function, *arguments)

    def close(self) -> None:
        self._pool.shutdown()


class Load:
    """200 transactions a second, open-loop: a write that comes late counts from when it was due."""

    def __init__(self, url: str, users: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._url, self._users = url, users
        self._ready, self._over = context.Event(), context.Event()
        self._process = Apart(_come_first, self._ready, self._over)
        self._rounds = 0

    async def during(self, work: Callable[[], Awaitable[object]], cores: Cores) -> Writes:
        """Write until `work` is done, which begins when all connections have written before."""
        self._ready.clear()
        self._over.clear()
        self._rounds += 1
        writing = asyncio.ensure_future(
            self._process.call(_written, self._url, self._users, self._rounds * 10_000_000_000, cores)
        )
        try:
            await asyncio.to_thread(self._ready.wait, 60)
            await work()
        finally:
            self._over.set()
        return await writing

    def close(self) -> None:
        self._process.close()


_events: dict[str, Event] = {}
"""Of the load's own process: events reach it only when it starts."""


def _come_first(ready: Event, over: Event) -> None:
    _events.update(ready=ready, over=over)
    os.setsid()
    if not prefer(0):
        print("the load generator shares the processors: some of what it measures is its own waiting")


def _written(url: str, users: int, number: int, cores: Cores) -> Writes:
    move(0, cores.writers)
    with asyncio.Runner(loop_factory=fine_loop) as loop:
        return loop.run(_write_on(url, users, number, cores))


async def _write_on(url: str, users: int, lowest: int, cores: Cores) -> Writes:
    async def placed(connection: asyncpg.Connection) -> None:
        move(connection.get_server_pid(), cores.writers)
        if cores.apart:  # else the build would wait for them
            prefer(connection.get_server_pid())

    over, rng, parent = _events["over"], random.Random(lowest), os.getppid()
    pool = await asyncpg.create_pool(url, min_size=WRITERS, max_size=WRITERS, init=placed)
    before = Writes()
    for number in range(WARMING):
        await asyncio.gather(
            *(
                _write(pool, lowest - 1 - number * WRITERS - one, rng.randrange(users), 0, before)
                for one in range(WRITERS)
            )
        )
    tasks: set[asyncio.Task[None]] = set()
    seen = Writes(errors=before.errors)  # the time without a write counts from here
    began = time.perf_counter()
    _events["ready"].set()
    number = 0
    while (
        not over.is_set() and os.getppid() == parent
    ):  # nobody says that it is over when the benchmark is killed
        due = began + number / WRITES_PER_SECOND
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        task = asyncio.create_task(_write(pool, lowest + number, rng.randrange(users), due, seen))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        number += 1
    await asyncio.gather(*tasks)
    await pool.close()
    return seen


async def _write(pool: asyncpg.Pool, number: int, user: int, due: float, seen: Writes) -> None:
    try:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("INSERT INTO messages VALUES ($1, $2, 'new', now())", number, user)
            await connection.execute("UPDATE posts SET body = 'edited' WHERE id = $1", user)
    except asyncpg.PostgresError:
        seen.errors += 1
    seen.done(due, time.perf_counter())
