"""One table of cases over the pools that services have: SQLAlchemy's engine with two drivers, psycopg's pool, asyncpg's.

Each bare, behind a gate that is off, and behind each kind of gate that is on. What the libraries themselves promise about
their pools is tried in `test_sqlalchemy.py` and `test_psycopg.py`.
"""

from __future__ import annotations

import asyncio
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import asyncpg
import psycopg_pool
import pytest
import pytest_asyncio
import sqlalchemy.exc
from prometheus_client import CollectorRegistry
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from quickwins.backpressure import Gate, GatedPool, Nested, NestedAcquire, PoolExhausted, RejectReason
from quickwins.backpressure.psycopg import GatedPsycopgPool
from quickwins.backpressure.rule import GateKind, Rule
from quickwins.backpressure.sqlalchemy import GatedEngine
from quickwins.core.deadline import within
from quickwins.core.errors import ConfigError, DeadlineExceeded
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.backpressure.conftest import Over, flag, patient
from tests.stepping import Moment, cancelled_at

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.engines import Target

    Use = Callable[[], AbstractAsyncContextManager[Callable[[str], Awaitable[Any]]]]

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.any_server, pytest.mark.asyncio]

SIZE = 2


class Kind(StrEnum):
    ASYNCPG = "asyncpg"
    SQLALCHEMY_ASYNCPG = "SQLAlchemy on asyncpg"
    SQLALCHEMY_PSYCOPG = "SQLAlchemy on psycopg"
    PSYCOPG = "psycopg_pool"


@dataclass(frozen=True, slots=True)
class Tried:
    """What a case is tried on.

    Attributes:
        kind: Whose pool.
        over: What is in front of it.
        use: A connection for a block, as a function that runs a statement and returns its value.
        gated: Ours; `None` where the pool is bare.
        late: What the library raises when there is no connection in time.
    """

    kind: Kind
    over: Over
    use: Use
    gated: GatedPool | GatedEngine | GatedPsycopgPool | None
    late: type[Exception]

    async def value(self, statement: str = "SELECT 1") -> Any:
        async with self.use() as run:
            return await run(statement)

    async def is_whole(self) -> None:
        """No permit is in use, and as many connections as ever are given at once, each of which works."""
        async with asyncio.timeout(DEADLINE_SECONDS):
            if self.gated is not None:
                gated = self.gated
                await eventually(lambda: gated.stats().inflight == gated.stats().waiting == 0)
            ready, go = asyncio.Barrier(SIZE), []

            async def one() -> None:
                async with self.use() as run:
                    await ready.wait()
                    go.append(await run("SELECT 1"))

            await asyncio.gather(*(one() for _ in range(SIZE)))
            assert go == [1] * SIZE
            if self.gated is not None:
                await eventually(lambda: gated.stats().inflight == 0)


def gate_for(over: Over) -> Gate:
    if over is Over.QUEUE:
        return patient()
    if over is Over.ADAPTIVE:
        return Gate.adaptive(target_seconds=30, interval_seconds=300, queue_size=100, nested=Nested.ALLOW)
    return Gate.threshold(1.0 if over is Over.ONE else 0.999, nested=Nested.ALLOW)


@asynccontextmanager
async def engine_for(url: str, kind: Kind, **options: Any) -> AsyncIterator[AsyncEngine]:
    """An engine of two connections for a server."""
    driver = "asyncpg" if kind is Kind.SQLALCHEMY_ASYNCPG else "psycopg"
    engine = create_async_engine(
        url.replace("postgresql://", f"postgresql+{driver}://"),
        **{"pool_size": SIZE - 1, "max_overflow": 1, "pool_timeout": DEADLINE_SECONDS, **options},
    )
    yield engine
    await engine.dispose()


@asynccontextmanager
async def tried_on(
    url: str,
    kind: Kind,
    over: Over,
    gate: Gate | None = None,
    *,
    patience_seconds: float = DEADLINE_SECONDS,
    **options: Any,
) -> AsyncIterator[Tried]:
    """A pool of two connections of that kind, whose callers wait for so long.

    One whose callers are impatient has its connections from the start, so that none of them is late by connecting.
    """
    ready = 0 if patience_seconds == DEADLINE_SECONDS else SIZE
    gate = gate_for(over) if gate is None else gate
    registry = CollectorRegistry()
    own: dict[str, Any] = {"name": "feed", "registry": registry, "gate": gate}
    own["flag"] = flag(registry, on=over is not Over.OFF)
    bare = over is Over.BARE
    gated: Any = None
    if kind is Kind.ASYNCPG:
        async with asyncpg.create_pool(url, min_size=ready, max_size=SIZE) as pool:
            gated = None if bare else GatedPool(pool, **own)

            @asynccontextmanager
            async def acquired() -> AsyncIterator[Any]:
                async with (pool if bare else gated).acquire(timeout=patience_seconds) as connection:
                    yield connection.fetchval

            yield Tried(kind, over, acquired, gated, TimeoutError)
    elif kind is Kind.PSYCOPG:
        async with psycopg_pool.AsyncConnectionPool(
            url, min_size=ready, max_size=SIZE, timeout=patience_seconds, open=False
        ) as theirs:
            await theirs.wait(DEADLINE_SECONDS)
            gated = None if bare else GatedPsycopgPool(theirs, **own)

            @asynccontextmanager
            async def lent() -> AsyncIterator[Any]:
                async with theirs.connection() as connection:

                    async def run(statement: str) -> Any:
                        cursor = await connection.execute(statement.encode())
                        found = await cursor.fetchone()
                        return None if found is None else found[0]

                    yield run

            yield Tried(kind, over, lent, gated, psycopg_pool.PoolTimeout)
    else:
        async with engine_for(url, kind, **{"pool_timeout": patience_seconds, **options}) as engine:
            gated = None if bare else GatedEngine(engine, **own)

            @asynccontextmanager
            async def connected() -> AsyncIterator[Any]:
                async with engine.connect() as connection:

                    async def run(statement: str) -> Any:
                        return (await connection.execute(text(statement))).scalar()

                    yield run

            yield Tried(kind, over, connected, gated, sqlalchemy.exc.TimeoutError)


@pytest.fixture(params=list(Kind))
def kind(request: pytest.FixtureRequest) -> Kind:
    found: Kind = request.param
    return found


@pytest.fixture
def patience_seconds() -> float:
    return DEADLINE_SECONDS


@pytest_asyncio.fixture
async def tried(postgres: Target, kind: Kind, over: Over, patience_seconds: float) -> AsyncIterator[Tried]:
    async with tried_on(postgres.url, kind, over, patience_seconds=patience_seconds) as made:
        yield made


async def test_a_statement_answers_and_all_is_back(tried: Tried) -> None:
    assert await tried.value("SELECT 7") == 7
    await tried.is_whole()


async def test_a_statement_that_fails(tried: Tried) -> None:
    with pytest.raises(Exception, match="division by zero"):
        await tried.value("SELECT 1 / 0")
    await tried.is_whole()


async def test_a_block_that_raises_what_is_its_own(tried: Tried) -> None:
    async def raising() -> None:
        async with tried.use() as run:
            await run("SELECT 1")
            raise LookupError

    with pytest.raises(LookupError):
        await raising()
    await tried.is_whole()


@pytest.mark.parametrize("patience_seconds", [0.5])
async def test_a_caller_too_many_is_refused_waits_or_is_late(tried: Tried) -> None:
    async with tried.use() as one, tried.use() as other:
        assert [await one("SELECT 1"), await other("SELECT 2")] == [1, 2]
        if tried.over is Over.ON:
            with pytest.raises(PoolExhausted) as refused:
                await tried.value()
            assert refused.value.reason is RejectReason.THRESHOLD
        else:  # in half a second: asyncpg's by the caller's time, the others' by the pool's own
            with pytest.raises(tried.late):
                await asyncio.wait_for(tried.value(), DEADLINE_SECONDS)
    await tried.is_whole()


@pytest.mark.parametrize(
    "over", [over for over in Over if over is not Over.ON], indirect=True
)  # it has no line
async def test_one_that_waits_is_served_when_a_connection_comes_back(tried: Tried) -> None:
    async with tried.use() as one:
        await one("SELECT 1")
        async with tried.use() as other:
            await other("SELECT 1")
            waiting = asyncio.create_task(tried.value("SELECT 3"))
            if tried.gated is not None and tried.over.gates:
                gated = tried.gated
                await eventually(lambda: gated.stats().waiting == 1)
        assert await asyncio.wait_for(waiting, DEADLINE_SECONDS) == 3
    await tried.is_whole()


async def test_the_server_ends_a_connection(tried: Tried) -> None:
    async def ended() -> None:
        async with tried.use() as run:
            await run("SELECT pg_terminate_backend(pg_backend_pid())")
            await run("SELECT 1")

    with pytest.raises(Exception, match=r"terminat|closed"):
        await ended()
    await tried.is_whole()


@pytest.mark.parametrize("moment", list(Moment))
async def test_cancelled_at_any_await_everything_is_back(tried: Tried, moment: Moment) -> None:
    await tried.value()
    for at in range(1, 200):
        reached, _ = await cancelled_at(tried.value(), at, moment)
        await tried.is_whole()
        if not reached:
            return
    pytest.fail("it never ended by itself")


GATED = pytest.mark.parametrize("over", [Over.ON, Over.QUEUE], indirect=True)


async def test_a_task_that_holds_a_connection_must_not_wait_for_itself(postgres: Target, kind: Kind) -> None:
    async with tried_on(postgres.url, kind, Over.QUEUE, Gate.queue(target_seconds=30)) as tried:
        async with tried.use(), tried.use():
            with pytest.raises(NestedAcquire):
                await tried.value()
        await tried.is_whole()


@pytest.mark.parametrize("over", [Over.QUEUE], indirect=True)
async def test_a_requests_deadline_ends_the_wait(tried: Tried) -> None:
    async with tried.use(), tried.use():
        with within(0.05), pytest.raises(DeadlineExceeded):
            await tried.value()
    await tried.is_whole()


@pytest.mark.parametrize("over", [Over.QUEUE], indirect=True)
async def test_statistics_name_the_caller_and_not_a_library(tried: Tried) -> None:
    assert tried.gated is not None
    async with tried.use() as run:
        await run("SELECT 1")
        (holder,) = tried.gated.stats().holders
        assert __name__.rpartition(".")[2] in holder.site
    assert tried.gated.stats().inflight == 0
    assert tried.gated.stats().admitted == 1


@pytest.mark.parametrize("over", [Over.QUEUE], indirect=True)
async def test_a_rule_is_followed_while_it_is_in_use(tried: Tried) -> None:
    assert tried.gated is not None
    tried.gated.reconfigure(Rule(GateKind.THRESHOLD, threshold=0.5))
    async with tried.use():
        with pytest.raises(PoolExhausted):
            await asyncio.create_task(tried.value())
    tried.gated.reconfigure(Rule(GateKind.THRESHOLD, threshold=1.0))
    await tried.is_whole()


@GATED
async def test_closed_it_refuses_everybody(tried: Tried) -> None:
    assert tried.gated is not None
    await tried.value()
    await tried.gated.close()
    await tried.gated.close()
    with pytest.raises(PoolExhausted) as refused:
        await tried.value()
    assert refused.value.reason is RejectReason.CLOSED
    assert tried.gated.stats().inflight == 0


async def test_two_gates_are_one_too_many(postgres: Target) -> None:
    async with engine_for(postgres.url, Kind.SQLALCHEMY_ASYNCPG) as engine:
        GatedEngine(engine, name="feed", registry=CollectorRegistry())
        with pytest.raises(ConfigError, match="'again' has a gate already"):
            GatedEngine(engine, name="again", registry=CollectorRegistry())
        with pytest.raises(ConfigError, match="has a gate already"):
            GatedEngine(engine.execution_options(), name="shared", registry=CollectorRegistry())
    pool = psycopg_pool.AsyncConnectionPool(postgres.url, open=False)
    GatedPsycopgPool(pool, name="feed", registry=CollectorRegistry())
    with pytest.raises(ConfigError, match="'again' has a gate already"):
        GatedPsycopgPool(pool, name="again", registry=CollectorRegistry())


async def test_a_permit_without_a_connection_of_psycopgs_pool_is_counted_as_what_came_of_it(
    postgres: Target,
) -> None:
    registry = CollectorRegistry()
    async with psycopg_pool.AsyncConnectionPool(postgres.url, min_size=1, max_size=1, open=False) as pool:
        gated = GatedPsycopgPool(pool, gate=Gate.queue(), name="feed", registry=registry)
        around = await psycopg_pool.AsyncConnectionPool.getconn(pool)
        with pytest.raises(psycopg_pool.PoolTimeout):
            await pool.getconn(timeout=0.05)
        await psycopg_pool.AsyncConnectionPool.putconn(pool, around)
        counted = [
            registry.get_sample_value(
                "db_pool_acquire_duration_seconds_count", {"service": "", "name": "feed", "outcome": outcome}
            )
            for outcome in ("acquired", "timed_out")
        ]
        assert counted == [0, 1]
        assert gated.stats().inflight == 0
