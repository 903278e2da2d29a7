"""Queries, mutations, invalidations, cancellations, passing time and a shared store that comes and goes, in any order.

A scheduler runs the steps of all tasks one at a time, in an order that a seed gives: each database read, each commit and each
message of the shared store is a step. After each answer the database says whether it was right: what a query returns must have
been true at some time since it began, or be within its policy's time of a write that nobody voided (there is none: each write
voids). So there is no stale answer after a mutation has been answered, and nobody waits for ever.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable
from typing import Any

import pytest
import strawberry
from strawberry.extensions import ParserCache, ValidationCache
from strawberry.types import Info

from quickwins.core.clock import FakeClock
from quickwins.query_cache import L1, CacheControl, Policy, QueryCache, invalidates
from quickwins.query_cache._core.fences import Fence, Invalidation, Order
from quickwins.query_cache._store import BreakerState, Entry, Found
from tests.soak import times
from tests.unit.query_cache.service import View, World, ask

KEYS = ("1", "2", "3")
ROUNDS = int(os.environ.get("QUERY_CACHE_ROUNDS", "15"))


class Steps:
    """Lets tasks go on one at a time, in an order of its own."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._waiting: list[asyncio.Future[None]] = []
        self.done = 0

    async def step(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        await waiter

    def release(self) -> bool:
        self._waiting = [one for one in self._waiting if not one.done()]
        if not self._waiting:
            return False
        self.done += 1
        self._waiting.pop(self._chance.randrange(len(self._waiting))).set_result(None)
        return True


class Server:
    """A shared store in memory, by the rules of `fences`, which every step may find dead."""

    def __init__(self, steps: Steps) -> None:
        self.steps = steps
        self.order = Order("0")
        self.entries: dict[bytes, Entry] = {}
        self.is_down = False
        self.subscribers: list[tuple[Callable[[Invalidation], None], Callable[[], None]]] = []

    def restart(self) -> None:
        for _, lost in self.subscribers:
            lost()
        self.is_down = False
        self.order.renew(f"{random.random()}")
        self.entries.clear()

    def stop(self) -> None:
        self.is_down = True
        for _, lost in self.subscribers:
            lost()

    def open(self, namespace: str, **_: Any) -> Client:
        return Client(self)


class Client:
    """One process's way to it."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._owed: list[Invalidation] = []

    @property
    def state(self) -> BreakerState:
        return BreakerState.OPEN if self._server.is_down else BreakerState.CLOSED

    @property
    def hears(self) -> bool:
        return not self._server.is_down

    async def get(self, key: bytes) -> Found:
        await self._server.steps.step()
        if self._server.is_down:
            return Found(None, None)
        for one in self._owed:
            self._void(one)
        self._owed.clear()
        entry = self._server.entries.get(key)
        if entry is not None and self._server.order.voids(entry.marks, entry.fence):
            entry = None
        found = Found(entry, self._server.order.fence)
        await self._server.steps.step()
        return found

    async def put(self, entry: Entry) -> bool:
        await self._server.steps.step()
        if self._server.is_down or self._server.order.voids(entry.marks, entry.fence):
            return False
        self._server.entries[entry.key] = entry
        return True

    async def invalidate(self, invalidation: Invalidation) -> Fence | None:
        await self._server.steps.step()
        if self._server.is_down:
            self._owed.append(invalidation)
            return None
        fence = self._void(invalidation)
        await self._server.steps.step()
        return fence

    def _void(self, invalidation: Invalidation) -> Fence:
        if invalidation.everything:
            self._server.order.renew(f"{random.random()}")
        else:
            self._server.order.invalidate(invalidation.marks, invalidation.tag_prefixes)
        for told, _ in self._server.subscribers:
            told(invalidation)
        return self._server.order.fence

    async def subscribe(self, invalidated: Callable[[Invalidation], None], lost: Callable[[], None]) -> None:
        self._server.subscribers.append((invalidated, lost))

    async def close(self) -> None: ...


class Database(World):
    """Versions by key, and which of them were answered to somebody as committed."""

    steps: Steps
    versions: dict[str, int]
    answered: dict[str, int]


@strawberry.type(directives=[CacheControl(policy="PUBLIC")])
class Item:
    id: strawberry.ID
    version: int


@strawberry.type
class Query:
    @strawberry.field
    async def item(self, info: Info, id: strawberry.ID) -> Item:  # noqa: A002 -- as in GraphQL; until=never
        data = info.context["world"]
        await data.steps.step()
        version = data.versions[id]
        await data.steps.step()
        return Item(id=id, version=version)


@strawberry.type
class Mutation:
    @strawberry.mutation
    @invalidates("Item", id=lambda args, _: args["id"])
    async def write(self, info: Info, id: strawberry.ID) -> int:  # noqa: A002 -- as in GraphQL; until=never
        data = info.context["world"]
        await data.steps.step()
        data.versions[id] += 1
        version: int = data.versions[id]
        await data.steps.step()
        return version


class Run:
    """One random history."""

    def __init__(self, seed: int, *, shared: bool, processes: int = 1) -> None:
        self.chance = random.Random(seed)
        self.steps = Steps(self.chance)
        self.data = Database()
        self.data.steps = self.steps
        self.data.versions = dict.fromkeys(KEYS, 0)
        self.data.answered = dict.fromkeys(KEYS, 0)
        self.clock = FakeClock()
        self.server = Server(self.steps) if shared else None
        policy = Policy(ttl_seconds=5, stale_while_revalidate_seconds=3, stale_if_error_seconds=3)
        self.caches = [
            QueryCache(
                policies={"PUBLIC": policy}, l1=L1(max_entries=2), l2=self.server, clock=self.clock,
                rng=self.chance, secret="s" * 16, shared_context=["world"], name=str(seed),
            )
            for _ in range(processes)
        ]  # fmt: skip
        self.apps = [self._app(cache) for cache in self.caches]
        self.tasks: dict[asyncio.Task[None], None] = {}  # no set, whose order is another in each run
        self.asked = 0

    def _app(self, cache: QueryCache) -> View:
        # Six documents in all: reading and checking each of them every time was half of what a history takes.
        extensions = [cache.extension, ParserCache, ValidationCache]
        app = View(strawberry.Schema(Query, Mutation, extensions=extensions), cache=cache)
        app.world = self.data
        return app

    async def query(self, app: View, key: str) -> None:
        committed = self.data.answered[key]
        reply = await ask(app, f'{{ item(id: "{key}") {{ version }} }}')
        self.asked += 1
        version = reply.data["item"]["version"]
        assert committed <= version <= self.data.versions[key], (version, committed)

    async def write(self, app: View, key: str) -> None:
        reply = await ask(app, f'mutation {{ write(id: "{key}") }}')
        self.data.answered[key] = max(self.data.answered[key], reply.data["write"])

    async def invalidate(self, cache: QueryCache) -> None:
        await cache.invalidate(types=["Item"])

    def begin(self) -> None:
        number = self.chance.randrange(len(self.apps))
        app, key = self.apps[number], self.chance.choice(KEYS)
        dice = self.chance.random()
        if dice < 0.7:
            work = self.query(app, key)
        elif dice < 0.93:
            work = self.write(app, key)
        else:
            work = self.invalidate(self.caches[number])
        self.tasks[asyncio.create_task(work)] = None

    def disturb(self) -> None:
        dice = self.chance.random()
        if dice < 0.3 and self.tasks:
            self.chance.choice([*self.tasks]).cancel()
        elif dice < 0.7:
            self.clock.now += self.chance.random() * 3
        elif self.server is not None:
            if self.server.is_down:
                self.server.restart()
            elif dice > 0.9:
                self.server.stop()

    async def settle(self) -> None:
        for _ in range(3):
            await asyncio.sleep(0)
        for task in [task for task in self.tasks if task.done()]:
            del self.tasks[task]
            if not task.cancelled():
                task.result()

    async def history(self, length: int) -> None:
        for _ in range(length):
            dice = self.chance.random()
            if dice < 0.35 and len(self.tasks) < 12:
                self.begin()
            elif dice < 0.45:
                self.disturb()
            else:
                self.steps.release()
            await self.settle()
        idle = 0
        while idle < 20:  # what is put behind an answer takes its steps, too
            idle = 0 if self.steps.release() else idle + 1
            await self.settle()
        assert not self.tasks, "somebody waits for ever"
        for cache in self.caches:
            await cache.close()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.asyncio
async def test_no_order_of_events_has_a_stale_answer_or_somebody_who_waits_for_ever(shared: bool) -> None:
    asked = steps = 0
    for seed in range(ROUNDS):
        run = Run(seed, shared=shared)
        await run.history(150)
        asked += run.asked
        steps += run.steps.done
    assert asked > ROUNDS * 5
    assert steps > ROUNDS * 20


@pytest.mark.volume
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.asyncio
async def test_thousands_of_steps_in_any_order(shared: bool) -> None:
    """Ten times as many as it took to see any of the faults that one process can have, put in on purpose."""
    steps = seed = 0
    while steps < times(12_000, soak=50_000):
        run = Run(100_000 + seed, shared=shared)
        await run.history(600)
        steps += run.steps.done
        seed += 1


@pytest.mark.asyncio
async def test_several_processes_on_one_store_tell_each_other() -> None:
    for seed in range(ROUNDS):
        await Run(seed, shared=True, processes=3).history(150)


@pytest.mark.volume
@pytest.mark.asyncio
async def test_several_processes_in_hundreds_of_histories() -> None:
    """One that forgets nothing when it has lost its subscription is seen in one history of ninety."""
    for seed in range(times(250, soak=2_500)):
        await Run(100_000 + seed, shared=True, processes=3).history(150)
