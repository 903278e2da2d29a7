"""SQLAlchemy's own ways through its pool, behind a gate: sessions, lazy loads, invalidation, detachment, what nobody closes."""

from __future__ import annotations

import asyncio
import gc
import warnings
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
import sqlalchemy.exc
from prometheus_client import CollectorRegistry
from sqlalchemy import ForeignKey, event, pool, text
from sqlalchemy.ext.asyncio import (
    AsyncAttrs,
    AsyncEngine,
    AsyncSession,
    async_sessionmaker,
    create_async_engine,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

from quickwins.backpressure import Gate, Nested, PoolExhausted
from quickwins.backpressure.sqlalchemy import CheckoutTimeout, GatedEngine
from quickwins.core.errors import ConfigError
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.backpressure.conftest import flag, patient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.engines import Target

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.any_server, pytest.mark.asyncio]

DRIVERS = ("asyncpg", "psycopg")


@pytest.fixture(params=DRIVERS)
def url(request: pytest.FixtureRequest, postgres: Target) -> str:
    return postgres.url.replace("postgresql://", f"postgresql+{request.param}://")


@asynccontextmanager
async def gated_engine(
    url: str, *, gate: Gate | None = None, size: int | None = None, **options: Any
) -> AsyncIterator[GatedEngine]:
    """An engine of one connection behind a patient gate, unless told otherwise."""
    limits = {} if "poolclass" in options else {"pool_size": 1, "max_overflow": 0, "pool_timeout": 20.0}
    engine = create_async_engine(url, **{**limits, **options})
    gate = patient() if gate is None else gate
    yield GatedEngine(engine, gate=gate, size=size, name="feed", registry=CollectorRegistry())
    await engine.dispose()


@pytest_asyncio.fixture
async def gated(url: str) -> AsyncIterator[GatedEngine]:
    async with gated_engine(url) as made:
        yield made


async def is_whole(gated: GatedEngine) -> None:
    await eventually(lambda: gated.stats().inflight == gated.stats().waiting == 0)
    async with asyncio.timeout(DEADLINE_SECONDS), gated.engine.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar() == 1
        assert gated.stats().inflight == 1
    assert gated.stats().inflight == 0


class Base(AsyncAttrs, DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "gate_users"
    id: Mapped[int] = mapped_column(primary_key=True)
    posts: Mapped[list[Post]] = relationship(lazy="select")


class Post(Base):
    __tablename__ = "gate_posts"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("gate_users.id"))


async def test_sessions_lazy_loads_savepoints_and_run_sync_hold_one_permit(gated: GatedEngine) -> None:
    async with gated.engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
        assert gated.stats().inflight == 1
    sessions = async_sessionmaker(gated.engine)
    async with sessions() as session:
        assert gated.stats().inflight == 0  # nothing was asked yet
        session.add(User(id=1, posts=[Post(id=1), Post(id=2)]))
        await session.commit()
        assert gated.stats().inflight == 0
        user = await session.get_one(User, 1)
        async with session.begin_nested():
            assert len(await user.awaitable_attrs.posts) == 2
        assert gated.stats().inflight == 1
        assert await session.run_sync(lambda inner: len(inner.get_one(User, 1).posts)) == 2
    assert gated.stats().inflight == 0
    async with AsyncSession(gated.engine) as session, session.begin():
        rows = await session.stream(text("SELECT id FROM gate_posts ORDER BY id"))
        assert [row.id async for row in rows] == [1, 2]
    async with gated.engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
    await is_whole(gated)


async def test_a_refusal_is_ours_and_no_disconnect(gated: GatedEngine) -> None:
    handled: list[Any] = []
    event.listen(gated.engine.sync_engine, "handle_error", handled.append)
    gated.reconfigure(Gate.threshold(0.5, size=1, registry=CollectorRegistry()).shell.core.rule)
    async with gated.engine.connect() as connection:
        identity = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar()
        with pytest.raises(PoolExhausted) as refused:
            await asyncio.create_task(answered(gated.engine))
    assert not isinstance(refused.value, sqlalchemy.exc.SQLAlchemyError)
    assert not handled
    async with gated.engine.connect() as connection:
        assert (await connection.execute(text("SELECT pg_backend_pid()"))).scalar() == identity


async def answered(engine: AsyncEngine) -> Any:
    async with engine.connect() as connection:
        return (await connection.execute(text("SELECT 1"))).scalar()


async def test_an_invalidated_connection_gives_its_permit_back_when_it_is_closed(gated: GatedEngine) -> None:
    async with gated.engine.connect() as connection:
        await connection.invalidate()
    await is_whole(gated)
    async with gated.engine.connect() as connection:
        await connection.invalidate()
        assert (await connection.execute(text("SELECT 1"))).scalar() == 1  # it checks out again by itself
        assert gated.stats().inflight == 1
    await is_whole(gated)


async def test_a_detached_connection_is_its_holders_and_its_permit_the_pools(gated: GatedEngine) -> None:
    connection = await gated.engine.connect()
    raw = await connection.get_raw_connection()
    own: Any = raw.driver_connection
    raw.detach()
    assert gated.stats().inflight == 0
    await is_whole(gated)
    await connection.close()
    await own.close()
    await is_whole(gated)


async def test_what_nobody_closes_the_garbage_collector_gives_back(gated: GatedEngine) -> None:
    with warnings.catch_warnings():
        for kind in (sqlalchemy.exc.SAWarning, ResourceWarning):  # rightly said
            warnings.simplefilter("ignore", kind)
        connection: Any = await gated.engine.connect()
        await connection.execute(text("SELECT 1"))
        assert gated.stats().inflight == 1
        cycle = [connection]
        cycle.append(cycle)
        del connection, cycle
        await eventually(lambda: (gc.collect(), gated.stats().inflight == 0)[1])
    await is_whole(gated)


async def test_a_connection_that_a_ping_finds_lost_is_replaced_under_one_permit(url: str) -> None:
    async with gated_engine(url, pool_pre_ping=True) as gated, gated_engine(url) as other:
        async with gated.engine.connect() as connection:
            lost = (await connection.execute(text("SELECT pg_backend_pid()"))).scalar()
        async with other.engine.connect() as connection:
            await connection.execute(text("SELECT pg_terminate_backend(:pid, 5000)"), {"pid": lost})
        await is_whole(gated)
        assert gated.stats().admitted == 2


async def test_what_asks_outside_of_a_greenlet_is_told_so_and_leaves_nobody_in_line(
    gated: GatedEngine,
) -> None:
    async with gated.engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)
        await connection.run_sync(Base.metadata.create_all)
    async with async_sessionmaker(gated.engine)() as session:
        user = User(id=1)
        session.add(user)
        await session.commit()  # what `user` has is outdated now: asking for it asks for a connection
        async with gated.engine.connect():
            for _ in range(3):
                with pytest.raises(sqlalchemy.exc.MissingGreenlet):
                    assert user.id
            assert gated.stats().waiting == 0
        with pytest.raises(sqlalchemy.exc.SQLAlchemyError, match="greenlet"):  # of the driver
            assert user.id
    await is_whole(gated)
    async with gated.engine.begin() as connection:
        await connection.run_sync(Base.metadata.drop_all)


async def test_engines_that_share_a_pool_share_its_gate(gated: GatedEngine) -> None:
    shared = gated.engine.execution_options(isolation_level="REPEATABLE READ")
    async with shared.connect() as connection:
        assert (await connection.execute(text("SHOW transaction_isolation"))).scalar() == "repeatable read"
        assert gated.stats().inflight == 1
    await is_whole(gated)


async def test_disposed_of_it_is_gated_still(gated: GatedEngine) -> None:
    await is_whole(gated)
    held = await gated.engine.connect()
    own: Any = (await held.get_raw_connection()).driver_connection
    await gated.engine.dispose()
    waiting = asyncio.create_task(answered(gated.engine))
    await eventually(lambda: gated.stats().waiting == 1)
    await held.close()
    await own.close()  # it went back into the pool before, which nobody has any more
    assert await asyncio.wait_for(waiting, DEADLINE_SECONDS) == 1
    await is_whole(gated)


async def test_the_pools_own_timeout_covers_the_line(url: str) -> None:
    async with gated_engine(url, pool_timeout=0.05) as gated:
        async with gated.engine.connect():
            with pytest.raises(sqlalchemy.exc.TimeoutError) as late:
                await asyncio.create_task(answered(gated.engine))
            assert isinstance(late.value, CheckoutTimeout)
            assert isinstance(late.value, TimeoutError)
        await is_whole(gated)


async def test_a_listener_of_the_application_that_refuses_a_checkout(gated: GatedEngine) -> None:
    def refuse(*_: object) -> None:
        raise LookupError

    event.listen(gated.engine.sync_engine.pool, "checkout", refuse)
    with pytest.raises(LookupError):
        await answered(gated.engine)
    assert gated.stats().inflight == 0
    event.remove(gated.engine.sync_engine.pool, "checkout", refuse)
    await is_whole(gated)


async def test_pools_without_a_limit_need_a_size(url: str) -> None:
    for options in ({"poolclass": pool.NullPool}, {"pool_size": 0}, {"max_overflow": -1}):
        engine = create_async_engine(url, **options)
        with pytest.raises(ConfigError, match=r"without a limit .*: give its gate a size"):
            GatedEngine(engine, name="feed", registry=CollectorRegistry())
    async with gated_engine(url, poolclass=pool.NullPool, size=1) as gated:
        await is_whole(gated)
        held = await gated.engine.connect()
        waiting = asyncio.create_task(answered(gated.engine))
        await eventually(lambda: gated.stats().waiting == 1)
        await held.close()
        assert await asyncio.wait_for(waiting, DEADLINE_SECONDS) == 1
        await is_whole(gated)


async def test_users_of_a_static_pool_share_one_connection() -> None:
    engine = create_async_engine("sqlite+aiosqlite://", poolclass=pool.StaticPool)
    with pytest.raises(ConfigError, match="StaticPool: its users share one connection"):
        GatedEngine(engine, name="feed", registry=CollectorRegistry())


async def test_aiosqlite(tmp_path: Any) -> None:
    async with gated_engine(f"sqlite+aiosqlite:///{tmp_path}/feed.db") as gated:
        await is_whole(gated)
        async with gated.engine.begin() as connection:
            await connection.execute(text("CREATE TABLE t (n int)"))
            waiting = asyncio.create_task(answered(gated.engine))
            await eventually(lambda: gated.stats().waiting == 1)
        assert await asyncio.wait_for(waiting, DEADLINE_SECONDS) == 1
        await is_whole(gated)


async def test_turned_off_under_load_it_only_counts(url: str) -> None:
    registry = CollectorRegistry()
    engine = create_async_engine(url, pool_size=1, max_overflow=0)
    switch = flag(registry, on=False)
    gated = GatedEngine(
        engine, gate=Gate.threshold(0.5, nested=Nested.ALLOW), name="feed", flag=switch, registry=registry
    )
    async with engine.connect() as connection:
        await connection.execute(text("SELECT 1"))
        assert gated.stats().inflight == 1
        waiting = asyncio.create_task(answered(engine))  # in the pool's own line
    assert await asyncio.wait_for(waiting, DEADLINE_SECONDS) == 1
    assert gated.stats().inflight == 0
    await engine.dispose()


async def test_closing_waits_for_connections_in_use(gated: GatedEngine) -> None:
    held = await gated.engine.connect()
    closing = asyncio.create_task(gated.close(grace=DEADLINE_SECONDS))
    await eventually(lambda: "closed" in repr(gated))
    assert not closing.done()
    await held.close()
    await asyncio.wait_for(closing, DEADLINE_SECONDS)
    with pytest.raises(PoolExhausted):
        await answered(gated.engine)
