"""One table of cases over the bare pool and over a gated pool: off, at threshold 1.0, and behind each gate.

Off is off: what asyncpg's pool answers, raises and leaves behind, ours does too. Where the gate makes a difference
while it is on, the case says which.
"""

from __future__ import annotations

import asyncio
import inspect
import io
from collections.abc import Callable
from typing import Any

import asyncpg
import pytest
import pytest_asyncio
from asyncpg.pool import PoolConnectionProxy

from quickwins.backpressure import GatedPool, PoolExhausted, RejectReason
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.backpressure.conftest import Over, Pools, Subject, asleep, sleeping

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.asyncio]


async def filled(connection: asyncpg.Connection) -> None:
    await connection.execute("CREATE TEMP TABLE numbers (n int); INSERT INTO numbers VALUES (1), (2), (3)")


@pytest_asyncio.fixture
async def one(pools: Pools, made: Callable[[asyncpg.Pool], Subject]) -> Subject:
    """A pool of one connection that has a table of three numbers."""
    return made(await pools(1, init=filled))


async def writes_out(pool: Any, method: str, *args: Any, **options: Any) -> tuple[str, bytes]:
    output = io.BytesIO()
    return await getattr(pool, method)(*args, output=output, **options), output.getvalue()


SHORTCUTS: dict[str, Callable[..., Any]] = {
    "execute": lambda pool, **o: pool.execute("UPDATE numbers SET n = n + $1", 1, **o),
    "executemany": lambda pool, **o: pool.executemany("INSERT INTO numbers VALUES ($1)", [(4,), (5,)], **o),
    "fetch": lambda pool, **o: pool.fetch("SELECT n FROM numbers WHERE n > $1 ORDER BY n", 1, **o),
    "fetchval": lambda pool, **o: pool.fetchval(
        "SELECT n, n * 2 FROM numbers WHERE n = $1", 3, column=1, **o
    ),
    "fetchrow": lambda pool, **o: pool.fetchrow("SELECT n FROM numbers WHERE n = $1", 3, **o),
    "fetchmany": lambda pool, **o: pool.fetchmany("SELECT $1::int + 1", [(1,), (2,)], **o),
    "copy_from_table": lambda pool, **o: writes_out(pool, "copy_from_table", "numbers", **o),
    "copy_from_query": lambda pool, **o: writes_out(pool, "copy_from_query", "SELECT 7 + $1::int", 1, **o),
    "copy_to_table": lambda pool, **o: pool.copy_to_table("numbers", source=io.BytesIO(b"7\n8\n"), **o),
    "copy_records_to_table": lambda pool, **o: pool.copy_records_to_table(
        "numbers", records=[(7,), (8,)], **o
    ),
}

ANSWERS: dict[str, Any] = {
    "execute": "UPDATE 3",
    "executemany": None,
    "fetch": [(2,), (3,)],
    "fetchval": 6,
    "fetchrow": (3,),
    "fetchmany": [(2,), (3,)],
    "copy_from_table": ("COPY 3", b"1\n2\n3\n"),
    "copy_from_query": ("COPY 1", b"8\n"),
    "copy_to_table": "COPY 2",
    "copy_records_to_table": "COPY 2",
}


def plain(answer: Any) -> Any:
    if isinstance(answer, asyncpg.Record):
        return tuple(answer)
    return [plain(each) for each in answer] if isinstance(answer, list) else answer


@pytest.mark.parametrize("name", SHORTCUTS)
@pytest.mark.parametrize(
    "options", [pytest.param({}, id="no timeout"), pytest.param({"timeout": 8.0}, id="timeout")]
)
async def test_a_shortcut_answers_and_gives_everything_back(
    one: Subject, name: str, options: dict[str, float]
) -> None:
    assert plain(await SHORTCUTS[name](one.pool, **options)) == ANSWERS[name]
    await one.is_whole()


async def test_we_have_every_shortcut_that_asyncpg_has() -> None:
    theirs = {
        name
        for name, method in inspect.getmembers(asyncpg.Pool, inspect.iscoroutinefunction)
        if "self.acquire()" in inspect.getsource(method) and not name.startswith("_")
    }
    assert theirs == set(SHORTCUTS)
    assert theirs <= set(dir(GatedPool))


@pytest.mark.parametrize("name", SHORTCUTS)
async def test_a_shortcut_with_nothing_left_times_out_before_it_asks(one: Subject, name: str) -> None:
    with pytest.raises(TimeoutError):
        await SHORTCUTS[name](one.pool, timeout=0)
    await one.is_whole()


async def test_a_statement_that_takes_longer_than_its_timeout(one: Subject) -> None:
    with pytest.raises(TimeoutError):
        await one.pool.execute("SELECT pg_sleep(30)", timeout=0.05)
    await one.is_whole()


async def test_a_statement_that_fails(one: Subject) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        await one.pool.fetchval("SELECT 1 / 0")
    with pytest.raises(asyncpg.PostgresSyntaxError):
        await one.pool.execute("SELEC")
    await one.is_whole()


async def test_a_shortcut_on_a_busy_pool_waits_past_its_timeout_unless_the_gate_is_on(one: Subject) -> None:
    busy = await one.asyncpg.acquire()
    waiting = asyncio.create_task(one.pool.fetchval("SELECT 1", timeout=0.05))
    if one.over.gates:  # the one difference: the timeout covers the wait for a connection too
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(waiting, DEADLINE_SECONDS)
        await one.asyncpg.release(busy)
    else:
        await asyncio.wait([waiting], timeout=0.2)
        assert not waiting.done()
        await one.asyncpg.release(busy)
        assert await asyncio.wait_for(waiting, DEADLINE_SECONDS) == 1
    await one.is_whole()


@pytest.mark.parametrize("timeout", [0.05, 0.0, -1.0])
async def test_an_acquisition_from_a_busy_pool_times_out(one: Subject, timeout: float) -> None:
    busy = await one.asyncpg.acquire()
    with pytest.raises(TimeoutError):
        await one.pool.acquire(timeout=timeout)
    with pytest.raises(TimeoutError):
        async with one.pool.acquire(timeout=timeout):
            pytest.fail("entered")
    await one.asyncpg.release(busy)
    await one.is_whole()


async def test_the_timeout_counts_from_the_await(one: Subject) -> None:
    acquisition = one.pool.acquire(timeout=5.0)
    await one.pool.execute("SELECT 1")
    await one.pool.release(await acquisition)
    await one.is_whole()


async def test_the_connection_is_the_genuine_proxy(one: Subject) -> None:
    connection = await one.pool.acquire()
    assert type(connection) is PoolConnectionProxy
    async with connection.transaction():
        assert await connection.fetchval("SELECT count(*) FROM numbers") == 3
    await one.pool.release(connection)
    await one.is_whole()


async def test_after_release_the_connection_cannot_be_used(one: Subject) -> None:
    async with one.pool.acquire() as connection:
        pass
    with pytest.raises(asyncpg.InterfaceError, match="released back"):
        await connection.fetchval("SELECT 1")


async def test_a_block_that_fails(one: Subject) -> None:
    with pytest.raises(ValueError, match="ours"):
        async with one.pool.acquire():
            raise ValueError("ours")
    await one.is_whole()


async def test_an_acquisition_is_entered_once(one: Subject) -> None:
    acquisition = one.pool.acquire()
    async with acquisition:
        with pytest.raises(asyncpg.InterfaceError, match="already acquired"):
            await asyncio.wait_for(acquisition.__aenter__(), DEADLINE_SECONDS)
    with pytest.raises(asyncpg.InterfaceError, match="already acquired"):
        await acquisition.__aenter__()
    awaited = one.pool.acquire()
    await one.pool.release(await awaited)
    with pytest.raises(asyncpg.InterfaceError, match="already acquired"):
        await awaited.__aenter__()
    await one.is_whole()


async def test_an_acquisition_that_failed_may_be_entered_again(one: Subject) -> None:
    busy = await one.asyncpg.acquire()
    acquisition = one.pool.acquire(timeout=0.05)
    with pytest.raises(TimeoutError):
        await acquisition.__aenter__()
    await one.asyncpg.release(busy)
    async with acquisition as connection:
        assert await connection.fetchval("SELECT 1") == 1
    await one.is_whole()


async def test_releasing_twice_does_nothing(one: Subject) -> None:
    connection = await one.pool.acquire()
    await one.pool.release(connection)
    await one.pool.release(connection)
    again = await one.pool.acquire()
    await one.pool.release(connection)
    assert await again.fetchval("SELECT 1") == 1, "the old proxy does not release the new user's connection"
    await one.pool.release(again)
    await one.is_whole()


async def test_releasing_twice_at_once_ends_in_a_whole_pool(one: Subject) -> None:
    connection = await one.pool.acquire()
    await asyncio.gather(*(one.pool.release(connection) for _ in range(2)), return_exceptions=True)
    await one.is_whole()


async def test_what_is_not_ours_is_refused(one: Subject, pools: Pools) -> None:
    other = await pools(1)
    async with other.acquire() as foreign:
        for stranger in (foreign, None, object()):
            with pytest.raises(asyncpg.InterfaceError, match="not a member of this pool"):
                await one.pool.release(stranger)
        assert await foreign.fetchval("SELECT 1") == 1
    await one.is_whole()


async def test_a_connection_that_the_server_ended_while_it_was_held(one: Subject, pools: Pools) -> None:
    executioner = await pools(1)
    connection = await one.pool.acquire()
    await executioner.execute("SELECT pg_terminate_backend($1)", connection.get_server_pid())
    await eventually(lambda: connection._con is None or connection.is_closed())
    await one.pool.release(connection)
    await one.is_whole()


async def test_a_statement_that_the_server_ends(one: Subject, pools: Pools) -> None:
    executioner = await pools(1)
    statement = sleeping()
    task = asyncio.create_task(one.pool.execute(statement))
    (process,) = await asleep(executioner, statement)
    await executioner.execute("SELECT pg_terminate_backend($1)", process)
    # asyncpg's release may meet the dying connection and fail instead of the statement.
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)):
        await task
    await one.is_whole()


@pytest.mark.parametrize("hook", ["init", "setup", "reset"])
async def test_a_hook_that_fails(pools: Pools, made: Callable[[asyncpg.Pool], Subject], hook: str) -> None:
    failing = True

    async def fail(_: object) -> None:
        if failing:
            raise ValueError("ours")

    subject = made(await pools(2, **{hook: fail}))
    for _ in range(3):
        with pytest.raises(ValueError, match="ours"):
            async with subject.pool.acquire():
                pass
        with pytest.raises(ValueError, match="ours"):
            await subject.pool.execute("SELECT 1")
    failing = False
    await subject.is_whole()


async def test_a_reset_that_takes_longer_than_the_timeout_of_the_release(
    pools: Pools, made: Callable[[asyncpg.Pool], Subject]
) -> None:
    slow = True

    async def reset(_: object) -> None:
        if slow:
            await asyncio.Event().wait()

    subject = made(
        await pools(2, min_size=2, reset=reset)
    )  # to connect would take a part of the short timeout
    told, untold = await subject.pool.acquire(), await subject.pool.acquire(timeout=0.05)
    with pytest.raises(TimeoutError):
        await subject.pool.release(told, timeout=0.05)
    with pytest.raises(TimeoutError):  # the acquisition's timeout is the release's default
        await subject.pool.release(untold)
    slow = False
    await subject.is_whole()


async def test_the_timeout_of_a_shortcut_does_not_cover_the_reset(
    pools: Pools, made: Callable[[asyncpg.Pool], Subject]
) -> None:
    resetting, finish = asyncio.Event(), asyncio.Event()

    async def reset(_: object) -> None:
        resetting.set()
        await finish.wait()

    subject = made(await pools(1, reset=reset, min_size=1))
    task = asyncio.create_task(subject.pool.fetchval("SELECT 1", timeout=0.5))
    await resetting.wait()
    await asyncio.wait([task], timeout=0.6)
    finish.set()
    assert await task == 1
    await subject.is_whole()


async def test_a_closed_pool_takes_nobody(one: Subject) -> None:
    await one.pool.close()
    expected = PoolExhausted if one.over.gates else asyncpg.InterfaceError
    for use in (one.pool.acquire, lambda: one.pool.fetch("SELECT 1")):
        with pytest.raises(expected, match="closed") as caught:
            await use()
        if isinstance(caught.value, PoolExhausted):
            assert caught.value.reason is RejectReason.CLOSED


async def test_releasing_after_the_pool_was_terminated(one: Subject) -> None:
    connection = await one.pool.acquire()
    one.asyncpg.terminate()
    await one.pool.release(connection)
    if isinstance(one.pool, GatedPool):
        assert one.pool.stats().inflight == 0


async def test_everybody_waits_for_their_turn_when_nobody_is_refused(one: Subject) -> None:
    if one.over is Over.ON:
        answers = await asyncio.gather(
            *(one.pool.fetchval("SELECT 1") for _ in range(50)), return_exceptions=True
        )
        assert [answer for answer in answers if answer == 1] == [1]
        assert sum(isinstance(answer, PoolExhausted) for answer in answers) == 49
    else:
        assert await asyncio.gather(*(one.pool.fetchval("SELECT 1") for _ in range(50))) == [1] * 50
    await one.is_whole()
