"""Who voids something tells the shared store, also where nobody can wait for it, and where nothing is ever read."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import pytest

from quickwins.query_cache._core.fences import Fence, Invalidation, of_type
from quickwins.query_cache._store import BreakerState, Found
from tests.unit.query_cache.service import Service

USERS = "{ users { name } }"
RENAME = 'mutation { rename(id: "1", name: "New") }'
HALF = 'mutation { half(id: "1") }'


class Told:
    """A shared store that has nothing, and remembers what it is told."""

    state = BreakerState.CLOSED
    hears = True

    def __init__(self) -> None:
        self.done: list[str] = []
        self.told = asyncio.Event()
        self.asked = asyncio.Event()
        self.gate = asyncio.Event()
        self.gate.set()

    def open(self, *_: Any, **__: Any) -> Told:
        return self

    async def get(self, _: bytes) -> Found:
        self.done.append("get")
        return Found(None, Fence("1", 1))

    async def put(self, _: Any) -> bool:
        return True

    async def invalidate(self, invalidation: Invalidation) -> Fence:
        self.asked.set()
        await self.gate.wait()
        self.done.append("everything" if invalidation.everything else ", ".join(sorted(invalidation.marks)))
        self.told.set()
        return Fence("1", 2)

    async def subscribe(self, *_: Any) -> None:
        self.done.append("subscribe")

    async def close(self) -> None:
        self.done.append("close")


def shared() -> tuple[Told, Service]:
    store = Told()
    return store, Service(l2=store, secret="x")


def of(service: Service) -> dict[str, Any]:
    return {"world": service.world, "user": None}


@pytest.mark.asyncio
async def test_a_process_that_only_voids_is_heard() -> None:
    store, service = shared()
    await service.cache.invalidate(types=["User"])
    assert store.done == ["subscribe", of_type("User")]
    await service.cache.close()


@pytest.mark.asyncio
async def test_a_synchronous_mutation_voids_here_at_once_and_elsewhere_without_being_waited_for() -> None:
    store, service = shared()
    service.schema.execute_sync(USERS, context_value=of(service))
    store.gate.clear()
    done = service.schema.execute_sync(RENAME, context_value=of(service))
    assert (done.data, done.errors) == ({"rename": True}, None)
    found = service.schema.execute_sync(USERS, context_value=of(service))
    assert found.data
    assert found.data["users"][0] == {"name": "New"}
    store.gate.set()
    await store.told.wait()
    assert "entity:User:1" in store.done[-1]
    await service.cache.close()


@pytest.mark.asyncio
async def test_invalidate_without_anything_waits_for_what_is_still_to_be_told() -> None:
    store, service = shared()
    store.gate.clear()
    service.schema.execute_sync(RENAME, context_value=of(service))
    assert "entity:User:1" not in "".join(store.done)
    waiting = asyncio.create_task(service.cache.invalidate())
    await store.asked.wait()
    store.gate.set()
    await waiting
    assert "entity:User:1" in store.done[-1]
    await service.cache.close()


@pytest.mark.asyncio
async def test_closing_tells_what_nobody_has_waited_for() -> None:
    store, service = shared()
    service.schema.execute_sync(RENAME, context_value=of(service))
    await service.cache.close()
    assert [one.partition(",")[0] for one in store.done] == ["subscribe", "entity:User:1", "close"]


@pytest.mark.asyncio
async def test_an_invalidation_that_nobody_waits_for_any_more_is_told_all_the_same() -> None:
    store, service = shared()
    store.gate.clear()
    voiding = asyncio.create_task(service.cache.invalidate(types=["User"]))
    await store.asked.wait()
    voiding.cancel()
    await asyncio.gather(voiding, return_exceptions=True)
    store.gate.set()
    await store.told.wait()
    assert store.done[-1] == of_type("User")
    await service.cache.close()


@pytest.mark.parametrize("way", ["view", "extension"])
@pytest.mark.asyncio
async def test_a_mutation_whose_request_was_given_up_is_told_all_the_same(way: str) -> None:
    store, service = shared()
    service.world.gate = asyncio.Event()
    if way == "view":
        asking: asyncio.Task[Any] = asyncio.create_task(service.ask(HALF))
    else:
        asking = asyncio.create_task(service.schema.execute(HALF, context_value=of(service)))
    await service.world.entered.wait()
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    await store.told.wait()
    assert of_type("User") in store.done[-1]
    await service.cache.close()


@pytest.mark.asyncio
async def test_an_answer_of_schema_execute_waits_until_the_store_knows() -> None:
    store, service = shared()
    store.gate.clear()
    executing = asyncio.create_task(service.schema.execute(RENAME, context_value=of(service)))
    await store.asked.wait()
    assert not executing.done()
    store.gate.set()
    assert (await executing).errors is None
    assert "entity:User:1" in store.done[-1]
    await service.cache.close()


def test_without_a_loop_it_is_said_that_others_do_not_know_yet(caplog: pytest.LogCaptureFixture) -> None:
    store, service = shared()
    with caplog.at_level(logging.WARNING, "quickwins"):
        for _ in range(3):
            done = service.schema.execute_sync(RENAME, context_value=of(service))
            assert done.errors is None
    (record,) = [one for one in caplog.records if vars(one)["event"] == "cache.invalidation_untold"]
    assert vars(record)["fields"]["reason"] == "no loop"
    asyncio.run(service.cache.close())
    assert "entity:User:1" in store.done[1]
