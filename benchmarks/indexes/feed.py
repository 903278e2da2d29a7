"""What the two indexes of migration 090 do for the feed's queries, and what building them does to who writes meanwhile.

    python -m benchmarks.indexes.feed [--rows 1000000] [--production] [--seconds 5] [--rounds 8]

On a server of its own: fills `messages` with `--rows` rows and `posts` with two thirds of that, measures both queries at p50
and p99, applies 090 while 200 transactions a second write, measures the queries again, then takes 090 back and builds one index without
CONCURRENTLY under the same load, which is what the migration is there to avoid. `--production` takes 6.2 and 4.1 million rows. A few runs of COPY and VACUUM come
first: about ten seconds for a million rows.

Writers are compared in turns: in each of `--rounds` rounds the same load runs alone, beside a session that keeps a core busy and
does nothing else, beside the two bare statements (CREATE INDEX CONCURRENTLY as psql would run it), and beside a build by the
runner; the median of the rounds' ratios counts. The busy core says what the machine does: on two cores, whoever takes one of them
makes the others wait. The loads that ran alone, each against the one before (A/A), say how much of a difference is noise.

As in production the runner and the load generator are processes of their own, the connections of those who write are not new,
and the server has written WAL before: one that has no old segments to use again fills new ones with zeros, 16 MB at a time, while
every commit waits. Those who write have machines of their own in production: here the load generator comes first at the
processor, where it may, so that its own waiting for one is not taken for the server's.

Exits with 3 when a query gets less than 5 times faster, a write fails or stalls for a second, or the p99 of writes more than doubles.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import statistics
import sys
import time
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from benchmarks.indexes.data import create
from benchmarks.indexes.writers import Apart, Load, Writes, p99, percentile
from benchmarks.program import command_line, conclude
from quickwins.engines import PostgresServer
from quickwins.indexes import Migration, Runner
from quickwins.rig import Target

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

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
PLAIN = "CREATE INDEX plain ON messages (sender_id, created_at DESC) WHERE deleted_at IS NULL"
BUSY = """
    DO $$ DECLARE until timestamptz := clock_timestamp() + {} * interval '1 second';
    BEGIN WHILE clock_timestamp() < until LOOP END LOOP; END $$
"""
"""One session that takes a core and nothing else: no page, no lock, no WAL. What any build costs on this machine."""
SETTINGS = {
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "min_wal_size": "2GB",  # old segments are kept for use again
    "maintenance_work_mem": "256MB",
}
FASTER_AT_LEAST = 5.0
STALL_SECONDS = 1.0
WRITE_P99_AT_MOST = 2.0


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


def applied(url: str) -> int:
    """Apply 090; how many looks that took."""

    async def apply() -> int:
        runner = Runner(url)
        plan = await runner.plan(Migration.load(MIGRATION))
        return len([one async for one in runner.apply(plan)])

    return asyncio.run(apply())


async def beside_each(
    apply: Callable[[], Awaitable[int]], load: Load, connection: asyncpg.Connection, count: int
) -> dict[str, list[Writes]]:
    """The load alone, beside a busy core, the bare statements, and a build by the runner, in turn. The last build stays."""
    await apply()  # its process starts
    await drop_all(connection)
    began = time.perf_counter()
    await apply()
    seconds = time.perf_counter() - began
    ways: dict[str, Callable[[], Awaitable[object]]] = {
        "alone": lambda: asyncio.sleep(seconds),
        "a busy core": lambda: connection.execute(BUSY.format(seconds)),
        "bare": lambda: without_the_runner(connection),
        "beside": apply,
    }
    seen: dict[str, list[Writes]] = {name: [] for name in ways}
    await drop_all(connection)
    for number in range(count):
        for name, way in ways.items():
            await connection.execute("CHECKPOINT")  # all begin with one
            seen[name].append(await load.during(way))
            print(f"{number + 1}. {name:14} {seen[name][-1]}")
            if name == "bare" or (name == "beside" and number < count - 1):
                await drop_all(connection)
    return seen


async def without_the_runner(connection: asyncpg.Connection) -> None:
    """The two statements of 090, as `psql -f` runs them."""
    for statement in INDEXES.values():
        await connection.execute(statement)


async def drop_all(connection: asyncpg.Connection) -> None:
    """Take the indexes back, and what the runner remembers."""
    for index in INDEXES:
        await connection.execute(f"DROP INDEX IF EXISTS {index}")
    await connection.execute("DROP SCHEMA IF EXISTS quickwins CASCADE")


async def run(messages: int, posts: int, seconds: float, rounds: int) -> int:
    targets: list[Target] = []
    migration = Migration.load(MIGRATION)
    with PostgresServer.start(settings=SETTINGS) as server, closing(Apart(os.setsid)) as process:
        began = time.perf_counter()
        connection = await asyncpg.connect(server.url)
        users = await create(connection, messages, posts)
        print(
            f"{messages:,} messages, {posts:,} posts, {users:,} users: {time.perf_counter() - began:.0f} s to fill"
        )
        runner = Runner(server.url)
        load = Load(server.url, users)
        apply = partial(process.call, applied, server.url)

        plan = await runner.plan(migration)
        for table, bytes_, index, estimate in plan.sizes:
            print(f"{table} {bytes_ / 2**20:.0f} MiB; {index} estimated {(estimate or 0) / 2**20:.1f} MiB")
        before = await queries(server.url, users, seconds)
        plain = await runner.verify(migration, measure_seconds=60)
        seen = await beside_each(apply, load, connection, rounds)
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

        await drop_all(connection)
        stalled = await load.during(partial(connection.execute, PLAIN))
        print(f"plain build    {stalled}  (the negative control)")
        await connection.close()
        load.close()
    alone, during = seen["alone"], Writes.of(seen["beside"])
    for name, several in seen.items():
        print(f"{name:14} {Writes.of(several)}")
    print(f"p99 / that alone: median of {rounds} rounds (least to most), and of all rounds together")
    ratios = {
        name: [p99(with_) / p99(without) for without, with_ in zip(alone, several, strict=True)]
        for name, several in seen.items()
        if name != "alone"
    }
    ratios["alone again"] = [p99(later) / p99(earlier) for earlier, later in itertools.pairwise(alone)]
    for name, each in ratios.items():
        together = p99(Writes.of(seen.get(name, alone))) / p99(Writes.of(alone))
        print(f"{name:14} {statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f}), {together:.2f}")
    ratio = statistics.median(ratios["beside"])
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
