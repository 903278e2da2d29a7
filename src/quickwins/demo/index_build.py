"""The indexes of migrations 090 and 091 are built while feeds are read and posts written, and dropped at the end."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from quickwins.core.errors import needs_extra
from quickwins.demo.result import IndexResult
from quickwins.demo.service.database import FEED_QUERY, create_feed
from quickwins.indexes import Migration, Runner
from quickwins.rig import LatencySummary

with needs_extra("demo"):
    import asyncpg

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from quickwins.demo.service.database import RowCounts

NAMES = ("090_quick_win_4_missing_indexes.sql", "091_demo_feed_indexes.sql")
WRITES_PER_SECOND = 100
_DATABASE = "indexes"
_POSTS = 10
_FIRST_NEW = 1 << 40
_WRITE = "INSERT INTO posts (id, user_id, body, created_at) VALUES ($1, $2, 'new', now())"


@dataclass(slots=True)
class _Seen:
    feeds: list[float] = field(default_factory=list)
    writes: list[float] = field(default_factory=list)
    failed: int = 0


def migrations() -> list[Migration]:
    """090 and 091, from the package, or from the repository that it is developed in."""
    here = Path(__file__)
    folder = next(one for one in (here.parent / "migrations", here.parents[3] / "migrations") if one.is_dir())
    return [Migration.load(folder / name) for name in NAMES]


async def run_index_build(
    url: str, *, rows: int, duration_seconds: float, progress: Callable[[str], None]
) -> IndexResult:
    """Measure before, while the indexes are built, and after; then take them back.

    Args:
        url: The server; a database of our own is made on it.
        rows: Posts in it.
        duration_seconds: How long is measured before and after.
        progress: Told about each step.
    """
    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE DATABASE {_DATABASE}")
    await connection.close()
    own = urlsplit(url)._replace(path=f"/{_DATABASE}").geturl()
    counts = await create_feed(own, rows, progress)
    runner = Runner(own, service="demo")
    load = _Load(own, counts)

    progress(f"feeds without an index: {duration_seconds:.0f} s")
    before = await load.during(asyncio.sleep(duration_seconds))
    progress("building the indexes of 090 and 091 under the same load")
    began = time.monotonic()
    building = await load.during(_applied(runner, migrations()))
    took = time.monotonic() - began
    progress(f"feeds with them: {duration_seconds:.0f} s")
    after = await load.during(asyncio.sleep(duration_seconds))
    dropping = await load.during(_applied(runner, migrations()[::-1], rollback=True))
    return IndexResult(
        rows=counts.posts,
        build_seconds=took,
        feed_before=LatencySummary.of(before.feeds),
        feed_after=LatencySummary.of(after.feeds),
        write_before=LatencySummary.of(before.writes),
        write_building=LatencySummary.of(building.writes),
        failed=sum(one.failed for one in (before, building, after, dropping)),
    )


async def _applied(runner: Runner, wanted: Sequence[Migration], *, rollback: bool = False) -> None:
    for migration in wanted:
        async with aclosing(runner.apply(await runner.plan(migration, rollback=rollback))) as looks:
            async for _ in looks:
                pass


class _Load:
    """One reader that asks for one feed after the other, and writes at a steady rate."""

    def __init__(self, url: str, counts: RowCounts) -> None:
        self._url = url
        self._users = counts.users
        self._number = 0

    async def during(self, work: Coroutine[object, object, None]) -> _Seen:
        """Read and write until `work` is done."""
        seen = _Seen()
        task = asyncio.create_task(work)
        async with asyncpg.create_pool(self._url, min_size=4, max_size=4) as pool:
            await asyncio.gather(self._read(pool, task, seen), self._write(pool, task, seen))
        await task
        return seen

    async def _read(self, pool: asyncpg.Pool, task: asyncio.Future[None], seen: _Seen) -> None:
        while not task.done():
            began = time.monotonic()
            await pool.fetch(FEED_QUERY, 1 + len(seen.feeds) % self._users, _POSTS, 0.0)
            seen.feeds.append(time.monotonic() - began)

    async def _write(self, pool: asyncpg.Pool, task: asyncio.Future[None], seen: _Seen) -> None:
        began = time.monotonic()
        writing: set[asyncio.Task[None]] = set()
        count = 0
        while not task.done():
            due = began + count / WRITES_PER_SECOND
            await asyncio.sleep(due - time.monotonic())
            self._number += 1
            one = asyncio.create_task(self._insert(pool, self._number, due, seen))
            writing.add(one)
            one.add_done_callback(writing.discard)
            count += 1
        await asyncio.gather(*writing)

    async def _insert(self, pool: asyncpg.Pool, number: int, due: float, seen: _Seen) -> None:
        try:
            await pool.execute(_WRITE, _FIRST_NEW + number, 1 + number % self._users)
        except asyncpg.PostgresError:
            seen.failed += 1
        seen.writes.append(time.monotonic() - due)
