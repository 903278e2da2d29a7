"""The store that processes share, on a real server: what it keeps, what it refuses, and what it leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
import pytest_asyncio
import valkey as client
from prometheus_client import CollectorRegistry

from quickwins.core.errors import ConfigError
from quickwins.query_cache import QueryCache
from quickwins.query_cache._core.fences import (
    Fence,
    Invalidation,
    entity,
    of_list,
    of_principal,
    of_type,
    tag,
    unsure,
)
from quickwins.query_cache._store import BreakerState
from quickwins.query_cache.stores import valkey as valkey_store
from quickwins.query_cache.stores.valkey import Valkey
from quickwins.rig import TcpProxy
from tests.engines import Target
from tests.eventually import eventually
from tests.shared_store import MARKS, USER_1, Process, process, some_namespace, voiding, without_time

pytestmark = [pytest.mark.asyncio, pytest.mark.engines("valkey")]


@pytest.fixture
def namespace() -> str:
    return some_namespace()


@pytest.fixture
def server(valkey: Target, namespace: str) -> Iterator[Any]:
    """A client of our own, to look at what is stored."""
    with client.Valkey.from_url(valkey.url) as made:
        yield made
        for key in made.scan_iter(match=f"*{namespace.rpartition(':')[2]}*"):
            made.delete(key)


@pytest_asyncio.fixture
async def one(valkey: Target, namespace: str) -> AsyncIterator[Process]:
    async with process(valkey.url, namespace) as made:
        await made.there()
        yield made


@pytest_asyncio.fixture
async def other(valkey: Target, namespace: str, one: Process) -> AsyncIterator[Process]:
    async with process(valkey.url, namespace) as made:
        await made.there()
        yield made


def keys(server: Any, namespace: str) -> dict[str, int]:
    """The namespace's keys by their last part, and how many milliseconds each has left; -1: it never expires."""
    found = list(server.scan_iter(match=f"*{namespace.rpartition(':')[2]}*"))
    return {key.decode().partition("}:1:")[2]: server.pttl(key) for key in found}


# Keeping


async def test_an_answer_is_found_by_other_processes_as_it_was_put(one: Process, other: Process) -> None:
    entry = await one.stored()
    found = (await other.store.get(entry.key)).entry
    assert found is not None
    assert without_time(found) == without_time(entry)


async def test_its_age_is_the_servers_and_never_younger(one: Process, other: Process) -> None:
    entry = replace(await one.entry(), stored_at=one.clock.monotonic() - 60.0)
    assert await one.store.put(entry)
    before = other.clock.monotonic()
    found = (await other.store.get(entry.key)).entry
    assert found is not None
    assert before - found.stored_at == pytest.approx(60.0, abs=1.0)


async def test_an_answer_that_is_past_its_time_is_not_stored(one: Process) -> None:
    entry = await one.entry()
    assert not await one.store.put(replace(entry, stored_at=entry.stored_at - entry.kept_seconds - 1))


@pytest.mark.parametrize(
    "body", [b"", b"\x00\xff\r\n$5\r\n", b"x" * (1 << 20)], ids=["empty", "binary", "a mebibyte"]
)
async def test_any_bytes_come_back(one: Process, body: bytes) -> None:
    entry = await one.entry(body=body)
    assert await one.store.put(entry)
    found = (await one.store.get(entry.key)).entry
    assert found is not None
    assert found.body == body


async def test_a_hit_is_one_round_trip(one: Process, server: Any) -> None:
    entry = await one.stored()
    server.config_resetstat()
    for _ in range(10):
        assert await one.has(entry.key)
    calls = {name: stats["calls"] for name, stats in server.info("commandstats").items()}
    assert calls["cmdstat_evalsha"] == 10
    assert calls.get("cmdstat_eval", 0) == 0


async def test_requests_at_once_share_one_connection_and_get_their_own_answers(one: Process) -> None:
    entries = [await one.stored(key=b"%016d" % number) for number in range(100)]
    found = await asyncio.gather(*(one.store.get(entry.key) for entry in entries))
    assert [each.entry and each.entry.key for each in found] == [entry.key for entry in entries]


async def test_whoever_leaves_while_waiting_mixes_nothing_up(one: Process) -> None:
    entries = [await one.stored(key=b"%016d" % number) for number in range(50)]
    tasks = [asyncio.ensure_future(one.store.get(entry.key)) for entry in entries]
    await asyncio.sleep(0)
    for task in tasks[::2]:
        task.cancel()
    found = await asyncio.gather(*tasks, return_exceptions=True)
    for entry, each in list(zip(entries, found, strict=True))[1::2]:
        assert not isinstance(each, BaseException)
        assert each.entry is not None
        assert each.entry.key == entry.key
    assert await one.has(entries[0].key)


async def test_namespaces_know_nothing_of_each_other(one: Process, valkey: Target) -> None:
    async with process(valkey.url, some_namespace()) as stranger:
        await stranger.there()
        entry = await one.stored()
        assert not await stranger.has(entry.key)
        await stranger.store.invalidate(Invalidation(everything=True))
        assert await one.has(entry.key)
        assert one.heard.count(Invalidation(everything=True)) <= 1, "only its own beginning"


# Voiding


@pytest.mark.parametrize("mark", MARKS)
async def test_each_kind_of_mark_voids_for_all_processes(one: Process, other: Process, mark: str) -> None:
    entry = await one.stored()
    assert await other.store.invalidate(voiding(mark)) is not None
    assert not await one.has(entry.key)
    assert not await other.has(entry.key)


async def test_what_depends_on_none_of_the_marks_stays(one: Process) -> None:
    entry = await one.stored()
    strangers = (
        entity("User", "10"),
        of_type("Use"),
        of_list("Query.user"),
        tag("user:42"),
        of_principal("5f0"),
        unsure("User"),
    )
    await one.store.invalidate(voiding(*strangers))
    assert await one.has(entry.key)


@pytest.mark.parametrize("prefix", ["", "u", "user:42:", "user:42:cart"])
async def test_a_prefix_voids_the_tags_that_begin_with_it(one: Process, prefix: str) -> None:
    entry = await one.stored()
    await one.store.invalidate(Invalidation(tag_prefixes=(prefix,)))
    assert not await one.has(entry.key)


@pytest.mark.parametrize(
    "prefix", ["user:42:cart:", "ser", "User:", "user:4?", "user:*", ".*", "%w", "tag:user"]
)
async def test_a_prefix_is_text_and_no_pattern(one: Process, prefix: str) -> None:
    entry = await one.stored()
    await one.store.invalidate(Invalidation(tag_prefixes=(prefix,)))
    assert await one.has(entry.key)


async def test_a_prefix_voids_no_other_kind_of_mark(one: Process) -> None:
    entry = await one.stored(marks=[USER_1, of_type("User")])
    await one.store.invalidate(Invalidation(tag_prefixes=("", "entity:", "User")))
    assert await one.has(entry.key)


@pytest.mark.parametrize("name", ["é☃", "\ud800", "{a}b", "a\x00b", " ", "x" * 5_000], ids=ascii)
async def test_names_may_be_any_text(one: Process, other: Process, name: str) -> None:
    entry = await one.stored(marks=[tag(name)])
    assert await other.has(entry.key)
    await one.store.invalidate(voiding(tag(name + "!")))
    assert await other.has(entry.key)
    await one.store.invalidate(voiding(tag(name)))
    assert not await other.has(entry.key)
    await eventually(lambda: voiding(tag(name)) in other.heard)


async def test_an_answer_with_many_marks_is_judged_by_all_of_them(one: Process) -> None:
    marks = [entity("User", str(number)) for number in range(3_500)]
    entry = await one.stored(marks=marks)
    await one.store.invalidate(voiding(entity("User", "3500")))
    assert await one.has(entry.key)
    await one.store.invalidate(voiding(marks[-1]))
    assert not await one.has(entry.key)


async def test_an_execution_that_began_before_is_refused(one: Process, other: Process) -> None:
    entry = await one.entry()
    await other.store.invalidate(voiding(USER_1))
    assert not await one.store.put(entry)
    assert not await one.has(entry.key)


async def test_an_execution_that_depends_on_something_else_is_not(one: Process, other: Process) -> None:
    entry = await one.entry()
    await other.store.invalidate(voiding(entity("User", "2")))
    assert await one.store.put(entry)
    assert await one.has(entry.key)


async def test_everything_begins_an_epoch_and_no_older_fence_is_valid_again(
    one: Process, other: Process
) -> None:
    stored, begun = await one.stored(), await one.entry(key=b"b" * 16, marks=[])
    before = await one.fence()
    after = await other.store.invalidate(Invalidation(everything=True))
    assert after is not None
    assert after.epoch != before.epoch
    assert after.sequence > before.sequence
    assert not await one.has(stored.key)
    assert not await one.store.put(begun)


async def test_an_invalidation_has_the_next_sequence(one: Process, other: Process) -> None:
    before = await one.fence()
    assert await other.store.invalidate(voiding(USER_1)) == Fence(before.epoch, before.sequence + 1)
    assert await one.fence() == Fence(before.epoch, before.sequence + 1)


async def test_other_processes_hear_of_it(one: Process, other: Process) -> None:
    invalidation = Invalidation(frozenset({USER_1, tag("cart")}), ("user:42:",))
    await one.store.invalidate(invalidation)
    await eventually(lambda: invalidation in other.heard)
    await one.store.invalidate(Invalidation(everything=True))
    await eventually(lambda: Invalidation(everything=True) in other.heard)


@pytest.mark.parametrize(
    "message", [b"", b"?", b"\x00\x00\x00\x09m", b"\x00\x00\x00\x01x", b"\xff" * 40, b"\x00\x00\x00\x02m\xff"]
)
async def test_a_message_that_nobody_can_read_voids_everything_that_a_process_has(
    one: Process, server: Any, namespace: str, message: bytes
) -> None:
    heard = len(one.heard)
    channels = [
        channel for channel in server.pubsub_channels() if namespace.rpartition(":")[2].encode() in channel
    ]
    server.publish(channels[0], message)
    await eventually(lambda: one.heard[heard:] == [Invalidation(everything=True)])


async def test_an_answer_and_a_message_come_in_the_order_in_which_they_happened(
    one: Process, other: Process
) -> None:
    for number in range(200):
        mark = entity("User", str(number))
        await other.store.invalidate(voiding(mark))
        await one.fence()
        assert one.heard[-1] == voiding(mark), (
            "a reading of the order overtook the message of what was before it"
        )


# What stays on the server


async def test_only_the_order_of_events_never_expires(one: Process, server: Any, namespace: str) -> None:
    await one.stored()
    await one.store.invalidate(Invalidation(frozenset({of_type("Post")}), ("x",)))
    await one.stored(key=b"2" * 16)
    found = keys(server, namespace)
    assert {key for key, left in found.items() if left == -1} == {"order"}
    assert {"marks", "prefixes"} <= found.keys()
    assert len(found) == 5


async def test_what_was_invalidated_is_remembered_for_as_long_as_any_answer_may_live(
    one: Process, server: Any, namespace: str
) -> None:
    await one.store.invalidate(Invalidation(frozenset({of_type("Post")}), ("x",)))
    assert keys(server, namespace)["marks"] <= 60_000
    entry = replace(await one.entry(), ttl_seconds=86_400.0)
    assert await one.store.put(entry)
    assert keys(server, namespace)["marks"] > 86_000_000
    await one.store.invalidate(voiding(of_type("Comment")))
    found = keys(server, namespace)
    assert min(found["marks"], found["prefixes"]) > 86_000_000


async def test_what_the_server_has_forgotten_counts_as_invalidated(
    one: Process, server: Any, namespace: str
) -> None:
    entry = await one.stored()
    await one.store.invalidate(voiding(entity("User", "2")))
    assert await one.has(entry.key)
    found = list(server.scan_iter(match=f"*{namespace.rpartition(':')[2]}*marks"))
    server.delete(*found)
    assert not await one.has(entry.key)
    again = await one.stored()
    await one.store.invalidate(voiding(entity("User", "3")))
    server.delete(*found)
    await one.store.invalidate(voiding(entity("User", "4")))
    assert not await one.has(again.key), "3 was forgotten, and the set is there again"


async def test_a_forgotten_order_begins_an_epoch(one: Process, server: Any, namespace: str) -> None:
    entry = await one.stored()
    begun = await one.entry(key=b"b" * 16)
    server.delete(*list(server.scan_iter(match=f"*{namespace.rpartition(':')[2]}*order")))
    assert not await one.has(entry.key)
    assert not await one.store.put(begun)
    assert await one.has((await one.stored()).key)


async def test_marks_are_bounded_and_what_is_older_than_the_bound_is_void(
    one: Process, server: Any, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(valkey_store, "MAX_MARKS", 10)
    old = await one.stored()
    for number in range(10):
        await one.store.invalidate(voiding(entity("Post", str(number))))
    assert await one.has(old.key)
    middle = await one.stored(key=b"m" * 16)
    await one.store.invalidate(voiding(entity("Post", "10")))
    assert not await one.has(old.key), "its mark might be the one that was dropped"
    assert await one.has(middle.key)
    for key in server.scan_iter(match=f"*{namespace.rpartition(':')[2]}*marks"):
        assert server.zcard(key) == 10


async def test_bytes_that_are_no_answer_are_a_miss(one: Process, server: Any, namespace: str) -> None:
    entry = await one.stored()
    for key in server.scan_iter(match=f"*{namespace.rpartition(':')[2]}*entry*"):
        for body in (b"", b"x", b"\x00\x00\x00\x02{}", b"\x00\x00\x00\x01[" * 3, b"\x80\x04\x95"):
            server.hset(key, "body", body)
            assert not await one.has(entry.key)
    assert one.store.state is BreakerState.CLOSED


# Where it is


@pytest.mark.parametrize(
    "url",
    [
        "",
        "127.0.0.1:6379",
        "http://127.0.0.1",
        "redis://",
        "redis://host:99999",
        "redis://host/x",
        "redis://host/-1",
    ],
)
async def test_a_url_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"redis://\[user:password@\]host"):
        Valkey(url)


async def test_what_is_shown_of_it_has_no_password() -> None:
    config = Valkey("redis://user:hunter2@127.0.0.1:1/0")
    async with process(config.url, some_namespace(), timeout_seconds=0.01) as made:
        assert "hunter2" not in f"{config!r} {made.store!r}"


async def test_databases_are_apart(valkey: Target, namespace: str, one: Process) -> None:
    entry = await one.stored()
    async with process(f"{valkey.url}/3", namespace) as made:
        await made.there()
        assert not await made.has(entry.key)
        await made.stored()
        with client.Valkey.from_url(f"{valkey.url}/3") as there:
            assert there.delete(*there.scan_iter(match=f"*{namespace.rpartition(':')[2]}*")) == 2


# Ending


async def test_a_process_that_only_voids_and_ends_is_heard(
    valkey: Target, namespace: str, one: Process
) -> None:
    """It has not waited for its connection for long enough."""
    service, _, name = namespace.partition(":")
    await one.stored()
    hasty = Valkey(valkey.url, timeout_seconds=0.000_001)
    async with QueryCache(
        l2=hasty, service=service, name=name, secret="x", registry=CollectorRegistry()
    ) as cache:
        await cache.invalidate(entities=[("User", 1)])
    assert not await one.has()


async def test_what_a_process_could_not_tell_before_its_end_is_reported(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with TcpProxy("127.0.0.1", 1) as nobody:
        away = Valkey(f"redis://127.0.0.1:{nobody.port}")
        async with QueryCache(l2=away, secret="x", registry=CollectorRegistry()) as cache:
            for number in range(3):
                await cache.invalidate(entities=[("User", number)])
        await cache.close()
    (record,) = [one for one in caplog.records if vars(one).get("event") == "cache.invalidation_untold"]
    assert vars(record)["fields"] | {"service": "", "name": ""} == {
        "service": "", "name": "", "reason": "closed", "count": 3,
    }  # fmt: skip


@pytest.mark.parametrize("contended", [False, True])
async def test_a_cache_that_was_closed_shares_again_on_the_next_loop(
    contended: bool, valkey: Target, namespace: str
) -> None:
    cache = QueryCache(
        name=namespace,
        l2=Valkey(valkey.url, timeout_seconds=5.0),
        secret="0123456789abcdef",
        registry=CollectorRegistry(),
    )
    shared = cache.desk.serving.shared
    assert shared is not None

    async def started() -> None:
        async with cache:
            await asyncio.gather(*(shared.get(b"key") for _ in range(3 if contended else 1)))
            assert shared.hears
            await cache.invalidate(tags=["any"])
        assert not shared.hears

    for _ in range(2):  # as test clients start an application, whose cache was made once
        await asyncio.to_thread(asyncio.run, started())
