"""Every gate under load while its server, its network or its hooks fail: afterwards nothing is lost and nobody is stuck.

A fault ends, and within two seconds of its end the permits in use are 0 once nobody asks, no waiter is left, and every
permit can be had again at the same time.

How a server fails does not depend on what stands before it: of each fault one gate is enough to try another version.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import asyncpg
import pytest
from prometheus_client import CollectorRegistry

from quickwins.backpressure import Gate, GatedPool, PoolExhausted, Priority
from quickwins.core.clock import SystemClock
from quickwins.engines import Capability
from quickwins.rig import TcpProxy
from tests.engines import Server, Target
from tests.eventually import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.no_cover]

SIZE = 4
WORKERS = 12
RECOVERY_SECONDS = 2.0
PATIENCE_SECONDS = 30.0
"""For what a loaded machine may delay; a hang is the failure."""

EXPECTED = (
    PoolExhausted,
    TimeoutError,
    OSError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What callers may see while something is broken: nothing else, such as a KeyError of ours."""

GATES: dict[str, Callable[[], Gate]] = {
    "threshold": lambda: Gate.threshold(0.999),
    "queue": Gate.queue,
    "adaptive": lambda: Gate.adaptive(min_limit=2),
}


class Off:
    """A flag that is off."""

    class state:  # noqa: N801 -- shaped like a flag's; until=never
        on = False

    def active(self) -> bool:
        return False


@pytest.fixture(
    params=[
        "adaptive",
        *(pytest.param(one, marks=pytest.mark.any_server) for one in ("threshold", "queue", "off")),
    ]
)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def gated_over(pool: asyncpg.Pool, kind: str, **options: Any) -> GatedPool:
    if kind == "off":
        options["flag"] = Off()
    gate = GATES.get(kind, Gate.queue)()
    return GatedPool(pool, gate=gate, name="feed", registry=CollectorRegistry(), **options)


async def connect_quickly(dsn: str, **options: Any) -> asyncpg.Pool:
    return await asyncpg.create_pool(dsn, min_size=0, max_size=SIZE, timeout=1.0, **options)


@asynccontextmanager
async def load(gated: GatedPool, *, timeout_seconds: float = 0.5) -> AsyncIterator[Counter[str]]:
    """Workers that acquire, use and release without a pause; what they see, by name. All have ended when it ends."""
    seen: Counter[str] = Counter()
    going = True

    async def work(rng: Random) -> None:
        while going:
            try:
                async with gated.acquire(
                    timeout=timeout_seconds, priority=rng.choice(list(Priority))
                ) as connection:
                    await connection.execute("SELECT pg_sleep(0.002)", timeout=1.0)
                seen["served"] += 1
            except EXPECTED as error:
                seen[type(error).__name__] += 1
                await asyncio.sleep(0.005)  # as a client does between two tries

    tasks = [asyncio.ensure_future(work(Random(n))) for n in range(WORKERS)]
    try:
        yield seen
    finally:
        going = False
        await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_SECONDS)


async def served_more(seen: Counter[str], number: int = 50) -> None:
    goal = seen["served"] + number
    await eventually(lambda: seen["served"] >= goal)


async def recovered(gated: GatedPool) -> None:
    """Nothing is in use, nobody waits, and every permit can be had at once."""
    await eventually(lambda: gated.stats().inflight == gated.stats().waiting == 0)
    async with asyncio.timeout(RECOVERY_SECONDS * 5):
        limit = gated.stats().limit or SIZE
        assert limit >= 2

        async def one(held: asyncio.Barrier) -> None:
            async with gated.acquire(timeout=RECOVERY_SECONDS, priority=Priority.CRITICAL) as connection:
                await held.wait()
                assert await connection.fetchval("SELECT 1") == 1

        barrier = asyncio.Barrier(limit)
        await asyncio.gather(*(one(barrier) for _ in range(limit)))
    stats = gated.stats()
    assert (stats.inflight, stats.waiting, stats.holders) == (0, 0, ())


@pytest.mark.engines("postgres")
@pytest.mark.capability(Capability.PROCESS_CONTROL)
async def test_the_server_restarts(own_postgres: Server, kind: str) -> None:
    async with await connect_quickly(own_postgres.url) as pool:
        gated = gated_over(pool, kind)
        async with load(gated) as seen:
            await served_more(seen)
            await asyncio.to_thread(own_postgres.kill)
            failed = seen.total() - seen["served"]
            await eventually(lambda: seen.total() - seen["served"] > failed + 10)
            await asyncio.to_thread(own_postgres.restart)
            await served_more(seen)
        await recovered(gated)


@pytest.mark.engines("postgres")
@pytest.mark.capability(Capability.PROCESS_CONTROL)
async def test_the_server_is_frozen_until_its_users_give_up(own_postgres: Server, kind: str) -> None:
    async with await connect_quickly(own_postgres.url) as pool:
        gated = gated_over(pool, kind)
        async with load(gated, timeout_seconds=1.0) as seen:
            await served_more(seen)
            own_postgres.pause()
            try:
                if kind != "off":  # nobody is kept waiting for what does not come
                    await eventually(lambda: seen["PoolExhausted"] >= WORKERS)
                await eventually(lambda: seen["TimeoutError"] >= SIZE)
            finally:
                own_postgres.resume()
            await served_more(seen)
        await recovered(gated)


@pytest.mark.engines("postgres")
async def test_all_its_connections_are_terminated_again_and_again(postgres: Target, kind: str) -> None:
    name = {"server_settings": {"application_name": f"victim-{kind}"}}
    admin = await asyncpg.connect(postgres.url)
    try:
        async with await connect_quickly(postgres.url, **name) as pool:
            gated = gated_over(pool, kind)
            async with load(gated) as seen:
                for _ in range(10):
                    await served_more(seen, 10)
                    await admin.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = $1",
                        f"victim-{kind}",
                    )
                await served_more(seen)
            await recovered(gated)
    finally:
        await admin.close()


@pytest.mark.engines("postgres")
async def test_the_server_has_no_connection_left_for_it(postgres: Target, kind: str) -> None:
    role = f"crowd_{kind}"
    admin = await asyncpg.connect(postgres.url)
    await admin.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'crowd' CONNECTION LIMIT {SIZE}")
    others = [await asyncpg.connect(postgres.url, user=role, password="crowd") for _ in range(SIZE)]
    try:
        async with await connect_quickly(postgres.url, user=role, password="crowd") as pool:
            gated = gated_over(pool, kind)
            async with load(gated) as seen:
                await eventually(lambda: seen["TooManyConnectionsError"] >= WORKERS)
                for other in others:
                    await other.close()
                await served_more(seen)
            await recovered(gated)
    finally:
        for other in others:
            await other.close()
        await admin.execute(f"DROP ROLE {role}")
        await admin.close()


@pytest.mark.engines("postgres")
@pytest.mark.parametrize("hook", ["init", "setup", "reset"])
async def test_a_hook_of_the_pool_fails_for_a_while(postgres: Target, kind: str, hook: str) -> None:
    calls = itertools.count()
    broken = True

    async def fail(connection: Any) -> None:
        if broken and next(calls) % 3 != 2:
            raise ConnectionResetError("the hook failed")

    async with await connect_quickly(postgres.url, **{hook: fail}) as pool:
        gated = gated_over(pool, kind)
        async with load(gated) as seen:
            await eventually(lambda: seen["ConnectionResetError"] >= 2 * SIZE)
            broken = False
            await served_more(seen)
        await recovered(gated)


@pytest.mark.engines("postgres")
@pytest.mark.parametrize("refuse_new", [False, True])
async def test_the_network_is_cut(postgres: Target, kind: str, refuse_new: bool) -> None:
    host, port = postgres.url.rpartition("@")[2].partition("/")[0].rsplit(":", 1)
    async with TcpProxy(host, int(port)) as proxy:
        dsn = postgres.url.replace(f"{host}:{port}", f"127.0.0.1:{proxy.port}")
        async with await connect_quickly(dsn) as pool:
            gated = gated_over(pool, kind)
            async with load(gated) as seen:
                for _ in range(3):
                    await served_more(seen, 20)
                    await proxy.reset(refuse_new=refuse_new)
                    if refuse_new:
                        failed = seen.total() - seen["served"]
                        await eventually(lambda failed=failed: seen.total() - seen["served"] > failed + 10)  # type: ignore[misc]  # -- a bound default; until=never
                        await proxy.heal()
                await served_more(seen)
            await recovered(gated)


@pytest.mark.engines("postgres")
async def test_nothing_comes_through_the_network(postgres: Target, kind: str) -> None:
    host, port = postgres.url.rpartition("@")[2].partition("/")[0].rsplit(":", 1)
    async with TcpProxy(host, int(port)) as proxy:
        dsn = postgres.url.replace(f"{host}:{port}", f"127.0.0.1:{proxy.port}")
        async with await connect_quickly(dsn, command_timeout=1.0) as pool:
            gated = gated_over(pool, kind)
            async with load(gated) as seen:
                await served_more(seen, 20)
                proxy.blackhole()
                await eventually(lambda: seen["TimeoutError"] >= SIZE)
                await proxy.heal()
                await served_more(seen)
            await recovered(gated)


@pytest.mark.engines("postgres")
async def test_all_connections_expire_again_and_again(postgres: Target, kind: str) -> None:
    async with await connect_quickly(postgres.url) as pool:
        gated = gated_over(pool, kind)
        async with load(gated) as seen:
            for _ in range(20):
                await served_more(seen, 5)
                await pool.expire_connections()
            await served_more(seen)
        assert set(seen) <= {"served", "PoolExhausted", "TimeoutError"}
        await recovered(gated)


@pytest.mark.engines("postgres")
async def test_it_is_closed_while_callers_hold_connections_and_wait(postgres: Target, kind: str) -> None:
    pool = await connect_quickly(postgres.url)
    gated = gated_over(pool, kind)
    async with load(gated) as seen:
        await served_more(seen)
        await asyncio.wait_for(gated.close(grace=5.0), PATIENCE_SECONDS)
        before = seen["served"]
        refused = seen.total()
        await eventually(lambda: seen.total() > refused + WORKERS)
        assert seen["served"] <= before + SIZE
    stats = gated.stats()
    assert (stats.inflight, stats.waiting) == (0, 0)


@pytest.mark.engines("postgres")
async def test_the_clock_jumps_an_hour_ahead(postgres: Target, kind: str) -> None:
    class Jumping(SystemClock):
        ahead_seconds = 0.0

        def monotonic(self) -> float:
            return super().monotonic() + self.ahead_seconds

    clock = Jumping()
    async with await connect_quickly(postgres.url) as pool:
        gated = gated_over(pool, kind, clock=clock)
        async with load(gated) as seen:
            await served_more(seen)
            clock.ahead_seconds = 3600.0
            await served_more(seen)
        await recovered(gated)


@pytest.mark.engines("postgres")
async def test_callers_are_cancelled_all_the_time(postgres: Target, kind: str) -> None:
    rng = Random(7)
    async with await connect_quickly(postgres.url) as pool:
        gated = gated_over(pool, kind)

        async def use() -> None:
            async with gated.acquire() as connection:
                await connection.execute("SELECT pg_sleep(0.005)")

        for _ in range(300):
            tasks = [asyncio.ensure_future(use()) for _ in range(rng.randint(1, 8))]
            for _ in range(rng.randint(0, 6)):
                await asyncio.sleep(0)
            for task in rng.sample(tasks, rng.randint(0, len(tasks))):
                task.cancel()
            for task in tasks:
                with contextlib.suppress(asyncio.CancelledError, PoolExhausted):
                    await asyncio.wait_for(task, PATIENCE_SECONDS)
        await recovered(gated)
