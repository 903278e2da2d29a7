"""Several caches over one shared store: what one voids no other serves from its memory, whatever happens in between."""

import asyncio
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
import strawberry
import valkey as client
from prometheus_client import CollectorRegistry
from strawberry.types import Info

from quickwins.query_cache import CacheControl, QueryCache, Valkey, invalidates
from quickwins.rig import TcpProxy
from tests.asgi_client import Client
from tests.engines import Server, Target
from tests.eventually import DEADLINE_SECONDS, LOOK_SECONDS, eventually
from tests.unit.query_cache.conformance.service import View

pytestmark = [pytest.mark.asyncio, pytest.mark.engines("valkey")]

TIMEOUT_SECONDS = 0.5
HEARTBEAT_SECONDS = 0.4
READ = "{ value }"
MINE = "{ mine }"


@dataclass
class Process:
    """One process of the service.

    Attributes:
        runs: How often each resolver ran.
    """

    cache: QueryCache
    client: Client
    runs: Counter[str]
    proxy: TcpProxy

    async def read(self) -> int:
        """The value, as this process serves it."""
        answer = await self.client.post(READ)
        found: int = answer.data["value"]
        return found

    async def write(self) -> int:
        """Change the value; the new one."""
        answer = await self.client.post("mutation { change }")
        found: int = answer.data["change"]
        return found

    async def shares(self) -> None:
        """Return when it shares answers with the others."""
        await eventually_async(self._hits_after_a_read)

    async def _hits_after_a_read(self) -> bool:
        await self.read()
        before = self.runs["value"]
        await self.read()
        return self.runs["value"] == before


async def eventually_async(condition: Callable[[], Any]) -> None:
    """`eventually` for a condition that has to be awaited."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not await condition():  # noqa: ASYNC110 -- what is waited for is in other processes; until=never
            await asyncio.sleep(LOOK_SECONDS)


@asynccontextmanager
async def processes(url: str, count: int) -> AsyncIterator[list[Process]]:
    """Caches over one store, each with a network of its own, over one value."""
    value = [0]
    name = secrets.token_hex(6)
    async with AsyncExitStack() as stack:
        found = []
        for _ in range(count):
            proxy = await stack.enter_async_context(TcpProxy("127.0.0.1", urlsplit(url).port or 6379))
            runs: Counter[str] = Counter()
            shared = Valkey(
                f"redis://127.0.0.1:{proxy.port}",
                timeout_seconds=TIMEOUT_SECONDS,
                heartbeat_seconds=HEARTBEAT_SECONDS,
            )
            cache = await stack.enter_async_context(
                QueryCache(
                    l2=shared,
                    name=name,
                    secret="of all processes",
                    principal=lambda context: context["session"],
                    registry=CollectorRegistry(),
                )
            )
            asking = Client(View(schema(value, runs, cache), cache=cache))
            found.append(Process(cache, asking, runs, proxy))
        for one in found:
            await one.shares()
        yield found


def schema(value: list[int], runs: Counter[str], cache: QueryCache) -> strawberry.Schema:
    """One of a value that can be changed."""

    @strawberry.type
    class Query:
        @strawberry.field(directives=[CacheControl(max_age=600)])
        async def value(self) -> int:
            runs["value"] += 1
            read = value[0]
            await asyncio.sleep(0)
            return read

        @strawberry.field(directives=[CacheControl(max_age=600, scope="PRIVATE")])
        def mine(self, info: Info[Any, Any]) -> str:
            runs["mine"] += 1
            return f"of {info.context['session'][:3]}"

    @strawberry.type
    class Mutation:
        @strawberry.mutation
        @invalidates(lists=["Query.value"])
        async def change(self) -> int:
            value[0] += 1
            return value[0]

    return strawberry.Schema(Query, Mutation, extensions=[cache.extension])


async def test_what_one_has_executed_the_others_have_and_what_it_voids_they_void(valkey: Target) -> None:
    async with processes(valkey.url, 3) as (one, *others):
        for number in range(1, 20):
            assert await one.write() == number
            assert await one.read() == number, "its own writes, at once"
            for other in others:

                async def fresh(other: Process = other, number: int = number) -> bool:
                    return await other.read() == number

                await eventually_async(fresh)
        assert sum(each.runs["value"] for each in (one, *others)) < 19 * 3


async def test_cut_off_from_the_store_nothing_is_kept_that_others_may_void(valkey: Target) -> None:
    async with processes(valkey.url, 2) as [one, other]:
        await one.proxy.cut()
        await eventually(lambda: one.cache.stats().entries == 0, "the memory is emptied")
        for _ in range(3):
            number = await other.write()
            assert await one.read() == number, "nobody tells this process any more"
        await one.proxy.heal()
        await one.shares()
        number = await other.write()

        async def fresh() -> bool:
            return await one.read() == number

        await eventually_async(fresh)


async def test_an_execution_from_before_the_connection_is_not_kept_after_it(valkey: Target) -> None:
    """It began when nobody told this process, and what it has read was changed before it was told again."""
    async with processes(valkey.url, 2) as [one, other]:
        await one.proxy.cut()
        await eventually(lambda: one.cache.stats().entries == 0)
        reading = [asyncio.ensure_future(one.read()) for _ in range(20)]
        await asyncio.sleep(0)
        number = await other.write()
        await one.proxy.heal()
        await asyncio.gather(*reading)
        await one.shares()
        assert await one.read() == number


async def test_without_a_store_at_the_start_requests_are_answered_and_nothing_is_kept() -> None:
    async with TcpProxy("127.0.0.1", 1) as nobody:
        runs: Counter[str] = Counter()
        shared = Valkey(f"redis://127.0.0.1:{nobody.port}", timeout_seconds=TIMEOUT_SECONDS)
        async with QueryCache(l2=shared, secret="x", registry=CollectorRegistry()) as cache:
            asking = Client(View(schema([0], runs, cache), cache=cache))
            for number in range(5):
                assert (await asking.post(READ)).data == {"value": number}
                await asking.post("mutation { change }")
            assert cache.stats().entries == 0


@pytest.mark.parametrize("how", ["killed", "hung"])
async def test_the_store_fails_and_no_request_does(own_valkey: Server, how: str) -> None:
    async with processes(own_valkey.url, 2) as [one, other]:
        for _ in range(2):
            (own_valkey.kill if how == "killed" else own_valkey.pause)()
            for _ in range(20):
                number = await one.write()
                assert await one.read() == number
            # In the other's memory it may stand until the heartbeat has noticed.
            await eventually(lambda: other.cache.stats().entries == 0)
            assert await other.read() == number
            (own_valkey.restart if how == "killed" else own_valkey.resume)()
            for each in (one, other):
                await each.shares()
                assert await each.read() == number
            number = await other.write()

            async def fresh(number: int = number) -> bool:
                return await one.read() == number

            await eventually_async(fresh)


async def test_identities_are_in_the_store_as_pseudonyms_only(own_valkey: Server) -> None:
    async with processes(own_valkey.url, 1) as [one]:
        who = "alice@example.com"
        asking = one.client.acting(session_id=who, authorization="Bearer of-alice")
        for _ in range(2):
            await asking.post(MINE)
        assert one.runs["mine"] == 1
        await one.cache.invalidate(principal=who)
        await asking.post(MINE)
        assert one.runs["mine"] == 2
        with client.Valkey.from_url(own_valkey.url) as server:
            await eventually(lambda: b"of ali" in stored(server), "the answer itself is there")
            everything = stored(server)
            never = [key for key in server.scan_iter() if server.ttl(key) == -1]
        for part in (who, "alice", "Bearer"):
            assert part.encode() not in everything
        assert [key.rpartition(b":")[2] for key in never] == [b"order"]


def stored(server: Any) -> bytes:
    """All that the server has, keys and values."""
    found: list[bytes] = []
    for key in server.scan_iter():
        is_set = server.type(key) == b"zset"
        values = server.zrange(key, 0, -1) if is_set else [*server.hgetall(key).items()]
        found += [key, *(part for value in values for part in ([value] if is_set else value))]
    return b"\n".join(found)
