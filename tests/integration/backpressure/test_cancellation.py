"""A caller may be cancelled at any await: permit and connection come back, exactly once.

Each case runs again and again, cancelled at its first suspension, its second, and so on until it ends by itself.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from quickwins.backpressure import Gate
from tests.eventually import DEADLINE_SECONDS
from tests.integration.backpressure.conftest import all_is_back, asleep, gated_over, patient, sleeping
from tests.stepping import Moment, Stepped, cancelled_at

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quickwins.backpressure import GatedPool
    from tests.integration.backpressure.conftest import Pools

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.asyncio]

GATES = pytest.mark.parametrize(
    "gate",
    [
        pytest.param(lambda: Gate.threshold(0.999), id="threshold"),
        pytest.param(lambda: Gate.threshold(1.0), id="ungated"),
        pytest.param(patient, id="queue"),
    ],
)
MOMENTS = pytest.mark.parametrize("moment", list(Moment))


async def awaited(gated: GatedPool, timeout: float | None) -> None:
    connection = await gated.acquire(timeout=timeout)
    try:
        await connection.fetchval("SELECT 1")
    finally:
        await gated.release(connection)


async def entered(gated: GatedPool, timeout: float | None) -> None:
    async with gated.acquire(timeout=timeout) as connection:
        await connection.fetchval("SELECT 1")


async def shortcut(gated: GatedPool, timeout: float | None) -> None:
    await gated.fetchval("SELECT 1", timeout=timeout)


async def many(gated: GatedPool, timeout: float | None) -> None:
    await gated.fetchmany("SELECT $1::int", [(1,), (2,)], timeout=timeout)


async def tried(gated: GatedPool, timeout: float | None) -> None:
    connection = await gated.try_acquire()
    if connection is not None:
        try:
            await connection.fetchval("SELECT 1", timeout=timeout)
        finally:
            await gated.release(connection)


USES = pytest.mark.parametrize("use", [awaited, entered, shortcut, many])
USES_AND_TRYING = pytest.mark.parametrize("use", [awaited, entered, shortcut, many, tried])
TIMEOUTS = pytest.mark.parametrize(
    "timeout", [pytest.param(None, id="no timeout"), pytest.param(8.0, id="with a timeout")]
)


async def at_each_suspension(
    gated: GatedPool,
    use: Callable[[], Any],
    moment: Moment,
    *,
    before: Callable[[], Awaitable[object]] | None = None,
) -> int:
    """Run `use` cancelled at each of its suspensions; returns how many there are."""
    at = 0
    while True:
        at += 1
        if before is not None:
            await before()
        reached, result = await cancelled_at(use(), at, moment)
        await all_is_back(gated)
        if not reached:
            assert not isinstance(result, BaseException), result
            return at - 1
        assert isinstance(result, asyncio.CancelledError), f"at suspension {at}: {result!r}"


@USES_AND_TRYING
@GATES
@TIMEOUTS
@MOMENTS
async def test_with_a_connection_at_hand(
    pools: Pools,
    use: Callable[[GatedPool, float | None], Any],
    gate: Callable[[], Gate],
    timeout: float | None,
    moment: Moment,
) -> None:
    gated = gated_over(await pools(2, min_size=2), gate=gate())
    assert await at_each_suspension(gated, lambda: use(gated, timeout), moment) >= 2


@pytest.mark.parametrize("use", [entered, tried])
@GATES
@TIMEOUTS
@MOMENTS
async def test_while_it_connects(
    pools: Pools,
    use: Callable[[GatedPool, float | None], Any],
    gate: Callable[[], Gate],
    timeout: float | None,
    moment: Moment,
) -> None:
    gated = gated_over(await pools(1), gate=gate())
    suspensions = await at_each_suspension(
        gated, lambda: use(gated, timeout), moment, before=gated.pool.expire_connections
    )
    assert suspensions >= 4


@GATES
@TIMEOUTS
@MOMENTS
async def test_while_all_connections_are_busy(
    pools: Pools, gate: Callable[[], Gate], timeout: float | None, moment: Moment
) -> None:
    gated = gated_over(await pools(1), gate=gate())

    async def behind_another() -> None:
        connection = await gated.pool.acquire()  # round the gate, so that the gate admits and the pool waits
        asyncio.get_running_loop().call_later(
            0.01, lambda: asyncio.ensure_future(gated.pool.release(connection))
        )
        await entered(gated, timeout)

    assert await at_each_suspension(gated, behind_another, moment) >= 3


@USES
@TIMEOUTS
@MOMENTS
async def test_in_line_for_a_permit_with_another_behind(
    pools: Pools, use: Callable[[GatedPool, float | None], Any], timeout: float | None, moment: Moment
) -> None:
    gated = gated_over(await pools(1), gate=patient())

    async def behind_a_holder() -> None:
        connection = await gated.acquire()
        loop = asyncio.get_running_loop()
        behind = loop.create_future()

        def go_on() -> None:
            # Waits behind us by now; if our permit is lost with us, it is never served.
            asyncio.ensure_future(gated.fetchval("SELECT 2")).add_done_callback(
                lambda task: behind.set_result(task.result())
            )
            releases.append(asyncio.ensure_future(gated.release(connection)))

        loop.call_later(0.01, go_on)
        try:
            await use(gated, timeout)
        finally:
            others.append(behind)

    others: list[asyncio.Future[int]] = []
    releases: list[asyncio.Future[None]] = []

    async def those_behind_were_served() -> None:
        assert await asyncio.wait_for(asyncio.gather(*others), DEADLINE_SECONDS) == [2] * len(others)
        others.clear()

    suspensions = await at_each_suspension(gated, behind_a_holder, moment, before=those_behind_were_served)
    assert suspensions >= 3
    await those_behind_were_served()


@MOMENTS
async def test_in_a_slow_setup_of_the_connection(pools: Pools, moment: Moment) -> None:
    async def setup(connection: asyncpg.Connection) -> None:
        await connection.execute("SET application_name = 'ours'")

    gated = gated_over(await pools(1, setup=setup))
    assert await at_each_suspension(gated, lambda: entered(gated, None), moment) >= 3


@MOMENTS
async def test_in_release_alone(pools: Pools, moment: Moment) -> None:
    gated = gated_over(await pools(2, min_size=2))
    at, reached = 0, True
    while reached:
        at += 1
        connection = await gated.acquire()
        reached, result = await cancelled_at(gated.release(connection), at, moment)
        assert isinstance(result, asyncio.CancelledError) == reached
        await all_is_back(gated)
        with pytest.raises(asyncpg.InterfaceError, match="released back"):
            await connection.fetchval("SELECT 1")
    assert at >= 2


async def test_a_caller_cancelled_in_release_gives_the_permit_back_when_the_reset_has_finished(
    pools: Pools,
) -> None:
    started, finish = asyncio.Event(), asyncio.Event()

    async def reset(_: asyncpg.Connection) -> None:
        started.set()
        await finish.wait()

    gated = gated_over(await pools(1, reset=reset))
    connection = await gated.acquire()
    release = asyncio.create_task(gated.release(connection))
    await started.wait()
    release.cancel()
    with pytest.raises(asyncio.CancelledError):
        await release
    for _ in range(10):
        await asyncio.sleep(0)
        assert gated.stats().inflight == 1, "the connection is not free yet"
    finish.set()
    await all_is_back(gated)


async def test_cancelled_before_it_began_takes_nothing(pools: Pools) -> None:
    gated = gated_over(await pools(1))
    task = asyncio.create_task(entered(gated, None))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert gated.stats().admitted == 0
    await all_is_back(gated)


async def test_cancelled_twice_in_a_row_still_gives_back(pools: Pools) -> None:
    gated, statement = gated_over(await pools(1)), sleeping()

    async def use() -> None:
        async with gated.acquire() as connection:
            await connection.execute(statement)

    task = asyncio.create_task(use())
    await asleep(await pools(1), statement)
    task.cancel()
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await all_is_back(gated)


async def test_a_task_group_that_fails_gives_all_back(pools: Pools) -> None:
    gated, observer, statement = gated_over(await pools(4)), await pools(1), sleeping()

    async def fail() -> None:
        await asleep(observer, statement, 4)
        raise ValueError("no")

    async def hold() -> None:
        async with gated.acquire() as connection:
            await connection.execute(statement)

    async def together() -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(4):
                group.create_task(hold())
            group.create_task(fail())

    with pytest.raises(ExceptionGroup):
        await together()
    await all_is_back(gated)


async def test_the_stepping_itself_cancels_where_it_says() -> None:
    """The control of this file: a coroutine that loses what it took is found out."""
    lost: list[int] = []

    async def careless(at: int) -> None:
        lost.append(at)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        lost.remove(at)

    for at in (1, 2):
        reached, result = await cancelled_at(careless(at), at, Moment.WAITING)
        assert reached
        assert isinstance(result, asyncio.CancelledError)
    reached, result = await cancelled_at(careless(3), 3, Moment.WAITING)
    assert (reached, result, lost) == (False, None, [1, 2])
    assert await Stepped(asyncio.sleep(0, "whole"), 0, Moment.WAITING) == "whole"
