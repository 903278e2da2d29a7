"""The deduplicator: an identity, a store and a handler, attached to a consumer."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar

from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.events import (
    DEDUP_ALTERED,
    DEDUP_PAUSED,
    DEDUP_QUARANTINED,
    DEDUP_RESUMED,
    DUPLICATE_SKIPPED,
    Reporter,
)
from quickwins.core.metrics import Metrics
from quickwins.dedup import metrics
from quickwins.dedup._consumer import check_consumer
from quickwins.dedup._core.reading import Reader
from quickwins.dedup._lane import Lane
from quickwins.dedup._run import Run
from quickwins.dedup.decision import Decision, Explanation
from quickwins.dedup.identity._base import checked_name
from quickwins.dedup.stores._base import Checks, Place, Sized, Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from random import Random

    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flag
    from quickwins.dedup._core.batch import Batch
    from quickwins.dedup.checked import Checked
    from quickwins.dedup.context import Context
    from quickwins.dedup.dead_letters import DeadLetterTable
    from quickwins.dedup.event import Event
    from quickwins.dedup.identity import Identity, Record

    _B = TypeVar("_B", bound=Callable[[Sequence[Event], Context], Awaitable[None]])
    _E = TypeVar("_E", bound=Callable[[Event, Context], Awaitable[None]])


class _TopicPartition(Protocol):
    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...


class Deduplicator:
    """Has each event of a consumer group take effect once. Belongs to one event loop.

    Example:
        dedup = Deduplicator(
            group="feed-projector", identity=DebeziumPostgres(incarnation="pg1"), store=PostgresState(pool)
        )

        @dedup.batch(max_records=1000)
        async def apply(events, ctx):
            for event in events:
                await ctx.tx.execute("...", event.after["id"])

        async with dedup.attach(consumer) as run:
            await run()

    Attributes:
        group: The consumer group.
        poison: Where records go that cannot be applied; without, the first of them stops its partition, or `run`.
        max_records: How many events a handler gets at most.
    """

    def __init__(  # noqa: PLR0913 -- one keyword for each thing a consumer needs, and what every shell takes; until=never
        self,
        *,
        group: str,
        identity: Identity,
        store: Store,
        cluster: str = "",
        on_store_down: Literal["pause"] = "pause",
        poison: DeadLetterTable | None = None,
        flag: Flag | None = None,
        service: str = "",
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
        rng: Random | None = None,
    ) -> None:
        """Nothing is connected to yet.

        Args:
            group: The consumer group; as the consumer has it.
            identity: What tells an event from all others.
            store: Where it is remembered what had its effect.
            cluster: A name for the Kafka cluster; give another one when the same topics are read from another cluster.
            on_store_down: What to do when the store cannot be reached: its partitions wait, and go on by themselves. There is
                no other way: without the store nobody knows what is new.
            poison: Where records go that cannot be applied.
            flag: The live flag; always on when `None`. Off, each event goes to the handler, in the same transaction, and the
                cursor moves all the same, so that it can be turned on again. Its percentage is of partitions.
            service: On all series and events.
            registry: For the series; the default registry when `None`.
            clock: For waiting and measuring.
            rng: For back-off.

        Raises:
            ConfigError: An argument is none of these.
        """
        self.group = checked_name("group", group, longest=255)
        self.poison = poison
        self.max_records = 1_000
        self._concurrency: int | None = None
        if on_store_down != "pause":
            raise ConfigError(f"on_store_down must be 'pause', not {on_store_down!r}")
        if not isinstance(store, Store):
            raise ConfigError(f"store must be a store, as PostgresState is, not a {type(store).__name__}")
        store.check(identity)
        self._identity = identity
        self._store = store
        self._cluster = cluster
        self._flag = flag
        self._clock = SystemClock() if clock is None else clock
        self._rng = random.Random() if rng is None else rng  # noqa: S311 -- for back-off, no secret; until=never
        self._metrics = Metrics(registry=registry, service=service, name=group)
        self._reporter = Reporter(service=service, name=group, registry=registry)
        self._waiting: set[_TopicPartition] = set()
        self._handler: Callable[[Sequence[Event], Context], Awaitable[None]] | None = None
        self._run: Run | None = None
        self._stop_asked = False
        self._skipped: Counter[str] = Counter()
        self._lanes: dict[tuple[str, int], Lane] = {}

    def __repr__(self) -> str:
        return f"<Deduplicator {self.group!r}, {self._identity!r}, {self._store!r}>"

    def batch(self, *, max_records: int = 1_000) -> Callable[[_B], _B]:
        """Make a function the handler of events of one partition, in their order.

        Args:
            max_records: How many it gets at most, 1 to 100,000.

        Raises:
            ConfigError: There is a handler already, or the number is out of its bounds.
        """
        if not 1 <= max_records <= 100_000:  # noqa: PLR2004 -- as documented; until=never
            raise ConfigError(f"max_records must be 1 to 100000, not {max_records!r}")

        def take(handler: _B) -> _B:
            self._take_handler(handler)
            self.max_records = max_records
            return handler

        return take

    def each(self, *, order: Literal["key"] = "key", concurrency: int = 32) -> Callable[[_E], _E]:
        """Make a function the handler of one event.

        Under `PostgresState` each event has a transaction of its own, in the partition's order, whatever `concurrency` says:
        partitions are independent of each other, and their events are not.

        Args:
            order: Events of one key are handled in their order.
            concurrency: How many events at a time, for stores without a cursor; 1 to 1,000.

        Raises:
            ConfigError: There is a handler already, or an argument is out of its bounds.
        """
        if order != "key":
            raise ConfigError(f"order must be 'key', not {order!r}")
        if not 1 <= concurrency <= 1_000:  # noqa: PLR2004 -- as documented; until=never
            raise ConfigError(f"concurrency must be 1 to 1000, not {concurrency!r}")

        def take(handler: _E) -> _E:
            async def one(events: Sequence[Event], context: Context) -> None:
                await handler(events[0], context)

            self._take_handler(one)
            self._concurrency = concurrency
            return handler

        return take

    def _take_handler(self, handler: Callable[[Sequence[Event], Context], Awaitable[None]]) -> None:
        if self._handler is not None:
            raise ConfigError(f"the deduplicator of {self.group!r} has a handler already")
        self._handler = handler

    @asynccontextmanager
    async def attach(self, consumer: Any) -> AsyncIterator[Run]:
        """Get everything ready to consume; the consumer stays the caller's, who starts and stops it.

        Raises:
            ConfigError: There is no handler, it is attached already, the consumer commits by itself, or the tables are missing
                and may not be made.
        """
        check_consumer(consumer)
        if self._handler is None:
            raise ConfigError(
                "there is no handler yet: put @dedup.batch() or @dedup.each() before a function"
            )
        if self._run is not None:
            raise ConfigError(f"the deduplicator of {self.group!r} is attached to a consumer already")
        self._run = run = Run(self, consumer, clock=self._clock, rng=self._rng)
        if self._stop_asked:
            self._stop_asked = False
            run.stop()
        try:
            await self._store.prepare()
            if self.poison is not None:
                await self.poison.prepare()
            yield run
        finally:
            self._run = None
            self._lanes.clear()
            await self._store.close()

    async def check(self, record: Record) -> Checked:
        """Claim one record, for a service that has a loop of its own.

        Weaker than `attach`: the caller commits offsets, keeps the order of a key, ends each claim within its lease, and puts
        aside what it cannot apply. Any number at a time. The store connects at the first call; `close` closes it.

        Raises:
            ConfigError: The store cannot: with a transaction and a cursor only `attach` keeps the promise.
            EventRefused: It is no event that could be told from its duplicates.
            Exception: What the store says when it is away: nothing is claimed, or until the lease ends.
        """
        if not isinstance(self._store, Checks):
            raise ConfigError(f"{self._store!r} has no claims on single records: consume with `attach`")
        await self._store.prepare()
        place = Place(self.group, self._cluster, record.topic, record.partition)
        on = self.on(record.topic, record.partition)
        return await self._store.check_one(place, self._identity, record, on=on)

    async def close(self) -> None:
        """Stop, and close the store's connections; what `attach` has opened it closes by itself."""
        await self.stop()
        if self._run is None:
            await self._store.close()

    async def stop(self) -> None:
        """Have `run` return once what is in progress has had its effect. Any number of times.

        While no consumer is attached, the next `run` returns at once: a signal may come before everything is up.
        """
        if self._run is not None:
            self._run.stop()
        else:
            self._stop_asked = True

    async def explain(self, record: Record) -> Explanation:
        """What would become of `record`, a partition's next one, and why; nothing changes.

        Raises:
            ConfigError: Its partition is none of this consumer's.
        """
        lane = self._lanes.get((record.topic, record.partition))
        if lane is None:
            raise ConfigError(f"{record.topic}:{record.partition} is not read here: nothing is known of it")
        return await lane.held.explain(record)

    # What the run asks and tells.

    async def take(self, topic: str, partition: int, partitions: int) -> Lane:
        """See `Owner`."""
        assert self._handler is not None
        place = Place(self.group, self._cluster, topic, partition)
        reader = Reader(self._identity)
        held = await self._store.take(place, reader, partitions)
        lane = self._lanes[topic, partition] = Lane(
            held,
            reader=reader,
            handler=self._handler,
            concurrency=self._concurrency,
            store=self._store,
            poison=self.poison,
            incarnation=self._identity.incarnation,
        )
        return lane

    def on(self, topic: str, partition: int) -> bool:
        """See `Owner`."""
        return self._flag is None or self._flag.active_for(f"{topic}:{partition}")

    def applied(self, at: _TopicPartition, batch: Batch, seconds: float) -> None:
        """See `Owner`."""
        if batch.altered:
            self._metrics.counter(metrics.ALTERED, group=self.group, topic=at.topic).inc(batch.altered)
            self._reporter.report(DEDUP_ALTERED, topic=at.topic, partition=at.partition, count=batch.altered)
        self._metrics.histogram(metrics.STORE_SECONDS, group=self.group).observe(seconds)
        for decision, count in batch.counts.items():
            where = {"group": self.group, "topic": at.topic}
            self._metrics.counter(metrics.PROCESSED, decision=decision, **where).inc(count)
            if decision in (Decision.DUP_OFFSET, Decision.DUP_SOURCE):
                self._metrics.counter(metrics.DEDUPLICATED, reason=decision, **where).inc(count)
                self._skipped[at.topic] += count
            if decision is Decision.QUARANTINE:
                self._metrics.counter(metrics.DEAD_LETTERS, **where).inc(count)

    def quarantined(self, at: _TopicPartition, why: str) -> None:
        """See `Owner`."""
        self._metrics.counter(metrics.QUARANTINED, group=self.group, topic=at.topic).inc()
        self._reporter.report(DEDUP_QUARANTINED, topic=at.topic, partition=at.partition, reason=why)

    def waits(self, at: _TopicPartition, error: BaseException) -> None:
        """See `Owner`; said once until it goes on."""
        if at not in self._waiting:
            self._waiting.add(at)
            self._reporter.report(
                DEDUP_PAUSED, topic=at.topic, partition=at.partition, reason=type(error).__name__
            )

    def goes_on(self, at: _TopicPartition) -> None:
        """See `Owner`."""
        if at in self._waiting:
            self._waiting.discard(at)
            self._reporter.report(DEDUP_RESUMED, topic=at.topic, partition=at.partition)

    def behind(self, records: int) -> None:
        """See `Owner`; about once a second, which is when what was skipped is reported, too."""
        skipped, self._skipped = self._skipped, Counter()
        for topic, count in skipped.items():
            self._reporter.report(DUPLICATE_SKIPPED, **{"messaging.destination.name": topic, "count": count})
        self._metrics.gauge(metrics.CURSOR_LAG, group=self.group).set(records)
        if isinstance(self._store, Sized):
            self._metrics.gauge(metrics.WINDOW_ENTRIES, group=self.group).set(self._store.entries)
            self._metrics.gauge(metrics.WINDOW_BYTES, group=self.group).set(self._store.table_bytes)

    def commit_failed(self, error: BaseException) -> None:
        """See `Owner`; the next time it is told."""
