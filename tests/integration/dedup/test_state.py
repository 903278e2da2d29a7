"""Change events through a real broker into a real database: each has its effect once, whatever happens on the way."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from prometheus_client import CollectorRegistry

from quickwins.dedup import DeadLetterTable, Decision, PostgresInbox, PostgresState
from tests.eventually import eventually
from tests.integration.dedup.consuming import House, apply, house, send, truth
from tests.unit.dedup.records import Record, real_records, real_truth, record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from quickwins.dedup import Context, Event
    from tests.engines import Target

pytestmark = [pytest.mark.asyncio, pytest.mark.engines("kafka", "postgres")]
REAL = ("nova.public.posts", "nova.public.events_keyless")
POSTS = "feed.public.posts"


@pytest_asyncio.fixture
async def real(kafka: Target, postgres_database: str, topic_prefix: str) -> AsyncIterator[House]:
    async with house(kafka.url, postgres_database, topic_prefix, REAL) as made:
        yield made


@pytest_asyncio.fixture
async def posts(kafka: Target, postgres_database: str, topic_prefix: str) -> AsyncIterator[House]:
    async with house(kafka.url, postgres_database, topic_prefix, (POSTS,)) as made:
        yield made


def _more_than(before: int, offsets: dict[str, int]) -> bool:
    return sum(offsets.values()) > before


def inserted(count: int, *, first: int = 0) -> list[Record]:
    return [
        record(
            key=b'{"id":%d}' % number,
            lsn=1_000 + 10 * number,
            commit=990 + 10 * number,
            transaction=number,
            after={"id": number, "user_id": 1, "body": "x", "likes": 0},
        )
        for number in range(first, first + count)
    ]


async def test_real_events_with_their_duplicates_end_in_the_sources_own_state(real: House) -> None:
    counts = await send(real.bootstrap, real_records(), real.prefix)
    registry = CollectorRegistry()
    dedup = real.dedup(registry=registry)
    async with real.running(dedup, subscribe=True) as (_, task):
        await real.until(lambda offsets: offsets == counts, task)
    assert await truth(real.pool) == real_truth()
    found = {
        (sample.name, sample.labels.get("decision")): sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.labels.get("topic", "").endswith("posts")
    }
    assert found["kafka_events_processed_total", "dup_source"] > 0
    assert sum(value for (name, _), value in found.items() if name == "kafka_events_processed_total") == 1_471


async def test_what_restarts_goes_on_where_effects_ended_and_not_where_kafka_thinks(real: House) -> None:
    records = real_records()
    counts = await send(real.bootstrap, records, real.prefix)
    for _ in range(3):
        before = sum((await real.next_offsets()).values())
        async with real.running(real.dedup(max_records=50)) as (_, task):
            await real.until(partial(_more_than, before), task)
            task.cancel()
    async with real.running(real.dedup()) as (_, task):
        await real.until(lambda offsets: offsets == counts, task)
    assert await truth(real.pool) == real_truth()
    assert await real.pool.fetchval("SELECT count(*) = count(DISTINCT (topic, record_offset)) FROM applied")


async def test_a_second_consumer_takes_over_and_the_first_ones_batch_is_rolled_back(posts: House) -> None:
    await send(posts.bootstrap, inserted(20), posts.prefix)
    entered, let_go = asyncio.Event(), asyncio.Event()

    async def slow(events: Sequence[Event], ctx: Context) -> None:
        await apply(events, ctx)
        if not entered.is_set():
            entered.set()
            await let_go.wait()

    first = posts.dedup(handler=slow)
    async with posts.running(first) as (run, task):
        await entered.wait()
        # Kafka knows nothing of this one: the epoch alone keeps the two apart.
        second = posts.dedup()
        async with posts.running(second, group_id=f"{posts.prefix}other") as (_, other):
            await posts.until_true("SELECT epoch = 2 FROM quickwins.dedup_cursors", task, other)
            let_go.set()
            await posts.until(lambda offsets: list(offsets.values()) == [20], task, other)
        assert "waiting" in repr(run)
    assert await posts.pool.fetchval(
        "SELECT count(*) = 20 AND count(DISTINCT record_offset) = 20 FROM applied"
    )


@pytest.mark.parametrize("store", [PostgresState, PostgresInbox])
async def test_one_stopped_while_a_statement_is_being_prepared_holds_its_locks_no_longer_than_others(
    posts: House, store: type[PostgresState | PostgresInbox]
) -> None:
    """The server waits for the rest of the statement then, and does not take its transaction for an idle one."""
    await posts.pool.execute(
        "CREATE TABLE totals (id int PRIMARY KEY, n int); INSERT INTO totals VALUES (1, 0)"
    )
    row = {"id": 1, "user_id": 1, "body": "x", "likes": 0}
    records = [
        record(lsn=1_000 + 10 * n, commit=990 + 10 * n, transaction=n, after=row, ts_ms=1_700_000_000_000)
        for n in range(20)
    ]
    await send(posts.bootstrap, records, posts.prefix)
    entered, let_go = asyncio.Event(), asyncio.Event()

    async def add(events: Sequence[Event], ctx: Context) -> None:
        await ctx.tx.execute("UPDATE totals SET n = n + $1 WHERE id = 1", len(events))
        if not entered.is_set():
            await ctx.tx.prepare("SELECT 'half a statement'")
            entered.set()
            await let_go.wait()

    first = posts.dedup(handler=add, store=store(posts.pool, takeover_seconds=1))
    async with posts.running(first) as (_, task):
        await entered.wait()
        second = posts.dedup(handler=add, store=store(posts.pool, takeover_seconds=1))
        async with posts.running(second, group_id=f"{posts.prefix}other") as (_, other):
            await posts.until_true("SELECT n = 20 FROM totals", task, other)
            let_go.set()
            await second.stop()
        await first.stop()
    assert await posts.pool.fetchval("SELECT n FROM totals") == 20


async def test_an_event_that_the_handler_always_fails_with_is_put_aside_and_the_others_go_on(
    posts: House,
) -> None:
    await send(posts.bootstrap, inserted(30), posts.prefix)
    tries = 0

    async def picky(events: Sequence[Event], ctx: Context) -> None:
        nonlocal tries
        if any(event.after["id"] == 13 for event in events):
            tries += 1
            raise ValueError("a row that hurts: hunter2")
        await apply(events, ctx)

    registry = CollectorRegistry()
    poison = DeadLetterTable(posts.pool, max_attempts=2)
    dedup = posts.dedup(handler=picky, poison=poison, registry=registry)
    async with posts.running(dedup) as (_, task):
        await posts.until(lambda offsets: list(offsets.values()) == [30], task)
    letters = await posts.pool.fetch(
        "SELECT record_offset, reason, error, attempts FROM quickwins.dead_letters"
    )
    assert [tuple(letter) for letter in letters] == [(13, "handler", "ValueError", 2)]
    assert await posts.pool.fetchval("SELECT count(*) FROM posts") == 29
    assert tries > 2
    labels = {"service": "", "name": dedup.group, "group": dedup.group, "topic": posts.topics[0]}
    assert registry.get_sample_value("kafka_dead_letters_total", labels) == 1


async def test_without_somewhere_to_put_it_what_the_handler_raises_ends_the_run_and_nothing_is_lost(
    posts: House,
) -> None:
    await send(posts.bootstrap, inserted(5), posts.prefix)

    async def broken(_: Any, __: Any) -> None:
        raise LookupError("our own bug")

    async with posts.consumer() as consumer:
        async with posts.dedup(handler=broken).attach(consumer) as run:
            with pytest.raises(LookupError, match="our own bug"):
                await run()
        mended = posts.dedup()
        async with mended.attach(consumer) as run:  # the same consumer, which has read on already
            task = asyncio.create_task(run())
            await posts.until(lambda offsets: list(offsets.values()) == [5], task)
            await mended.stop()
            await task
    assert await posts.pool.fetchval("SELECT count(*) FROM posts") == 5


async def test_records_that_are_no_events_are_put_aside(posts: House) -> None:
    bad = [Record(topic=POSTS, value=b"not json"), Record(topic=POSTS, value=b'{"id":1}')]
    await send(posts.bootstrap, [*inserted(2), *bad, *inserted(2, first=2)], posts.prefix)
    dedup = posts.dedup(poison=DeadLetterTable(posts.pool))
    async with posts.running(dedup) as (_, task):
        await posts.until(lambda offsets: list(offsets.values()) == [6], task)
    letters = await posts.pool.fetch("SELECT record_offset, reason FROM quickwins.dead_letters ORDER BY 1")
    assert [tuple(letter) for letter in letters] == [(2, "not_json"), (3, "flattened")]
    assert await posts.pool.fetchval("SELECT count(*) FROM posts") == 4


async def test_what_a_record_has_that_no_table_can_hold_is_put_aside_all_the_same(posts: House) -> None:
    nul = record(key=None, order=None, after={"id": 1}, table="po\x00sts")
    bad = [
        Record(topic=POSTS, value=nul.value, key=None),
        Record(topic=POSTS, value=b"\x00", key=b"\x00", headers=[("a\x00b", b"\xff\x00")]),
    ]
    await send(posts.bootstrap, [*inserted(1), *bad, *inserted(1, first=1)], posts.prefix)
    dedup = posts.dedup(poison=DeadLetterTable(posts.pool))
    async with posts.running(dedup) as (_, task):
        await posts.until(lambda offsets: list(offsets.values()) == [4], task)
    letters = await posts.pool.fetch(
        "SELECT record_offset, reason, headers FROM quickwins.dead_letters ORDER BY 1"
    )
    assert [tuple(letter) for letter in letters] == [
        (1, "no_order", "[]"),
        (2, "not_json", '[["a\u2400b", "ff00"]]'),
    ]


async def test_without_somewhere_to_put_it_a_record_that_is_no_event_stops_its_partition(
    posts: House,
) -> None:
    await send(posts.bootstrap, [*inserted(2), Record(topic=POSTS, value=b"not json")], posts.prefix)
    async with posts.running(posts.dedup()) as (run, task):
        await eventually(lambda: run.quarantined or task.done())
        assert not task.done()
    assert await posts.next_offsets() == {f"{posts.prefix}{POSTS}": 2}


async def test_a_source_that_goes_back_to_a_history_never_seen_stops_its_partition_with_the_evidence(
    posts: House, caplog: pytest.LogCaptureFixture
) -> None:
    restored = record(
        lsn=1_005, commit=985, transaction=99, after={"id": 7, "user_id": 1, "body": "y", "likes": 0}
    )
    await send(posts.bootstrap, [*inserted(3), restored], posts.prefix)
    async with posts.running(posts.dedup()) as (run, task):
        await eventually(lambda: run.quarantined or task.done())
    assert "its transaction 99 is not among the 3 seen last" in caplog.text
    assert await posts.next_offsets() == {f"{posts.prefix}{POSTS}": 3}
    from quickwins.dedup import DebeziumPostgres

    async with posts.running(posts.dedup(identity=DebeziumPostgres(incarnation="pg2"))) as (_, task):
        await posts.until(lambda offsets: list(offsets.values()) == [4], task)
    assert await posts.pool.fetchval("SELECT count(*) FROM posts") == 4


async def test_another_number_of_partitions_stops_them(
    kafka: Target, postgres_database: str, topic_prefix: str
) -> None:
    async with house(kafka.url, postgres_database, topic_prefix, (POSTS,), partitions=2) as made:
        await send(made.bootstrap, inserted(2), made.prefix)
        async with made.running(made.dedup(), partitions=2) as (_, task):
            await made.until(lambda offsets: 2 in offsets.values(), task)
        await made.pool.execute("UPDATE quickwins.dedup_cursors SET partitions = 1")
        async with made.running(made.dedup(), partitions=2) as (run, task):
            await eventually(lambda: len(run.quarantined) == 2 or task.done())
            assert not task.done()


async def test_explains_a_record_with_the_numbers_behind_it(posts: House) -> None:
    records = inserted(3)
    await send(posts.bootstrap, records, posts.prefix)
    topic = f"{posts.prefix}{POSTS}"
    dedup = posts.dedup()
    async with posts.running(dedup) as (_, task):
        await posts.until(lambda offsets: list(offsets.values()) == [3], task)
        again = Record(topic=topic, offset=3, key=records[0].key, value=records[0].value)
        assert (await dedup.explain(again)).decision is Decision.DUP_SOURCE
        assert (
            await dedup.explain(Record(topic=topic, offset=1, value=b"x"))
        ).decision is Decision.DUP_OFFSET
        new = inserted(1, first=50)[0]
        assert (
            await dedup.explain(Record(topic=topic, offset=3, key=new.key, value=new.value))
        ).decision is Decision.NEW


async def test_duplicates_are_reported_with_their_number_and_nothing_of_them(
    posts: House, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "quickwins")
    await send(posts.bootstrap, [*inserted(3), *inserted(2)], posts.prefix)
    async with posts.running(posts.dedup()) as (_, task):
        await posts.until(lambda offsets: list(offsets.values()) == [5], task)
    said = [vars(record)["fields"] for record in caplog.records if "duplicate.skipped" in record.getMessage()]
    assert [fields["messaging.destination.name"] for fields in said] == posts.topics * len(said)
    assert sum(fields["count"] for fields in said) == 2


async def test_stopped_before_a_consumer_is_attached_it_returns_at_once_and_runs_the_next_time(
    posts: House,
) -> None:
    await send(posts.bootstrap, inserted(3), posts.prefix)
    dedup = posts.dedup()
    await dedup.stop()
    async with posts.consumer() as consumer:
        async with dedup.attach(consumer) as run:
            await run()
        assert not await posts.pool.fetchval("SELECT count(*) FROM posts")
        async with dedup.attach(consumer) as run:
            task = asyncio.create_task(run())
            await posts.until_true("SELECT count(*) = 3 FROM posts", task)
            await dedup.stop()
            await task


async def test_a_pool_of_one_connection_is_enough(
    kafka: Target, postgres_database: str, topic_prefix: str
) -> None:
    import asyncpg

    from quickwins.backpressure import Gate, GatedPool
    from quickwins.dedup import PostgresState

    async with house(kafka.url, postgres_database, topic_prefix, (POSTS,), partitions=1) as made:
        await send(made.bootstrap, inserted(10), made.prefix)
        async with asyncpg.create_pool(postgres_database, min_size=1, max_size=1) as one:
            gated = GatedPool(one, gate=Gate.queue(), name="dedup")
            dedup = made.dedup(store=PostgresState(gated), poison=DeadLetterTable(gated), max_records=3)
            async with made.running(dedup) as (_, task):
                await made.until(lambda offsets: list(offsets.values()) == [10], task)
        assert await made.pool.fetchval("SELECT count(*) FROM posts") == 10
