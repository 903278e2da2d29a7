"""What the two indexes of migration 090 do for the feed's queries, and what building them does to who writes meanwhile.

    python -m benchmarks.indexes.feed [--rows 1000000] [--production] [--seconds 5] [--rounds 8]

On a server of its own: fills `messages` with `--rows` rows and `posts` with two thirds of that, measures both queries at p50
and p99, applies 090 while 200 transactions a second write, measures the queries again, then takes 090 back and builds one index without
CONCURRENTLY under the same load, which is what the migration is there to avoid. `--production` takes 6.2 and 4.1 million rows. A few runs of COPY and VACUUM come
first: about ten seconds for a million rows.

Writers are compared in turns: in each of `--rounds` rounds the same load runs alone, beside a build, and beside the same two
statements without the runner (CREATE INDEX CONCURRENTLY as psql would run it); the median of the rounds' ratios counts. The loads
that ran alone, each against the one before (A/A), say how much of a difference is noise. As in production the runner is a process
of its own, and the server has written WAL before: one that has no old segments to use again fills new ones with zeros, 16 MB at
a time, while every commit waits. Those who write have machines of their own in production: here the load generator comes first
at the processor (`nice`), where it may, so that its own waiting for one is not taken for the server's.

Exits with 3 when a query gets less than 5 times faster, a write fails or stalls for a second, or the p99 of writes more than doubles.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import random
import statistics
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from benchmarks.indexes.data import create
from benchmarks.program import command_line, conclude
from quickwins.engines import PostgresServer
from quickwins.indexes import Migration, Runner
from quickwins.rig import Target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

MIGRATION = Path(__file__).parents[2] / "migrations" / "090_quick_win_4_missing_indexes.sql"
PRODUCTION = (6_200_000, 4_100_000)
QUERIES = {
    "newest_messages": "SELECT id, created_at FROM messages WHERE sender_id = $1 AND deleted_at IS NULL ORDER BY created_at DESC LIMIT 20",
    "newest_posts": "SELECT id, created_at FROM posts WHERE user_id = $1 AND soft_delete IS NULL ORDER BY created_at DESC LIMIT 20",
}
INDEXES = {
    "idx_messages_sender_created": "CREATE INDEX CONCURRENTLY idx_messages_sender_created "
    "ON messages (sender_id, created_at DESC) WHERE deleted_at IS NULL",
    "idx_posts_user_created": "CREATE INDEX CONCURRENTLY idx_posts_user_created "
    "ON posts (user_id, created_at DESC) WHERE soft_delete IS NULL",
}
WRITES_PER_SECOND = 200
WRITERS = 8
SETTINGS = {
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "min_wal_size": "2GB",  # old segments are kept for use again
    "maintenance_work_mem": "256MB",
}
FIRST_AT_THE_PROCESSOR = -15
FASTER_AT_LEAST = 5.0
STALL_SECONDS = 1.0
WRITE_P99_AT_MOST = 2.0


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


class Load:
    """200 transactions a second, open-loop: a write that comes late counts from when it was due."""

    def __init__(self, url: str, users: int) -> None:
        self._url = url
        self._users = users
        self._next = 10_000_000_000
        self._rng = random.Random(1)

    async def during(self, work: asyncio.Task[object]) -> Writes:
        """Write until `work` is done."""
        pool = await asyncpg.create_pool(self._url, min_size=WRITERS, max_size=WRITERS)
        seen = Writes()
        tasks: set[asyncio.Task[None]] = set()
        began = time.perf_counter()
        number = 0
        while not work.done():
            due = began + number / WRITES_PER_SECOND
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(self._write(pool, due, seen))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            number += 1
        await asyncio.gather(*tasks)
        await pool.close()
        return seen

    async def _write(self, pool: asyncpg.Pool, due: float, seen: Writes) -> None:
        self._next += 1
        number, user = self._next, self._rng.randrange(self._users)
        try:
            async with pool.acquire() as connection, connection.transaction():
                await connection.execute("INSERT INTO messages VALUES ($1, $2, 'new', now())", number, user)
                await connection.execute("UPDATE posts SET body = 'edited' WHERE id = $1", user)
        except asyncpg.PostgresError:
            seen.errors += 1
        seen.done(due, time.perf_counter())


async def queries(url: str, users: int, seconds: float) -> dict[str, list[float]]:
    """How long each query takes, one after the other."""
    rng = random.Random(2)
    found: dict[str, list[float]] = {}
    connection = await asyncpg.connect(url)
    for name, query in QUERIES.items():
        statement = await connection.prepare(query)
        latencies: list[float] = []
        until = time.perf_counter() + seconds / 2
        while time.perf_counter() < until or len(latencies) < 10:
            began = time.perf_counter()
            await statement.fetch(rng.randrange(users))
            latencies.append(time.perf_counter() - began)
        found[name] = latencies
    await connection.close()
    return found


def applied(url: str, rollback: bool) -> int:
    """Apply 090, or take it back; how many looks that took."""

    async def apply() -> int:
        runner = Runner(url)
        plan = await runner.plan(Migration.load(MIGRATION), rollback=rollback)
        return len([one async for one in runner.apply(plan)])

    return asyncio.run(apply())


class RunnerProcess:
    """Where the runner runs, as on the DBA's machine: its work is not the load generator's."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._pool = ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))

    async def apply(self, *, rollback: bool = False) -> int:
        return await asyncio.get_running_loop().run_in_executor(self._pool, applied, self._url, rollback)

    def close(self) -> None:
        self._pool.shutdown()


async def beside_each(
    runner: RunnerProcess, load: Load, connection: asyncpg.Connection, count: int
) -> dict[str, list[Writes]]:
    """The load alone, beside the bare statements, and beside a build by the runner, in turn. The last build stays."""
    began = time.perf_counter()
    await runner.apply()  # its process starts, and says how long a build takes
    seconds = time.perf_counter() - began
    come_first()
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "alone": lambda: asyncio.sleep(seconds),
        "bare": lambda: without_the_runner(connection),
        "beside": runner.apply,
    }
    seen: dict[str, list[Writes]] = {name: [] for name in ways}
    await runner.apply(rollback=True)
    for number in range(count):
        for name, way in ways.items():
            await connection.execute("CHECKPOINT")  # all begin with one
            seen[name].append(await load.during(asyncio.ensure_future(way())))
            print(f"{number + 1}. {name:14} {seen[name][-1]}")
            if name == "bare":
                for index in INDEXES:
                    await connection.execute(f"DROP INDEX {index}")
        if number < count - 1:
            await runner.apply(rollback=True)
    return seen


def come_first() -> None:
    """Let this process, the load generator, wait for nobody at the processor."""
    try:
        os.nice(FIRST_AT_THE_PROCESSOR)
    except PermissionError:
        print("the load generator shares the processors: some of what it measures is its own waiting")


async def without_the_runner(connection: asyncpg.Connection) -> None:
    """The two statements of 090, as `psql -f` runs them."""
    for statement in INDEXES.values():
        await connection.execute(statement)


async def run(messages: int, posts: int, seconds: float, rounds: int) -> int:
    targets: list[Target] = []
    migration = Migration.load(MIGRATION)
    with PostgresServer.start(settings=SETTINGS) as server, closing(RunnerProcess(server.url)) as process:
        began = time.perf_counter()
        connection = await asyncpg.connect(server.url)
        users = await create(connection, messages, posts)
        print(
            f"{messages:,} messages, {posts:,} posts, {users:,} users: {time.perf_counter() - began:.0f} s to fill"
        )
        runner = Runner(server.url)
        load = Load(server.url, users)

        plan = await runner.plan(migration)
        for table, bytes_, index, estimate in plan.sizes:
            print(f"{table} {bytes_ / 2**20:.0f} MiB; {index} estimated {(estimate or 0) / 2**20:.1f} MiB")
        before = await queries(server.url, users, seconds)
        plain = await runner.verify(migration, measure_seconds=60)
        seen = await beside_each(process, load, connection, rounds)
        await connection.execute("VACUUM messages")
        await connection.execute("VACUUM posts")
        after = await queries(server.url, users, seconds)
        for one, bare in zip(
            (await runner.verify(migration, measure_seconds=60)).queries, plain.queries, strict=True
        ):
            old, new = before[one.name], after[one.name]
            faster = statistics.median(old) / statistics.median(new)
            print(
                f"{one.name}: p50 {statistics.median(old) * 1000:.2f} -> {statistics.median(new) * 1000:.3f} ms ({faster:,.0f} x), "
                f"p99 {percentile(old, 0.99) * 1000:.2f} -> {percentile(new, 0.99) * 1000:.3f} ms; "
                f"{bare.buffers:,} -> {one.buffers:,} pages; {one}"
            )
            targets.append(
                Target(
                    f"{one.name} at least {FASTER_AT_LEAST:g} times faster at p50, by its index: {faster:,.1f}",
                    one.good and faster >= FASTER_AT_LEAST,
                )
            )
        for name, size in await connection.fetch(
            "SELECT relname, pg_relation_size(oid) FROM pg_class WHERE relname ~ '^idx_'"
        ):
            print(f"{name} has {size / 2**20:.1f} MiB")

        await process.apply(rollback=True)
        control = asyncio.create_task(
            connection.execute(
                "CREATE INDEX plain ON messages (sender_id, created_at DESC) WHERE deleted_at IS NULL"
            )
        )
        stalled = await load.during(control)
        print(f"plain build    {stalled}  (the negative control)")
        await connection.close()
    alone, during = seen["alone"], Writes.of(seen["beside"])
    for name, several in seen.items():
        print(f"{name:14} {Writes.of(several)}")
    ratio, bare_ratio = (
        statistics.median(p99(with_) / p99(without) for without, with_ in zip(alone, seen[name], strict=True))
        for name in ("beside", "bare")
    )
    again = statistics.median(p99(later) / p99(earlier) for earlier, later in itertools.pairwise(alone))
    print(
        f"p99 beside a build / alone {ratio:.2f}, beside the bare statements / alone {bare_ratio:.2f}, "
        f"A/A {again:.2f} (medians of {len(alone)} rounds)"
    )
    targets += [
        Target(f"no write failed during apply: {during.errors}", during.errors == 0),
        Target(
            f"writes went on, but for less than {STALL_SECONDS:g} s: {during.longest_stall:.3f}",
            during.longest_stall < STALL_SECONDS,
        ),
        Target(
            f"the p99 of writes at most {WRITE_P99_AT_MOST:g} times that without a build: {ratio:.2f}",
            ratio <= WRITE_P99_AT_MOST,
        ),
    ]
    return conclude(targets)


def main() -> int:
    parser = command_line("benchmarks.indexes.feed", __doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="messages; two thirds as many posts")
    parser.add_argument(
        "--production", action="store_true", help="6.2 million messages and 4.1 million posts"
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="of measuring the queries, each time")
    parser.add_argument("--rounds", type=int, default=8, help="builds beside the load, at least 2")
    options = parser.parse_args()
    messages, posts = PRODUCTION if options.production else (options.rows, max(1, options.rows * 2 // 3))
    return asyncio.run(run(messages, posts, options.seconds, max(2, options.rounds)))


if __name__ == "__main__":
    sys.exit(main())
