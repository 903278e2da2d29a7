"""The shared store fails in each way that it can: no request does, and nothing outdated comes back with it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

import pytest
import valkey as client

from quickwins.query_cache._core.fences import Invalidation, entity, of_type
from quickwins.query_cache._store import BreakerState
from quickwins.query_cache.stores._owed import MAX_NAMES
from quickwins.rig import TcpProxy
from tests.engines import Server, Target
from tests.eventually import eventually
from tests.shared_store import USER_1, Process, process, some_namespace, voiding

pytestmark = [pytest.mark.asyncio, pytest.mark.engines("valkey")]

TIMEOUT_SECONDS = 0.2
HEARTBEAT_SECONDS = 0.4
TIMES = 100


@pytest.fixture
def namespace() -> str:
    return some_namespace()


@asynccontextmanager
async def impatient(url: str, namespace: str) -> AsyncIterator[Process]:
    async with process(
        url, namespace, timeout_seconds=TIMEOUT_SECONDS, heartbeat_seconds=HEARTBEAT_SECONDS
    ) as made:
        await made.there()
        yield made


@asynccontextmanager
async def apart(url: str, namespace: str, count: int) -> AsyncIterator[list[tuple[TcpProxy, Process]]]:
    """Processes, each with a network of its own between it and the server."""
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(count):
            proxy = await stack.enter_async_context(TcpProxy("127.0.0.1", urlsplit(url).port or 6379))
            address = f"redis://127.0.0.1:{proxy.port}"
            found.append((proxy, await stack.enter_async_context(impatient(address, namespace))))
        yield found


async def asked(one: Process) -> float:
    """How long many requests take together, none of which gets anything."""
    began = time.monotonic()
    for _ in range(TIMES):
        found = await one.store.get(b"k" * 16)
        assert found.entry is None
    return time.monotonic() - began


def _has_lost(one: Process, times: int) -> bool:
    return one.times_lost == times


def costs_one_timeout(seconds: float) -> bool:
    """All but one of them would have waited: the rest is what a busy machine takes."""
    return seconds < TIMES * TIMEOUT_SECONDS / 4


async def test_killed_it_costs_nothing_and_comes_back_with_nothing_from_before(
    own_valkey: Server, namespace: str
) -> None:
    async with impatient(own_valkey.url, namespace) as one, impatient(own_valkey.url, namespace) as other:
        entry, begun = await one.stored(), await one.entry(key=b"b" * 16)
        before = entry.fence
        own_valkey.kill()
        assert costs_one_timeout(await asked(one))
        assert not await one.store.put(begun)
        assert await one.store.invalidate(voiding(USER_1)) is None
        await eventually(lambda: one.times_lost > 1 and other.times_lost > 1)

        own_valkey.restart()
        await one.there()
        await other.there()
        # It has its data back from its log, and may have lost the end of it: an acknowledged invalidation, for one.
        assert (await one.fence()).epoch != before.epoch
        assert not await one.has(entry.key)
        assert not await other.has(entry.key)
        assert not await one.store.put(begun)
        assert await one.has((await one.stored()).key)


async def test_restarted_empty_it_has_another_epoch(namespace: str) -> None:
    from quickwins.engines import ValkeyServer

    with ValkeyServer.start(settings={"appendonly": "no"}) as server:
        async with impatient(server.url, namespace) as one:
            begun = await one.entry()
            for _ in range(5):
                await one.store.invalidate(voiding(entity("Post", "1")))
            server.kill()
            await one.away()
            server.restart()
            await one.there()
            fence = await one.fence()
            assert fence.epoch != begun.fence.epoch
            assert not await one.store.put(begun), "it began before what the server has forgotten"


async def test_hung_it_costs_one_timeout_and_what_was_voided_meanwhile_is_void(
    own_valkey: Server, namespace: str
) -> None:
    async with impatient(own_valkey.url, namespace) as one, impatient(own_valkey.url, namespace) as other:
        entry = await one.stored()
        own_valkey.pause()
        try:
            assert costs_one_timeout(await asked(one))
            assert one.store.state is not BreakerState.CLOSED
            began = time.monotonic()
            for number in range(TIMES):
                assert await one.store.invalidate(voiding(USER_1, entity("Post", str(number)))) is None
            assert costs_one_timeout(time.monotonic() - began)
            await eventually(lambda: one.times_lost > 1 and other.times_lost > 1)
        finally:
            own_valkey.resume()
        await asyncio.gather(one.there(), other.there())
        assert not await one.has(entry.key)
        assert not await other.has(entry.key)
        assert await one.has((await one.stored()).key)


async def test_a_short_hang_loses_no_connection_and_what_lay_in_it_is_no_younger(
    own_valkey: Server, namespace: str
) -> None:
    async with process(
        own_valkey.url, namespace, timeout_seconds=TIMEOUT_SECONDS, heartbeat_seconds=30.0
    ) as one:
        await one.there()
        entry = await one.entry()
        own_valkey.pause()
        try:
            assert not await one.store.put(entry)
        finally:
            own_valkey.resume()
        await one.there()
        before = one.clock.monotonic()
        found = (await one.store.get(entry.key)).entry
        assert found is not None, "it was sent, and so it is there"
        assert before - found.stored_at >= TIMEOUT_SECONDS / 2
        assert one.times_lost == 1


async def test_slow_it_is_left_alone(valkey: Target, namespace: str) -> None:
    async with apart(valkey.url, namespace, 1) as [(proxy, one)]:
        entry = await one.stored()
        lost = one.times_lost
        proxy.latency(HEARTBEAT_SECONDS / 2 - 0.02)
        assert costs_one_timeout(await asked(one))
        assert await one.store.invalidate(voiding(USER_1)) is None
        await proxy.heal()
        await one.there()
        assert not await one.has(entry.key)
        assert one.times_lost == lost, "slow is not lost: each message has come"


async def test_silent_it_is_lost_within_a_heartbeat(valkey: Target, namespace: str) -> None:
    async with apart(valkey.url, namespace, 2) as [(proxy, one), (_, other)]:
        lost = one.times_lost
        proxy.blackhole()
        began = time.monotonic()
        await eventually(lambda: one.times_lost > lost)
        assert time.monotonic() - began < 40 * HEARTBEAT_SECONDS
        assert (await one.store.get(b"k" * 16)).fence is None
        entry = await other.stored()
        await other.store.invalidate(voiding(USER_1))
        await proxy.heal()
        await one.there()
        assert not await one.has(entry.key)


@pytest.mark.parametrize("how", ["reset", pytest.param("cut", marks=pytest.mark.volume)])
async def test_a_lost_connection_is_said_and_made_again(valkey: Target, namespace: str, how: str) -> None:
    async with apart(valkey.url, namespace, 1) as [(proxy, one)]:
        entry = await one.stored()
        assert one.times_lost == 1, "when it was connected: nothing may be from before"
        for times in (1, 2, 3):
            await (proxy.reset() if how == "reset" else proxy.cut())
            await eventually(partial(_has_lost, one, 2 * times))
            assert not one.store.hears
            await proxy.heal()
            await one.there()
            assert await one.has(entry.key), "nothing was voided: the server is the same"


async def test_the_server_ends_the_connection(valkey: Target, namespace: str) -> None:
    async with impatient(valkey.url, namespace) as one:
        with client.Valkey.from_url(valkey.url) as server:
            server.client_kill_filter(_type="pubsub", skipme=True)
        await eventually(lambda: one.times_lost > 1)
        await one.there()
        assert one.store.hears


async def test_what_one_process_could_not_void_is_void_before_any_is_served_again(
    valkey: Target, namespace: str
) -> None:
    """Nobody reaches the server for a while, in which one of them changes something, and that one is back last."""
    async with apart(valkey.url, namespace, 3) as found:
        (last, first), *others = found
        entries = [
            await first.stored(key=b"%016d" % number, marks=[entity("User", str(number))])
            for number in range(20)
        ]
        await asyncio.gather(*(proxy.cut() for proxy, _ in found))
        await asyncio.gather(*(one.away() for _, one in found))
        for entry in entries[::2]:
            assert await first.store.invalidate(voiding(*entry.marks)) is None

        async def served(one: Process) -> list[bool]:
            await one.there()
            return [await one.has(entry.key) for entry in entries]

        for proxy, _ in others:
            await proxy.heal()
        await eventually(lambda: all(proxy.open_connections for proxy, _ in others))
        await last.heal()
        for answers in await asyncio.gather(*(served(one) for _, one in found)):
            assert answers == [False, True] * 10


@pytest.mark.volume
async def test_more_than_can_be_remembered_voids_everything(valkey: Target, namespace: str) -> None:
    async with apart(valkey.url, namespace, 1) as [(proxy, one)]:
        entry = await one.stored(marks=[of_type("Comment")])
        await proxy.cut()
        await one.away()
        for number in range(MAX_NAMES):
            assert await one.store.invalidate(voiding(entity("Post", str(number)))) is None
        await proxy.heal()
        await one.there()
        assert not await one.has(entry.key)
        assert (await one.fence()).epoch != entry.fence.epoch


async def test_scripts_that_the_server_has_forgotten_are_told_to_it_again(
    own_valkey: Server, namespace: str
) -> None:
    async with impatient(own_valkey.url, namespace) as one:
        entry = await one.stored()
        with client.Valkey.from_url(own_valkey.url) as server:
            server.script_flush()
            assert (await one.store.get(entry.key)).fence is None
            await one.there()
            assert await one.has(entry.key)
            server.flushall()
        assert not await one.has(entry.key)
        assert await one.has((await one.stored()).key)


async def test_a_full_server_stores_nothing_and_voids_all_the_same(
    own_valkey: Server, namespace: str
) -> None:
    async with impatient(own_valkey.url, namespace) as one:
        entry = await one.stored()
        with client.Valkey.from_url(own_valkey.url) as server:
            server.config_set("maxmemory", 1)
            server.config_set("maxmemory-policy", "noeviction")
            assert await one.has(entry.key)
            assert not await one.store.put(await one.entry(key=b"b" * 16))
            assert await one.store.invalidate(voiding(USER_1)) is not None
            assert not await one.has(entry.key)
            assert one.store.state is BreakerState.CLOSED
            server.config_set("maxmemory", 0)


async def test_a_server_that_was_made_a_replica_is_given_up(own_valkey: Server, namespace: str) -> None:
    async with impatient(own_valkey.url, namespace) as one:
        entry = await one.stored()
        with client.Valkey.from_url(own_valkey.url) as server:
            server.replicaof("127.0.0.1", "1")
            assert await one.store.invalidate(voiding(USER_1)) is None
            assert (await one.store.get(entry.key)).entry is None
            server.replicaof("NO", "ONE")
        await one.there()
        assert not await one.has(entry.key)


async def test_a_server_that_is_not_there_delays_nothing(namespace: str) -> None:
    async with TcpProxy("127.0.0.1", 1) as nobody:
        began = time.monotonic()
        async with process(
            f"redis://127.0.0.1:{nobody.port}", namespace, timeout_seconds=TIMEOUT_SECONDS
        ) as one:
            assert costs_one_timeout(await asked(one))
            assert await one.store.invalidate(Invalidation(everything=True)) is None
        assert costs_one_timeout(time.monotonic() - began)


@pytest.mark.parametrize(
    "says",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"-ERR unknown command 'HELLO'\r\n",
        b"+OK\r\n" * 10,
        b"$99999999999\r\n",
        b"",
    ],
    ids=["http", "old", "odd", "huge", "closes"],
)
async def test_what_speaks_something_else_is_no_server(namespace: str, says: bytes) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(says)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with process(f"redis://127.0.0.1:{port}", namespace, timeout_seconds=TIMEOUT_SECONDS) as one:
        assert costs_one_timeout(await asked(one))
        assert one.store.state is not BreakerState.CLOSED
    server.close()
    await server.wait_closed()


async def test_closing_waits_for_nobody(own_valkey: Server, namespace: str) -> None:
    async with impatient(own_valkey.url, namespace) as one:
        own_valkey.pause()
        waiting = asyncio.ensure_future(one.store.get(b"k" * 16))
        await asyncio.sleep(0)
        began = time.monotonic()
        await one.store.close()
        await one.store.close()
        assert (await waiting).fence is None
        assert costs_one_timeout(time.monotonic() - began)
        own_valkey.resume()
