"""What the two indexes of migration 090 do for the feed's queries, and what building them does to who writes meanwhile.

    python -m benchmarks.indexes.feed [--rows 1000000] [--production] [--seconds 5] [--rounds 8] [--brief]

On a server of its own: fills `messages` with `--rows` rows and `posts` with two thirds of that, measures both queries at p50
and p99, applies 090 while 200 transactions a second write, measures the queries again, then takes 090 back and builds one index without
CONCURRENTLY under the same load, which is what the migration is there to avoid. `--production` takes 6.2 and 4.1 million rows. A few runs of COPY and VACUUM come
first: about ten seconds for a million rows.

Writers are compared in turns: in each of `--rounds` rounds the same load runs alone, beside a session that keeps a core busy and
does nothing else, beside the two bare statements (CREATE INDEX CONCURRENTLY as psql would run it), and beside a build by the
runner; the median of the rounds' ratios counts. The loads that ran alone, each against the one before (A/A), say how much of a
difference is noise.

On a machine of two or three cores each round does that twice. Once everybody may run anywhere: then the busy core shows that whoever
takes one of two cores makes the others wait, build or not. And once with a core each: the load generator and its sessions on
the server have one, and the build, the server's own processes, and whatever else there is, the other, in all rows. Then what is
left is what the build does to those who write through the server: its locks, its WAL, the buffers, the memory. That is what
the target is about, since production has cores to spare. From four cores on the first way is judged, and there is no second.

As in production the runner and the load generator are processes of their own, the connections of those who write are not new,
and the server has written WAL before: one that has no old segments to use again fills new ones with zeros, 16 MB at a time, while
every commit waits. Those who write have machines of their own in production: here the load generator comes first at the
processor, where it may, so that its own waiting for one is not taken for the server's. With a core each its sessions on the
server come first there, too, and the server's own processes on theirs: what is asked for is not what else this machine does.
The busy core is the proof: beside it, with a core each, writers wait no longer than alone.

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
from contextlib import closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg

from benchmarks.indexes.cores import Cores, move, ways
from benchmarks.indexes.data import create
from benchmarks.indexes.writers import Apart, Load, Writes, p99, percentile
from benchmarks.program import add_brief, command_line, conclude
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
BUSY = "SELECT count(*) FROM (SELECT generate_series(1, 1000000000000)) AS n"
"""One session that takes a core and nothing else: no page, no WAL, and no lock after its one snapshot. (A loop in PL/pgSQL takes a
snapshot each time round, and so a lock that each commit needs.)"""
SETTINGS = {
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",
    "min_wal_size": "2GB",  # old segments are kept for use again
    "maintenance_work_mem": "256MB",
}
FASTER_AT_LEAST = 5.0
JUDGED = ("alone", "beside")
"""What a target is about, on the sharing of cores that is judged."""
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


def applied(url: str, cores: frozenset[int]) -> int:
    """Apply 090 from one of these processors; how many looks that took."""
    move(0, cores)

    async def apply() -> int:
        runner = Runner(url)
        plan = await runner.plan(Migration.load(MIGRATION))
        return len([one async for one in runner.apply(plan)])

    return asyncio.run(apply())


async def beside_each(
    apply: Callable[[Cores], Awaitable[int]],
    load: Load,
    connection: asyncpg.Connection,
    folder: Path,
    shared: list[Cores],
    count: int,
    *,
    brief: bool,
) -> dict[Cores, dict[str, list[Writes]]]:
    """The load alone, beside a busy core, the bare statements, and a build by the runner, in turn, on each sharing of cores."""
    seen: dict[Cores, dict[str, list[Writes]]] = {cores: {} for cores in shared}
    seconds = {}
    for cores in seen:
        await cores.take(connection, folder)
        await apply(cores)  # its process starts
        await drop_all(connection)
        began = time.perf_counter()
        await apply(cores)
        seconds[cores] = time.perf_counter() - began
        await drop_all(connection)
    for number in range(count):
        for cores, by_name in seen.items():
            beside: dict[str, Callable[[], Awaitable[object]]] = {
                "alone": partial(asyncio.sleep, seconds[cores]),
                "a busy core": partial(keep_busy, connection, seconds[cores]),
                "bare": partial(without_the_runner, connection),
                "beside": partial(apply, cores),
            }
            await cores.take(connection, folder)
            for name in JUDGED if brief else beside:
                work = beside[name]
                await connection.execute("CHECKPOINT")  # all begin with one
                writes = await load.during(work, cores)
                by_name.setdefault(name, []).append(writes)
                print(f"{number + 1}. {cores.name:11} {name:14} {writes}")
                await drop_all(connection)
    return seen


async def keep_busy(connection: asyncpg.Connection, seconds: float) -> None:
    """Keep a core busy for so long."""
    with suppress(TimeoutError):
        await connection.execute(BUSY, timeout=seconds)


async def without_the_runner(connection: asyncpg.Connection) -> None:
    """The two statements of 090, as `psql -f` runs them."""
    for statement in INDEXES.values():
        await connection.execute(statement)


async def drop_all(connection: asyncpg.Connection) -> None:
    """Take the indexes back, and what the runner remembers."""
    for index in INDEXES:
        await connection.execute(f"DROP INDEX IF EXISTS {index}")
    await connection.execute("DROP SCHEMA IF EXISTS quickwins CASCADE")


async def run(messages: int, posts: int, seconds: float, rounds: int, *, brief: bool) -> int:
    targets: list[Target] = []
    migration, shared = Migration.load(MIGRATION), ways()
    free, judged = shared[0], shared[-1]
    if brief:
        shared = [judged]
    with PostgresServer.start(settings=SETTINGS) as server, closing(Apart(os.setsid)) as process:
        began = time.perf_counter()
        connection = await asyncpg.connect(server.url)
        users = await create(connection, messages, posts)
        print(
            f"{messages:,} messages, {posts:,} posts, {users:,} users: {time.perf_counter() - began:.0f} s to fill"
        )
        runner = Runner(server.url)
        load = Load(server.url, users)

        async def apply(cores: Cores) -> int:
            return await process.call(applied, server.url, cores.others)

        plan = await runner.plan(migration)
        for table, bytes_, index, estimate in plan.sizes:
            print(f"{table} {bytes_ / 2**20:.0f} MiB; {index} estimated {(estimate or 0) / 2**20:.1f} MiB")
        before = await queries(server.url, users, seconds)
        plain = await runner.verify(migration, measure_seconds=60)
        seen = await beside_each(apply, load, connection, server.folder, shared, rounds, brief=brief)
        await free.take(connection, server.folder)
        await apply(free)
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

        if not brief:
            await drop_all(connection)
            stalled = await load.during(partial(connection.execute, PLAIN), free)
            print(f"plain build    {stalled}  (the negative control)")
        await connection.close()
        load.close()
    for cores, by_name in seen.items():
        ratio = compared(cores.name, by_name)
    during = Writes.of([one for by_name in seen.values() for one in by_name["beside"]])
    targets += [
        Target(f"no write failed during apply: {during.errors}", during.errors == 0),
        Target(
            f"writes went on, but for less than {STALL_SECONDS:g} s: {during.longest_stall:.3f}",
            during.longest_stall < STALL_SECONDS,
        ),
        Target(
            f"the p99 of writes at most {WRITE_P99_AT_MOST:g} times that without a build, {judged.name}: {ratio:.2f}",
            ratio <= WRITE_P99_AT_MOST,
        ),
    ]
    return conclude(targets)


def compared(cores: str, seen: dict[str, list[Writes]]) -> float:
    """Print how much longer writes took than alone; the ratio beside the runner's build."""
    alone = seen["alone"]
    print(f"{cores}:")
    for name, several in seen.items():
        print(f"    {name:14} {Writes.of(several)}")
    print(f"    p99 / that alone: median of {len(alone)} rounds (least to most), and of all rounds together")
    ratios = {
        name: [p99(with_) / p99(without) for without, with_ in zip(alone, several, strict=True)]
        for name, several in seen.items()
        if name != "alone"
    }
    ratios["alone again"] = [p99(later) / p99(earlier) for earlier, later in itertools.pairwise(alone)]
    for name, each in ratios.items():
        together = p99(Writes.of(seen.get(name, alone))) / p99(Writes.of(alone))
        print(
            f"    {name:14} {statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f}), {together:.2f}"
        )
    found = {name: statistics.median(each) for name, each in ratios.items()}
    if "a busy core" in found:
        print(f"    beside / a busy core: {found['beside'] / found['a busy core']:.2f}")
    return found["beside"]


def main() -> int:
    parser = command_line("benchmarks.indexes.feed", __doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="messages; two thirds as many posts")
    parser.add_argument(
        "--production", action="store_true", help="6.2 million messages and 4.1 million posts"
    )
    parser.add_argument("--seconds", type=float, default=5.0, help="of measuring the queries, each time")
    parser.add_argument("--rounds", type=int, default=8, help="builds beside the load, at least 2")
    add_brief(parser)
    options = parser.parse_args()
    messages, posts = PRODUCTION if options.production else (options.rows, max(1, options.rows * 2 // 3))
    rounds = max(2, options.rounds)
    return asyncio.run(run(messages, posts, options.seconds, rounds, brief=options.brief))


if __name__ == "__main__":
    sys.exit(main())
