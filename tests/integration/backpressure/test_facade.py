"""`QuickWins.load` and `pool`: settings by name, live changes, and the order of closing."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry
from psycopg_pool import AsyncConnectionPool
from sqlalchemy.ext.asyncio import create_async_engine

from quickwins import ConfigError, QuickWins
from quickwins.backpressure import GatedPool, GateKind, PoolExhausted
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.backpressure.conftest import Pools, all_is_back

if TYPE_CHECKING:
    from pathlib import Path

    from tests.engines import Target

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.any_server, pytest.mark.asyncio]

CONFIG = """\
service = "api"

[flags]
audit = false

[backpressure]
enabled = true
threshold = 0.75
nested = "allow"

[backpressure.names.feed]
threshold = 0.5
"""


def loaded(path: Path, text: str = CONFIG, env: dict[str, str] | None = None) -> QuickWins:
    file = path / "quickwins.toml"
    file.write_text(text)
    return QuickWins.load(file, env=env or {}, registry=CollectorRegistry())


async def test_each_pool_has_its_own_table_or_the_section(tmp_path: Path, pools: Pools) -> None:
    qw = loaded(tmp_path)
    feed, search = qw.pool(await pools(4), name="feed"), qw.pool(await pools(4), name="search")
    assert (feed.stats().limit, search.stats().limit) == (2, 3)
    async with feed.acquire(), feed.acquire():
        with pytest.raises(PoolExhausted, match="'feed' has 2 of 4 permits in use, its limit is 2"):
            await feed.acquire()
    await all_is_back(feed)


async def test_by_default_it_is_off(tmp_path: Path, pools: Pools) -> None:
    qw = loaded(tmp_path, "[flags]\naudit = false\n")
    feed = qw.pool(await pools(2), name="feed")
    assert not feed.stats().gated


async def test_the_environment_beats_the_file(tmp_path: Path, pools: Pools) -> None:
    env = {"QUICKWINS_BACKPRESSURE__THRESHOLD": "0.25", "QUICKWINS_BACKPRESSURE__KILLED": "true"}
    qw = loaded(tmp_path, env=env)
    search = qw.pool(await pools(4), name="search")
    assert (search.stats().limit, search.stats().gated) == (1, False)


async def test_a_change_of_the_file_reaches_the_pool_at_the_next_poll(tmp_path: Path, pools: Pools) -> None:
    qw = loaded(tmp_path)
    feed, search = qw.pool(await pools(4), name="feed"), qw.pool(await pools(4), name="search")
    async with qw:
        held = [await feed.acquire() for _ in range(2)]
        changed = CONFIG.replace("0.5", "0.25").replace("0.75", "1.0")
        (tmp_path / "quickwins.toml").write_text(changed)
        assert qw.flags.poll()
        assert (feed.stats().limit, feed.stats().inflight, search.stats().limit) == (1, 2, None)
        (tmp_path / "quickwins.toml").write_text(changed.replace("enabled = true", "enabled = false"))
        assert qw.flags.poll()
        held.append(await feed.acquire())
        (tmp_path / "quickwins.toml").write_text(changed.replace("0.25", "7"))
        assert not qw.flags.poll(), "what is not valid changes nothing"
        assert feed.stats().limit == 1
        for connection in held:
            await feed.release(connection)
        await all_is_back(feed)


async def test_the_kind_of_gate_changes_live_while_callers_wait(tmp_path: Path, pools: Pools) -> None:
    queued = CONFIG + 'gate = "queue"\ntarget_seconds = 30\ninterval_seconds = 60\n'
    qw = loaded(tmp_path, queued)
    feed, search = qw.pool(await pools(2), name="feed"), qw.pool(await pools(2), name="search")
    assert (feed.stats().gate, search.stats().gate) == (GateKind.QUEUE, GateKind.THRESHOLD)
    async with qw:
        held = [await feed.acquire() for _ in range(2)]
        waiting = asyncio.create_task(feed.fetchval("SELECT 1"))
        await eventually(lambda: feed.stats().waiting == 1)
        (tmp_path / "quickwins.toml").write_text(queued.replace('"queue"', '"threshold"'))
        assert qw.flags.poll()
        assert (feed.stats().gate, feed.stats().limit, feed.stats().waiting) == (GateKind.THRESHOLD, 1, 1)
        for connection in held:
            await feed.release(connection)
        assert await asyncio.wait_for(waiting, DEADLINE_SECONDS) == 1
        await all_is_back(feed)


async def test_two_pools_of_one_name_are_a_mistake(tmp_path: Path, pools: Pools) -> None:
    qw = loaded(tmp_path)
    first = await pools(2)
    qw.pool(first, name="feed")
    with pytest.raises(ConfigError, match="there is a pool 'feed' already"):
        qw.pool(await pools(2), name="feed")


async def test_one_pool_under_two_names_is_a_mistake(tmp_path: Path, pools: Pools) -> None:
    qw = loaded(tmp_path)
    pool = await pools(2)
    qw.pool(pool, name="feed")
    with pytest.raises(ConfigError, match="the pool for 'search' has a gate already"):
        qw.pool(pool, name="search")


async def test_leaving_closes_every_pool_also_when_one_fails_and_stops_polling(
    tmp_path: Path, pools: Pools, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = GatedPool.close

    async def failing(self: GatedPool, **options: Any) -> None:
        await close(self, **options)
        if self.name == "search":
            raise RuntimeError("a bug")

    monkeypatch.setattr(GatedPool, "close", failing)
    qw = loaded(tmp_path)
    gated = [qw.pool(await pools(2), name=name) for name in ("feed", "search", "audit")]

    async def live() -> None:
        async with qw:
            for pool in gated:
                assert await pool.fetchval("SELECT 1") == 1

    with pytest.raises(RuntimeError, match="a bug"):
        await live()
    assert all(pool.pool.is_closing() for pool in gated)
    with pytest.raises(PoolExhausted, match="closed"):
        await gated[0].acquire()
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "quickwins-flags"]


async def test_cancelled_while_it_closes_it_leaves_no_pool_and_no_task_behind(
    tmp_path: Path, pools: Pools
) -> None:
    qw = loaded(tmp_path)
    feed, search = qw.pool(await pools(2), name="feed"), qw.pool(await pools(2), name="search")
    await qw.__aenter__()
    await feed.acquire()  # whose holder does not give it back within the grace
    closing = asyncio.create_task(qw.__aexit__())
    await eventually(lambda: feed.pool.is_closing() and search.pool.is_closing())
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    for pool in (feed, search):
        with pytest.raises(PoolExhausted, match="closed"):
            await pool.acquire()
        assert pool.pool.get_size() == 0
    assert not [task for task in asyncio.all_tasks() if task.get_name() == "quickwins-flags"]


async def test_an_engine_and_a_pool_of_psycopg_follow_the_file_and_are_closed(
    tmp_path: Path, postgres: Target
) -> None:
    engine = create_async_engine(
        postgres.url.replace("postgresql://", "postgresql+asyncpg://"), pool_size=3, max_overflow=1
    )
    pool = AsyncConnectionPool(postgres.url, min_size=0, max_size=4, open=False)
    await pool.open()
    qw = loaded(tmp_path)
    feed, search = qw.pool(engine, name="feed"), qw.pool(pool, name="search")
    assert (feed.stats().limit, search.stats().limit) == (2, 3)
    async with qw:
        async with engine.connect(), engine.connect():
            with pytest.raises(PoolExhausted, match="'feed' has 2 of 4 permits in use, its limit is 2"):
                await engine.connect()
        async with pool.connection(), pool.connection(), pool.connection():
            with pytest.raises(PoolExhausted, match="'search' has 3 of 4 permits in use, its limit is 3"):
                await pool.getconn()
        (tmp_path / "quickwins.toml").write_text(
            CONFIG.replace("enabled = true", "enabled = true\nkilled = true")
        )
        await eventually(lambda: not feed.stats().gated)
        async with engine.connect(), engine.connect(), engine.connect():
            assert feed.stats().inflight == 3
    assert pool.closed
    with pytest.raises(ConfigError, match="for 'again' has a gate already"):
        qw.pool(engine, name="again")


async def test_an_engine_that_was_made_once_is_there_again_when_an_application_is_started_again(
    tmp_path: Path, postgres: Target
) -> None:
    url = postgres.url.replace("postgresql://", "postgresql+asyncpg://")
    engine = create_async_engine(url, pool_size=4, max_overflow=0)
    qw = loaded(tmp_path)
    feed = qw.pool(engine, name="feed")
    for limit in (2, 4):
        async with qw:
            await eventually(lambda: feed.stats().limit == limit)  # noqa: B023 -- waited for at once; until=never
            async with engine.connect():
                assert feed.stats().inflight == 1
        (tmp_path / "quickwins.toml").write_text(CONFIG.replace("threshold = 0.5", "threshold = 0.9"))
    async with engine.connect():  # after the end, as without us: tests that start no application
        assert feed.stats().inflight == 1
    assert qw.pool(engine, name="feed") is feed  # given where the application starts, each time
    with pytest.raises(ConfigError, match="there is a pool 'feed' already"):
        qw.pool(engine, name="feed")
    async with qw:
        pass
    another = create_async_engine(url, pool_size=4, max_overflow=0)
    assert qw.pool(another, name="feed") is not feed  # made anew, each time
    async with qw:
        pass
    with pytest.raises(ConfigError, match="there is a pool 'feed' already"):
        qw.gate(name="feed", size=1)


async def test_what_no_gate_is_known_for_is_said(tmp_path: Path) -> None:
    strange: Any = object()
    with pytest.raises(ConfigError, match="not for object; for anything else, make one by gate"):
        loaded(tmp_path).pool(strange, name="feed")
