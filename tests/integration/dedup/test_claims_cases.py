"""What public reports say of leases, queues and idempotency keys, as what must hold here; docs/dedup-cases.md has their list."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
import valkey as client
from aiokafka import TopicPartition

from quickwins.dedup import DeadLetterTable, ValkeyClaims
from tests.eventually import eventually
from tests.integration.dedup.claiming import claims_at, events, place
from tests.integration.dedup.consuming import House, house, send
from tests.integration.dedup.test_claims import MAILS, Consuming, claiming, mail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from quickwins.dedup import Context, Event
    from tests.engines import Server, Target

pytestmark = [pytest.mark.asyncio, pytest.mark.engines("kafka", "postgres", "valkey"), pytest.mark.no_cover]


@pytest_asyncio.fixture
async def mails(kafka: Target, postgres_database: str, topic_prefix: str) -> AsyncIterator[House]:
    async with house(kafka.url, postgres_database, topic_prefix, (MAILS,)) as made:
        yield made


async def test_kafka_is_not_told_of_what_is_behind_an_event_in_progress_and_that_is_not_done_again(
    mails: House, valkey: Target
) -> None:
    """Of several at a time the first takes long, the others are done, and the process is told to end at once."""
    first_run: list[int] = []
    forever = asyncio.Event()

    async def handle(event: Event, _: Context) -> None:
        if event.record.offset == 0:
            await forever.wait()
        first_run.append(event.record.offset)

    counts = await send(mails.bootstrap, [mail(number) for number in range(8)], mails.prefix)
    dedup = claiming(mails, valkey, handle, concurrency=4)
    async with mails.consumer() as consumer, dedup.attach(consumer) as run:
        task = asyncio.create_task(run())
        await eventually(lambda: len(first_run) == 7, "the others are not done")
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert not await consumer.committed(TopicPartition(mails.topics[0], 0))
    second_run: list[int] = []

    async def again(event: Event, _: Context) -> None:
        second_run.append(event.record.offset)

    await Consuming(mails, claiming(mails, valkey, again)).until_told(counts)
    assert second_run == [0]


async def test_a_handler_that_blocks_the_loop_past_its_lease_is_done_when_nobody_came(
    mails: House, valkey: Target
) -> None:
    done: list[int] = []

    async def busy(event: Event, _: Context) -> None:
        time.sleep(1.3)  # noqa: ASYNC251 -- as a handler that computes does; until=never
        done.append(event.record.offset)

    counts = await send(mails.bootstrap, [mail(1)], mails.prefix)
    dedup = claiming(mails, valkey, busy, store=ValkeyClaims(valkey.url, lease_seconds=1))
    await Consuming(mails, dedup).until_told(counts)
    assert done == [0]


async def test_a_failed_event_is_not_overtaken_by_the_next_one_of_its_key(
    mails: House, valkey: Target
) -> None:
    order: list[int] = []
    failures = iter([ValueError(), ValueError()])

    async def flaky(event: Event, _: Context) -> None:
        if event.record.offset == 1 and (error := next(failures, None)):
            raise error
        order.append(event.record.offset)

    counts = await send(mails.bootstrap, [mail(number, key=b"k") for number in range(5)], mails.prefix)
    dedup = claiming(mails, valkey, flaky, poison=DeadLetterTable(mails.pool))
    await Consuming(mails, dedup).until_told(counts)
    assert order == [0, 1, 2, 3, 4]


async def test_kafka_is_told_of_a_dead_letter_even_when_it_is_the_last_record(
    mails: House, valkey: Target
) -> None:
    async def broken(_: Event, __: Context) -> None:
        raise ValueError

    counts = await send(mails.bootstrap, [mail(1)], mails.prefix)
    dedup = claiming(mails, valkey, broken, poison=DeadLetterTable(mails.pool, max_attempts=1))
    await Consuming(mails, dedup).until_told(counts)
    assert await mails.pool.fetchval("SELECT count(*) FROM quickwins.dead_letters") == 1


async def test_a_dead_letter_that_cannot_be_written_is_not_passed_by(mails: House, valkey: Target) -> None:
    async def broken(_: Event, __: Context) -> None:
        raise ValueError

    await send(mails.bootstrap, [mail(1)], mails.prefix)
    dedup = claiming(mails, valkey, broken, poison=DeadLetterTable(mails.pool, max_attempts=1))
    async with mails.consumer() as consumer, dedup.attach(consumer) as run:
        await mails.pool.execute("ALTER TABLE quickwins.dead_letters RENAME TO elsewhere")
        task = asyncio.create_task(run())
        await eventually(lambda: " waiting" in repr(run), "it does not wait")
        assert not await consumer.committed(TopicPartition(mails.topics[0], 0))
        await mails.pool.execute("ALTER TABLE quickwins.elsewhere RENAME TO dead_letters")
        await mails.until_true("SELECT count(*) = 1 FROM quickwins.dead_letters", task)
        await dedup.stop()
        await task


async def test_a_server_that_has_forgotten_its_scripts_runs_them(own_valkey: Server) -> None:
    async with claims_at(own_valkey.url) as store:
        hold = await store.hold(place("g"))
        with client.Valkey.from_url(own_valkey.url) as admin:
            admin.script_flush()
        assert all(one.mine for one in await store.claim(hold, events(1, 2)))


async def test_a_server_that_a_failover_has_made_a_replica_is_left(own_valkey: Server) -> None:
    """Its name stands for another one then; a connection that is kept leads to the old one for ever."""
    async with claims_at(own_valkey.url) as store:
        hold = await store.hold(place("g"))
        with client.Valkey.from_url(own_valkey.url) as admin:
            before = {one["id"] for one in admin.client_list()} - {str(admin.client_id())}
            admin.replicaof("127.0.0.1", 1)
            with pytest.raises(client.exceptions.ReadOnlyError) as raised:
                await store.claim(hold, events(1))
            assert store.transient(raised.value)
            admin.replicaof("NO", "ONE")
            assert (await store.claim(hold, events(1)))[0].mine
            assert not before & {one["id"] for one in admin.client_list()}
