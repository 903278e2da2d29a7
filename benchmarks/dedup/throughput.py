"""How many change events a second a consumer takes with each store, beside bare aiokafka decoding the same JSON.

python -m benchmarks.dedup.throughput [--records N] [--rounds N] [--brief]

A topic of Debezium's change events (a 200-byte row, a fifth of them sent twice) is read from its beginning by each way in
turn, in a new random order each round, with a handler that does nothing, and with one that reads each event's new row. The topic
is long enough for the ten milliseconds in which a partition is taken over, once, to be no part of the figure, and the pool is as
docs/dedup.md has it for consumers: without a reset after each batch.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import time
from random import Random
from typing import TYPE_CHECKING, Any

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from prometheus_client import CollectorRegistry

from benchmarks.program import add_brief, command_line, conclude
from quickwins.dedup import DebeziumPostgres, Deduplicator, MemoryWindow, PostgresInbox, PostgresState
from quickwins.engines import KafkaBroker, PostgresServer
from quickwins.rig import Ratio

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from quickwins.dedup import Context, Event, Store
    from quickwins.rig import Target

TOPIC = TopicPartition("feed.public.posts", 0)
BATCH = 1_000


def events(count: int, rng: Random) -> list[bytes]:
    """Change events as a connector sends them, one to five in a transaction; some it sends again when it starts anew."""
    made: list[bytes] = []
    commit, transaction = 28_000_000, 700
    while len(made) < count:
        begin = commit
        transaction += 1
        for order in range(1, rng.randint(1, 5) + 1):
            lsn = begin + 160 * (order - 1)
            made.append(json.dumps(envelope(len(made), begin, lsn, transaction, order, rng)).encode())
        commit = lsn + 208
        if len(made) // 100 != (len(made) - order) // 100:
            made += made[-20:]
    last = envelope(count - 1, commit, commit, transaction + 1, 1, rng)  # a new one, so that the end is seen
    return [*made[: count - 1], json.dumps(last).encode()]


def envelope(number: int, commit: int, lsn: int, transaction: int, order: int, rng: Random) -> dict[str, Any]:
    """An inserted row, as Debezium tells it."""
    return {
        "before": None,
        "after": {"id": number, "user_id": rng.randrange(1_000), "body": rng.randbytes(60).hex(), "likes": 0},
        "source": {
            "version": "3.6.3.Final",
            "connector": "postgresql",
            "name": "feed",
            "ts_ms": 1_795_425_618_182,
            "snapshot": "false",
            "db": "feed",
            "sequence": json.dumps([str(commit), str(lsn)]),
            "schema": "public",
            "table": "posts",
            "txId": transaction,
            "lsn": lsn,
            "xmin": None,
        },
        "transaction": {
            "id": f"{transaction}:{lsn}",
            "total_order": order,
            "data_collection_order": order,
        },
        "op": "c",
        "ts_ms": 1_795_425_618_541,
    }


async def fill(bootstrap: str, values: Sequence[bytes]) -> None:
    """A topic with `values`."""
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    await admin.create_topics([NewTopic(TOPIC.topic, 1, 1)])
    await admin.close()
    async with AIOKafkaProducer(
        bootstrap_servers=bootstrap, linger_ms=20, max_batch_size=256 * 1024
    ) as producer:
        for number, value in enumerate(values):
            await producer.send(TOPIC.topic, value, key=b'{"id":%d}' % number, partition=0)


class Ways:
    """Each way to read the topic from its beginning to its end."""

    def __init__(self, bootstrap: str, pool: asyncpg.Pool, count: int) -> None:
        self._bootstrap = bootstrap
        self._pool = pool
        self._count = count
        self._runs = 0

    def _consumer(self) -> AIOKafkaConsumer:
        made = AIOKafkaConsumer(
            bootstrap_servers=self._bootstrap,
            group_id=f"bench-{self._runs}",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            max_partition_fetch_bytes=4 << 20,
        )
        made.assign([TOPIC])
        return made

    async def bare(self, *, reads: bool) -> float:
        """`getmany` and `orjson.loads`; seconds."""
        self._runs += 1
        async with self._consumer() as consumer:
            await consumer.position(TOPIC)
            began, seen = time.perf_counter(), 0
            while seen < self._count:
                for records in (await consumer.getmany(timeout_ms=500, max_records=BATCH)).values():
                    decoded = [orjson.loads(record.value) for record in records]
                    seen += len(records)
                    if reads:
                        for event in decoded:
                            event["after"]["id"]
            return time.perf_counter() - began

    async def through(self, store: Store, *, reads: bool) -> float:
        """The same through a store; seconds."""
        self._runs += 1
        dedup = Deduplicator(
            group=f"bench-{self._runs}",
            identity=DebeziumPostgres(incarnation="pg1"),
            store=store,
            registry=CollectorRegistry(),
        )

        @dedup.batch(max_records=BATCH)
        async def apply(batch: Sequence[Event], _: Context) -> None:
            if reads:
                for event in batch:
                    event.after["id"]
            if batch[-1].record.offset == self._count - 1:
                await dedup.stop()

        async with self._consumer() as consumer, dedup.attach(consumer) as run:
            await consumer.position(TOPIC)
            began = time.perf_counter()
            await run()
            return time.perf_counter() - began

    async def state(self, *, reads: bool = False) -> float:
        """With `PostgresState`; seconds."""
        return await self.through(PostgresState(self._pool), reads=reads)

    async def inbox(self, *, reads: bool = False) -> float:
        """With `PostgresInbox`; seconds."""
        return await self.through(PostgresInbox(self._pool), reads=reads)

    async def window(self, *, reads: bool = False) -> float:
        """With `MemoryWindow`; seconds."""
        return await self.through(MemoryWindow(ttl_seconds=600, max_entries=1_000_000), reads=reads)


async def leave_as_it_is(_: object) -> None:
    """Nothing: the handler sets nothing for the whole session."""


async def measure(bootstrap: str, dsn: str, *, count: int, rounds: int, brief: bool) -> list[Target]:
    """Every way in turn, `rounds` times; `brief`: but the inbox, which no target is about."""
    rng = Random(1)
    await fill(bootstrap, events(count, rng))
    async with asyncpg.create_pool(dsn, min_size=2, max_size=2, reset=leave_as_it_is) as pool:
        ways = Ways(bootstrap, pool, count)
        contenders: dict[str, Callable[[], Awaitable[float]]] = {
            "bare": lambda: ways.bare(reads=False),
            "bare again": lambda: ways.bare(reads=False),
            "PostgresState": ways.state,
            "MemoryWindow": ways.window,
            "bare, reading rows": lambda: ways.bare(reads=True),
            "PostgresState, reading rows": lambda: ways.state(reads=True),
            "MemoryWindow, reading rows": lambda: ways.window(reads=True),
        }
        if not brief:
            contenders["PostgresInbox"] = ways.inbox
        seconds: dict[str, list[float]] = {name: [] for name in contenders}
        for way in contenders.values():
            await way()  # so that nothing is done for the first time
        for _ in range(rounds):
            for name, way in rng.sample(list(contenders.items()), len(contenders)):
                seconds[name].append(await way())
    for name, took in seconds.items():
        rate = count / sorted(took)[len(took) // 2]
        print(f"{name:30} {rate:12,.0f} events/s")

    def speed(name: str, beside: str) -> Ratio:
        ratios = [b / a for a, b in zip(seconds[name], seconds[beside], strict=True)]
        return Ratio.of(f"{name} / {beside}", ratios)

    again = speed("bare again", "bare")
    if not brief:
        inbox = speed("PostgresInbox", "bare")
        print(f"PostgresInbox / bare {inbox.median:.3f} [{inbox.low:.3f}, {inbox.high:.3f}]")
    print(f"A/A {again.median:.3f} [{again.low:.3f}, {again.high:.3f}]")
    return [
        speed("PostgresState", "bare").at_least(0.90),
        speed("PostgresState, reading rows", "bare, reading rows").at_least(0.90),
        speed("MemoryWindow", "bare").at_least(0.85),
        speed("MemoryWindow, reading rows", "bare, reading rows").at_least(0.85),
    ]


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and say whether the targets were met."""
    parser = command_line("benchmarks.dedup.throughput", __doc__)
    parser.add_argument("--records", type=int, default=150_000)
    parser.add_argument("--rounds", type=int, default=7)
    add_brief(parser)
    options: Any = parser.parse_args(argv)
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    with PostgresServer.start() as server, KafkaBroker.start() as broker:
        made = measure(
            broker.url, server.url, count=options.records, rounds=options.rounds, brief=options.brief
        )
        return conclude(asyncio.run(made))


if __name__ == "__main__":
    sys.exit(main())
