"""Change events through a real broker to a sink of its own: claims let each have its effect once, as long as the sink checks."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiokafka import TopicPartition
from prometheus_client import CollectorRegistry

from quickwins.core.errors import ConfigError
from quickwins.dedup import (
    DeadLetterTable,
    DebeziumPostgres,
    Decision,
    Deduplicator,
    EventRefused,
    HeaderId,
    KeyId,
    ValkeyClaims,
)
from tests.eventually import DEADLINE_SECONDS, eventually
from tests.integration.dedup.consuming import House, house, send, truth
from tests.integration.dedup.sinks import TABLES, Sink
from tests.unit.dedup.records import Record, real_records, real_truth

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from quickwins.dedup import Context, Event
    from tests.engines import Server, Target

pytestmark = [pytest.mark.asyncio, pytest.mark.engines("kafka", "postgres", "valkey"), pytest.mark.no_cover]
REAL = ("nova.public.posts", "nova.public.events_keyless")
MAILS = "mails"


@pytest_asyncio.fixture
async def real(kafka: Target, postgres_database: str, topic_prefix: str) -> AsyncIterator[House]:
    async with house(kafka.url, postgres_database, topic_prefix, REAL) as made:
        await made.pool.execute(TABLES)
        yield made


@pytest_asyncio.fixture
async def mails(kafka: Target, postgres_database: str, topic_prefix: str) -> AsyncIterator[House]:
    async with house(kafka.url, postgres_database, topic_prefix, (MAILS,)) as made:
        yield made


def mail(number: int, *, key: bytes | None = None, value: bytes = b"hello") -> Record:
    return Record(topic=MAILS, key=key, value=value, headers=[("id", b"mail-%d" % number)])


class Consuming:
    """A deduplicator that runs, and what Kafka was told of it."""

    def __init__(self, house: House, dedup: Deduplicator) -> None:
        self._house = house
        self._dedup = dedup

    async def until_told(self, counts: dict[str, int], **options: Any) -> None:
        """Consume until Kafka was told that everything is done."""
        async with self._house.consumer(**options) as consumer, self._dedup.attach(consumer) as run:
            task = asyncio.create_task(run())
            async with asyncio.timeout(DEADLINE_SECONDS):
                while not task.done() and not await _told(consumer, counts):
                    await asyncio.wait((task,), timeout=0.02)
            await self._dedup.stop()
            await task


async def _told(consumer: Any, counts: dict[str, int]) -> bool:
    return all(
        [await consumer.committed(TopicPartition(topic, 0)) == count for topic, count in counts.items()]
    )


def claiming(
    house: House, valkey: Any, handler: Any, *, concurrency: int | None = 32, **options: Any
) -> Deduplicator:
    made = Deduplicator(
        **{
            "group": f"{house.prefix}group",
            "identity": HeaderId("id"),
            "store": ValkeyClaims(valkey.url, lease_seconds=2),
            "registry": CollectorRegistry(),
            **options,
        }
    )
    if concurrency is None:
        made.batch(max_records=200)(handler)
    else:
        made.each(concurrency=concurrency)(handler)
    return made


async def test_real_events_with_their_duplicates_end_in_the_sources_own_state(
    real: House, valkey: Target
) -> None:
    counts = await send(real.bootstrap, real_records(), real.prefix)
    # Without a check: what is told apart here is told apart by the claims alone.
    sink, registry = Sink(real.pool, checks=False), CollectorRegistry()
    dedup = claiming(
        real,
        valkey,
        sink.send,
        identity=DebeziumPostgres(incarnation="pg1"),
        registry=registry,
        concurrency=4,
    )
    await Consuming(real, dedup).until_told(counts)
    assert await truth(real.pool) == real_truth()
    assert _count(registry, "kafka_event_deduplicated_total", reason="dup_source") > 300


async def test_what_is_read_again_and_what_is_sent_again_are_told_apart(mails: House, valkey: Target) -> None:
    seen: list[bytes] = []

    async def handle(event: Event, ctx: Context) -> None:
        assert ctx.tx is None
        assert ctx.fence > 0
        seen.append(dict(event.record.headers)["id"])

    registry = CollectorRegistry()
    counts = await send(mails.bootstrap, [mail(1), mail(2), mail(1), mail(2, value=b"changed")], mails.prefix)
    await Consuming(mails, claiming(mails, valkey, handle, registry=registry)).until_told(counts)
    again = f"{mails.prefix}reads-again"  # Kafka has forgotten where the group was, the claims have not
    store = ValkeyClaims(valkey.url, lease_seconds=2)
    dedup = claiming(mails, valkey, handle, store=store, registry=registry)
    await Consuming(mails, dedup).until_told(counts, group_id=again)
    assert sorted(seen) == [b"mail-1", b"mail-2"]
    assert _count(registry, "kafka_event_deduplicated_total", reason="dup_offset") == 2
    assert _count(registry, "kafka_event_deduplicated_total", reason="dup_source") == 4
    assert _count(registry, "kafka_dedup_altered_total") == 2


async def test_many_at_a_time_and_those_of_one_key_in_their_order(mails: House, valkey: Target) -> None:
    order: dict[bytes, list[int]] = defaultdict(list)
    busy, most = 0, 0
    four = asyncio.Event()

    async def handle(event: Event, _: Context) -> None:
        nonlocal busy, most
        busy += 1
        most = max(most, busy)
        if most == 4:
            four.set()
        await four.wait()
        await asyncio.sleep(0)
        order[event.record.key].append(int(dict(event.record.headers)["id"][5:]))
        busy -= 1

    records = [mail(number, key=b"k%d" % (number % 7)) for number in range(300)]
    counts = await send(mails.bootstrap, records, mails.prefix)
    await Consuming(mails, claiming(mails, valkey, handle, concurrency=4)).until_told(counts)
    assert most == 4
    assert order == {b"k%d" % key: list(range(key, 300, 7)) for key in range(7)}


async def test_what_the_handler_always_fails_with_is_put_aside_and_the_others_are_done_once(
    mails: House, valkey: Target
) -> None:
    done: list[bytes] = []

    async def picky(event: Event, _: Context) -> None:
        name = dict(event.record.headers)["id"]
        if name == b"mail-13":
            raise ValueError("a row that hurts: hunter2")
        done.append(name)

    poison = DeadLetterTable(mails.pool, max_attempts=3)
    counts = await send(mails.bootstrap, [mail(number, key=b"k") for number in range(30)], mails.prefix)
    await Consuming(mails, claiming(mails, valkey, picky, poison=poison)).until_told(counts)
    assert done == [b"mail-%d" % number for number in range(30) if number != 13]
    letters = await mails.pool.fetch(
        "SELECT record_offset, reason, error, attempts FROM quickwins.dead_letters"
    )
    assert [tuple(letter) for letter in letters] == [(13, "handler", "ValueError", 3)]


async def test_of_a_batch_that_fails_each_is_tried_by_itself(mails: House, valkey: Target) -> None:
    """There is no savepoint to take a half of it back with."""
    sizes: list[int] = []

    async def picky(events: Sequence[Event], _: Context) -> None:
        sizes.append(len(events))
        if any(event.record.offset == 3 for event in events):
            raise ValueError

    poison = DeadLetterTable(mails.pool, max_attempts=2)
    counts = await send(mails.bootstrap, [mail(number) for number in range(6)], mails.prefix)
    await Consuming(mails, claiming(mails, valkey, picky, poison=poison, concurrency=None)).until_told(counts)
    assert set(sizes[1:]) == {1}
    assert await mails.pool.fetchval("SELECT array_agg(record_offset) FROM quickwins.dead_letters") == [3]


async def test_no_event_goes_to_the_dead_letters_or_stops_its_partition(mails: House, valkey: Target) -> None:
    async def handle(_: Event, __: Context) -> None:
        return

    nameless = Record(topic=MAILS, value=b"no id")
    counts = await send(mails.bootstrap, [mail(1), nameless, mail(2)], mails.prefix)
    dedup = claiming(mails, valkey, handle)
    async with mails.consumer() as consumer, dedup.attach(consumer) as run:
        task = asyncio.create_task(run())
        await eventually(lambda: run.quarantined, "it goes on behind what is no event")
        assert not task.done()
        await dedup.stop()
        await task
    dedup = claiming(mails, valkey, handle, poison=DeadLetterTable(mails.pool))
    await Consuming(mails, dedup).until_told(counts)
    assert await mails.pool.fetchval("SELECT array_agg(reason) FROM quickwins.dead_letters") == ["no_id"]


async def test_what_somebody_else_works_on_is_waited_for_and_nothing_overtakes_it(
    mails: House, valkey: Target
) -> None:
    done: list[bytes] = []

    async def handle(event: Event, _: Context) -> None:
        done.append(dict(event.record.headers)["id"])

    counts = await send(mails.bootstrap, [mail(number) for number in range(4)], mails.prefix)
    record = mail(2)
    other = claiming(mails, valkey, handle)
    theirs = await other.check(
        Record(topic=mails.topics[0], offset=2, value=b"hello", headers=record.headers)
    )
    assert theirs.is_new
    dedup = claiming(mails, valkey, handle)
    async with mails.consumer() as consumer, dedup.attach(consumer) as run:
        task = asyncio.create_task(run())
        await eventually(lambda: "waiting" in repr(run), "it does not wait")
        assert done == [b"mail-0", b"mail-1"]
        assert await theirs.done()
        await eventually(lambda: done[2:] == [b"mail-3"], "it does not go on")
        await dedup.stop()
        await task
    await other.close()
    assert sum(counts.values()) == 4


async def test_a_handler_that_takes_longer_than_a_lease_keeps_it(mails: House, valkey: Target) -> None:
    async def slow(_: Event, __: Context) -> None:
        await asyncio.sleep(2.5)

    counts = await send(mails.bootstrap, [mail(1)], mails.prefix)
    dedup = claiming(mails, valkey, slow, store=ValkeyClaims(valkey.url, lease_seconds=1))
    other = claiming(mails, valkey, slow)
    task = asyncio.create_task(Consuming(mails, dedup).until_told(counts))
    decisions = set()
    record = Record(topic=mails.topics[0], offset=0, value=b"hello", headers=mail(1).headers)
    await eventually(lambda: dedup._lanes, "it has no partition")
    while not task.done():
        decisions.add((await dedup.explain(record)).decision if dedup._lanes else Decision.DUP_OFFSET)
        await asyncio.sleep(0.05)
    await task
    await other.close()
    assert decisions <= {Decision.NEW, Decision.DUP_OFFSET}


async def test_valkey_away_its_partitions_wait_and_go_on_by_themselves(
    mails: House, own_valkey: Server, caplog: pytest.LogCaptureFixture
) -> None:
    """Also what had its effect just before, and could not be remembered: this process knows."""
    caplog.set_level("INFO")
    done: list[bytes] = []

    async def handle(event: Event, _: Context) -> None:
        done.append(dict(event.record.headers)["id"])

    dedup = claiming(mails, own_valkey, handle, concurrency=2)
    await send(mails.bootstrap, [mail(number) for number in range(20)], mails.prefix)
    async with mails.consumer() as consumer, dedup.attach(consumer) as run:
        task = asyncio.create_task(run())
        await eventually(lambda: len(done) == 20, "it does not begin")
        own_valkey.kill()
        await send(mails.bootstrap, [mail(number) for number in range(20, 40)], mails.prefix)
        await eventually(lambda: "waiting" in repr(run), "it does not wait")
        own_valkey.restart()
        await eventually(lambda: len(done) >= 40, "it does not go on")
        await dedup.stop()
        await task
    assert sorted(done) == sorted(b"mail-%d" % number for number in range(40))
    said = " ".join(record.getMessage() for record in caplog.records)
    assert "dedup.paused" in said
    assert "dedup.resumed" in said


async def test_turned_off_everything_goes_to_the_handler_and_is_remembered_all_the_same(
    mails: House, valkey: Target
) -> None:
    done: list[bytes] = []

    async def handle(event: Event, _: Context) -> None:
        done.append(dict(event.record.headers)["id"])

    class Off:
        state = None

        def active_for(self, _: str) -> bool:
            return False

    counts = await send(mails.bootstrap, [mail(1), mail(2), mail(1)], mails.prefix)
    flag: Any = Off()
    await Consuming(mails, claiming(mails, valkey, handle, flag=flag)).until_told(counts)
    assert done == [b"mail-1", b"mail-2", b"mail-1"]
    counts = await send(mails.bootstrap, [mail(1), mail(3)], mails.prefix)
    await Consuming(mails, claiming(mails, valkey, handle)).until_told({mails.topics[0]: 5})
    assert done[3:] == [b"mail-3"]


class TestCheck:
    async def test_a_loop_of_ones_own_makes_each_effect_once(self, mails: House, valkey: Target) -> None:
        await send(mails.bootstrap, [mail(1), mail(2), mail(1)], mails.prefix)
        done = []
        dedup = claiming(mails, valkey, None, concurrency=None)
        async with mails.consumer() as consumer:
            fences = []
            for _ in range(3):
                record = await consumer.getone()
                decision = await dedup.check(record)
                if decision.is_new:
                    done.append(decision.idempotency_key)
                    fences.append(decision.fence)
                    assert await decision.done()
        await dedup.close()
        assert len(set(done)) == len(done) == 2
        assert fences == sorted(fences)

    async def test_of_two_at_once_one_may(self, valkey: Target, mails: House) -> None:
        dedup = claiming(mails, valkey, None, concurrency=None)
        found = await asyncio.gather(*(dedup.check(mail(1)) for _ in range(10)))
        assert sum(one.is_new for one in found) == 1
        assert {one.decision for one in found} == {Decision.NEW, Decision.IN_PROGRESS}
        assert all(one.wait_seconds > 0 for one in found if not one.is_new)
        await dedup.close()

    async def test_given_back_anybody_may_try(self, valkey: Target, mails: House) -> None:
        dedup = claiming(mails, valkey, None, concurrency=None)
        await (await dedup.check(mail(1))).failed()
        assert (await dedup.check(mail(1))).is_new
        await dedup.close()

    async def test_ended_too_late_it_says_so(self, valkey: Target, mails: House) -> None:
        dedup = claiming(
            mails, valkey, None, concurrency=None, store=ValkeyClaims(valkey.url, lease_seconds=3)
        )
        late = await dedup.check(mail(1))
        heir = await dedup.check(mail(1))
        assert not heir.is_new
        await asyncio.sleep(heir.wait_seconds + 0.01)
        heir = await dedup.check(mail(1))
        assert heir.is_new
        assert not await late.done()
        assert await heir.done()
        await dedup.close()

    async def test_what_is_no_event_is_refused(self, valkey: Target, mails: House) -> None:
        dedup = claiming(mails, valkey, None, concurrency=None)
        with pytest.raises(EventRefused):
            await dedup.check(Record(topic=MAILS, value=b"no id"))
        await dedup.close()

    async def test_a_store_with_a_cursor_has_no_such_thing(self, mails: House) -> None:
        with pytest.raises(ConfigError, match="attach"):
            await mails.dedup().check(mail(1))


async def test_an_id_from_a_function_of_the_service_is_claimed_too(mails: House, valkey: Target) -> None:
    done: list[int] = []

    async def handle(event: Event, _: Context) -> None:
        done.append(event.record.offset)

    identity = KeyId(lambda record: record.value)
    counts = await send(mails.bootstrap, [mail(1), mail(2), mail(3, value=b"other")], mails.prefix)
    await Consuming(mails, claiming(mails, valkey, handle, identity=identity)).until_told(counts)
    assert done == [0, 2]


def _count(registry: CollectorRegistry, name: str, **labels: str) -> float:
    """The sum of a series over what is not said in `labels`."""
    return sum(
        sample.value
        for family in registry.collect()
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    )
