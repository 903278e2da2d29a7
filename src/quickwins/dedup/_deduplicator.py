"""The deduplicator: an identity, a store and a handler, attached to a consumer."""

from __future__ import annotations

import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.given import a_flag, whole, wrong
from quickwins.dedup._consumer import check_consumer
from quickwins.dedup._core.reading import Reader
from quickwins.dedup._lane import Lane
from quickwins.dedup._reports import Reports
from quickwins.dedup._run import Run
from quickwins.dedup._work import Work
from quickwins.dedup.identity._base import checked_name
from quickwins.dedup.stores._base import Checks, Place, Store

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
    from random import Random

    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flag
    from quickwins.dedup.checked import Checked
    from quickwins.dedup.context import Context
    from quickwins.dedup.dead_letters import DeadLetterTable
    from quickwins.dedup.decision import Explanation
    from quickwins.dedup.event import Event
    from quickwins.dedup.identity import Identity, Record

    _B = TypeVar("_B", bound=Callable[[Sequence[Event], Context], Awaitable[None]])
    _E = TypeVar("_E", bound=Callable[[Event, Context], Awaitable[None]])


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
            ConfigError: An argument isn't one of these.
        """
        self.group = checked_name("group", group, longest=255)
        self.poison = poison
        self.max_records = 1_000
        self._concurrency: int | None = None
        if on_store_down != "pause":
            raise ConfigError(f"on_store_down must be 'pause', not {on_store_down!r}")
        if isinstance(store, type) or not isinstance(store, Store):
            raise wrong("store", store, "a store, such as PostgresState(pool)")
        if isinstance(identity, type) or not hasattr(identity, "read"):
            raise wrong("identity", identity, 'an identity, such as HeaderId("id")')
        if poison is not None and not hasattr(poison, "max_attempts"):
            raise wrong("poison", poison, "a DeadLetterTable(pool), or None")
        store.check(identity)
        self._identity = identity
        self._store = store
        self._cluster = cluster
        self._flag = a_flag(flag)
        self._clock = SystemClock() if clock is None else clock
        self._rng = random.Random() if rng is None else rng  # noqa: S311 -- for back-off, no secret; until=never
        self._reports = Reports(group, store, service=service, registry=registry)
        self._handler: Callable[[Sequence[Event], Context], Awaitable[None]] | None = None
        self._run: Run | None = None
        self._stop_asked = False
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
        whole("max_records", max_records, 1, 100_000)

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
        whole("concurrency", concurrency, 1, 1_000)

        def take(handler: _E) -> _E:
            def one(events: Sequence[Event], context: Context) -> Awaitable[None]:
                return handler(events[0], context)

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
        work = Work(self.group, self.max_records, self.poison, self._take, self._is_on, self._reports)
        self._run = run = Run(work, consumer, clock=self._clock, rng=self._rng)
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
        on = self._is_on(record.topic, record.partition)
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
            ConfigError: Its partition isn't one of this consumer's.
        """
        lane = self._lanes.get((record.topic, record.partition))
        if lane is None:
            raise ConfigError(f"{record.topic}:{record.partition} is not read here: nothing is known of it")
        return await lane.held.explain(record)

    async def _take(self, topic: str, partition: int, partitions: int) -> Lane:
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

    def _is_on(self, topic: str, partition: int) -> bool:
        return self._flag is None or self._flag.active_for(f"{topic}:{partition}")
