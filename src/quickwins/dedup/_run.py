"""The loop around a consumer: which partitions it has, what is read of them, when they wait."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from quickwins.core.clock import backoff_seconds
from quickwins.core.errors import ConfigError
from quickwins.dedup._ahead import read_ahead
from quickwins.dedup._consumer import check_reads, ends_of
from quickwins.dedup._lane import HandlerFailed, Lane, stopped_because
from quickwins.dedup._log import bounds_if_cut, check_first, first_of, made_anew
from quickwins.dedup._partition import Partition, State
from quickwins.dedup.errors import Fenced, PartitionQuarantined, StoreDown
from quickwins.dedup.stores._base import Forgets

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence
    from random import Random

    from quickwins.core.clock import Clock
    from quickwins.dedup._work import Work
    from quickwins.dedup.identity import Record

T = TypeVar("T")
FETCH_SECONDS = 0.5
COMMIT_SECONDS = 1.0
"""How often Kafka is told where to go on. It is advice for its own tools: the cursor decides."""
FENCED_SECONDS = 10.0
"""How long one that was fenced waits for Kafka to take the partition from it, before it asks for it again."""


class Run:
    """What `Deduplicator.attach` gives. Call it to consume; one event loop, one call at a time."""

    def __init__(self, work: Work, consumer: Any, *, clock: Clock, rng: Random) -> None:
        self._work = work
        self._consumer = consumer
        self._clock = clock
        self._rng = rng
        self._assignment: object = None
        self._partitions: dict[Any, Partition] = {}
        self._stopping = False
        self._wake = asyncio.Event()
        """A fetch ends early: it must stop, or a partition is not read any more."""
        self._applying: set[asyncio.Task[None]] = set()
        self._commit_at = 0.0
        self._failure: BaseException | None = None

    def __repr__(self) -> str:
        states = ", ".join(
            f"{one.at.topic}:{one.at.partition} {one.state.name.lower()}" for one in self._partitions.values()
        )
        return f"<Run of {self._work.group!r}: {states or 'no partition'}>"

    def stop(self) -> None:
        """Have the call return once what is in progress has had its effect."""
        self._stopping = True
        self._wake.set()

    async def __call__(self) -> None:
        """Consume until `stop`, or until it is cancelled: then what is in progress is rolled back.

        Raises:
            Exception: What the handler raised, when there is no `poison` to put its event aside.
            ConfigError: The consumer was not started or reads nothing; the handler is not async, or ends its transaction.
        """
        check_reads(self._consumer)
        try:
            while not self._stopping:
                await self._turn()
            await self._settle()
            await self._commit()
        finally:
            for task in self._applying:
                task.cancel()
            await asyncio.gather(*self._applying, return_exceptions=True)
            self._release()

    @property
    def quarantined(self) -> list[Any]:
        """The partitions that wait for somebody to look at them, as `TopicPartition`s."""
        return [one.at for one in self._partitions.values() if one.state is State.QUARANTINED]

    async def _turn(self) -> None:
        """Read the next batches while the last ones take effect."""
        self._wake.clear()
        assignment = self._consumer.assignment()
        if assignment is not self._assignment:  # aiokafka makes a new set at each rebalance, an equal one too
            await self._settle()
            self._assignment = assignment
            self._reassign(assignment)
        now = self._clock.monotonic()
        for one in list(self._partitions.values()):
            if one.state is State.NEW or (one.state is State.WAITING and now >= one.retry_at):
                await self._take(one)
            if self._stopping or self._consumer.assignment() is not self._assignment:
                return
        ready = [one.at for one in self._partitions.values() if one.state is State.READY]
        fetched = await self._fetch(ready)
        await self._read_ahead(fetched)
        await self._settle()
        if self._stopping or self._consumer.assignment() is not self._assignment:
            return  # they are of an assignment that is over: their new owner reads them again
        for at, records in fetched.items():
            one = self._partitions[at]
            if one.state is State.READY and one.lane is not None and records:
                self._applying.add(asyncio.create_task(self._apply(one, one.lane, records)))
        if self._clock.monotonic() >= self._commit_at:
            await self._settle()
            await self._look_for_another()
            await self._commit()

    async def _settle(self) -> None:
        """Wait until the batches in progress have had their effect, or have not."""
        await asyncio.gather(*self._applying)
        self._applying.clear()
        if self._failure is not None:
            failure, self._failure = self._failure, None
            raise failure

    def _reassign(self, assignment: frozenset[Any]) -> None:
        # aiokafka forgets pauses, too. It also moves on in the new assignment by what a fetch gave that the old one began, and
        # what such a fetch gave had no effect: so where it stands is not where to read on.
        old = self._partitions
        self._partitions = {at: Partition(at) for at in assignment}
        for at in assignment & old.keys():
            self._partitions[at].before = old[at].before if old[at].start is None else old[at].start

    async def _fetch(self, ready: Sequence[Any]) -> dict[Any, list[Record]]:
        """Some records of `ready`, or none when it takes long or something else is to be done."""
        if not ready:
            # Membership is the business of aiokafka's own task; fetching would need a partition.
            await self._unless_woken(self._clock.sleep(self._next_retry()))
            return {}
        most = self._work.max_records
        await asyncio.sleep(0)  # the last batches begin, and wait while the next ones are unpacked
        if not self._wake.is_set() and (at_once := await self._consumer.getmany(*ready, max_records=most)):
            fetched: dict[Any, list[Record]] = at_once
            return fetched
        seconds = int(FETCH_SECONDS * 1000)
        waited_for = self._consumer.getmany(*ready, timeout_ms=seconds, max_records=most)
        return await self._unless_woken(waited_for) or {}

    async def _read_ahead(self, fetched: dict[Any, list[Record]]) -> None:
        for at, records in fetched.items():
            lane = self._partitions[at].lane
            if lane is not None:
                await read_ahead(lane.reader, records)

    async def _unless_woken(self, doing: Coroutine[Any, Any, T]) -> T | None:
        task, wake = asyncio.ensure_future(doing), asyncio.ensure_future(self._wake.wait())
        try:
            await asyncio.wait((task, wake), return_when=asyncio.FIRST_COMPLETED)
        finally:
            task.cancel()
            wake.cancel()
            await asyncio.gather(task, wake, return_exceptions=True)
        return None if task.cancelled() else task.result()

    def _next_retry(self) -> float:
        waiting = [one.retry_at for one in self._partitions.values() if one.state is State.WAITING]
        left = min(waiting) - self._clock.monotonic() if waiting else FETCH_SECONDS / 10
        return min(FETCH_SECONDS, max(0.0, left))

    async def _take(self, one: Partition) -> None:
        """Take a partition over, or read again what a handler has failed with."""
        if one.lane is not None:
            self._rewind(one)
            self._ready(one)
            return
        at = one.at
        try:
            partitions = len(self._consumer.partitions_for_topic(at.topic) or ())
            if not partitions:
                raise StoreDown(f"the broker has not said yet how many partitions {at.topic} has")  # noqa: TRY301 -- it waits as for all that is away; until=never
            lane = await self._work.take(at.topic, at.partition, partitions)
            if not await self._begin(one, lane):
                return
        except PartitionQuarantined as error:
            self._quarantine(one, str(error))
        except Exception as error:  # noqa: BLE001 -- of a store or a broker; whatever it is, the partition waits; until=never
            self._wait(one, error)
        else:
            self._rewind(one)
            self._ready(one)

    async def _begin(self, one: Partition, lane: Lane) -> bool:
        """Find out where to read on; whether the partition is still this consumer's.

        Raises:
            PartitionQuarantined: What comes next is not in its log.
        """
        at = one.at
        first = await first_of(self._consumer, at)
        committed = await self._consumer.committed(at)
        start: int | None = one.start
        if start is None and one.before is not None:
            start = one.before if committed is None else committed
        elif start is None:
            start = await self._consumer.position(at)
        known = lane.held.next_offset
        if self._consumer.assignment() is not self._assignment:
            return False
        if known is None and committed is None and start is not None:
            await self._tell_start(at, start)
            if self._consumer.assignment() is not self._assignment:
                return False
        one.lane, one.first, one.start, one.is_going = lane, first, start, False
        check_first(at, first, committed if known is None else known)
        if known is not None and one.end is not None and one.end < known:
            made_anew(at, f"it ends at offset {one.end}, and what was at {known - 1} had its effect")
        one.end = None
        return True

    async def _tell_start(self, at: Any, start: int) -> None:
        """Commit where reading begins, so that the next consumer begins there; at once, as later it could overwrite a higher offset."""
        with suppress(Exception):  # what has its effect is told as well
            await self._consumer.commit({at: start})

    def _ready(self, one: Partition) -> None:
        one.state = State.READY
        if one.paused:
            one.paused = False
            self._consumer.resume(one.at)
        self._work.reports.goes_on(one.at)

    def _rewind(self, one: Partition) -> None:
        """Have the consumer read on where effects end: it stands behind what it has fetched."""
        to = one.start if one.lane is None or one.lane.held.seek_to is None else one.lane.held.seek_to
        one.start = to
        if to is not None and self._consumer.assignment() is self._assignment:
            # Below the first offset the consumer would go by `auto_offset_reset`, and perhaps to the end.
            self._consumer.seek(one.at, max(to, one.first))

    async def _apply(self, one: Partition, lane: Lane, records: Sequence[Record]) -> None:
        try:
            if not await self._follows(one, lane, records):
                return
            step = lane.step(records)
            for start in range(0, len(records), step):
                began = self._clock.monotonic()
                on = self._work.is_on(one.at.topic, one.at.partition)
                batch = await lane.apply(records[start : start + step], on=on)
                one.moved = True
                self._work.reports.applied(one.at, batch, self._clock.monotonic() - began)
                if batch.failure is not None:
                    raise batch.failure  # noqa: TRY301 -- it goes the way of one that `apply` raises; until=never
                one.failures = 0
                if batch.held_up_seconds is not None:
                    self._hold_up(one, batch.held_up_seconds)
                    return
                if batch.stopped is not None:
                    self._quarantine(one, await stopped_because(batch.stopped, lane.held.explain))
                    return
        except PartitionQuarantined as error:
            self._quarantine(one, str(error))
        except Fenced as error:
            self._wait(one, error, FENCED_SECONDS)
        except HandlerFailed as failed:
            self._handler_failed(one, lane, records, failed)
        except Exception as error:  # noqa: BLE001 -- see `_take`; until=never
            self._wait(one, error)

    async def _follows(self, one: Partition, lane: Lane, records: Sequence[Record]) -> bool:
        """Whether `records` come behind what had its effect.

        Offsets are missing where a topic is compacted, or behind a transaction; but also where retention was quicker. They go
        back where the log is another one; of the first that are read, the store looks at that itself.

        Raises:
            PartitionQuarantined: What comes next was deleted.
        """
        offset, expected, lowest = records[0].offset, lane.held.next_offset, lane.held.seek_to
        if one.is_going and lowest is not None and offset < lowest:
            self._take_anew(one, offset)
            return False
        if expected is not None and offset > expected:
            check_first(one.at, await first_of(self._consumer, one.at), expected)
        one.is_going = True
        return True

    def _take_anew(self, one: Partition, start: int) -> None:
        """Its log may be another one: it went back, which Kafka's never does."""
        one.lane, one.state, one.start = None, State.NEW, start
        self._wake.set()

    async def _look_for_another(self) -> None:
        """A log that ends before what had its effect was cut, or created again under its name, whatever the consumer reads on from."""
        for one in [one for one in self._partitions.values() if one.state is State.READY]:
            if self._consumer.assignment() is not self._assignment:
                return
            expected = None if one.lane is None else one.lane.held.next_offset
            end = self._consumer.highwater(one.at)
            if expected is None or end is None or end >= expected:
                continue  # a fetch says so, and it may be of a broker that knows less than the others
            try:
                bounds = await bounds_if_cut(self._consumer, one.at, expected)
            except Exception as error:  # noqa: BLE001 -- see `_take`; until=never
                self._wait(one, error)
            else:
                if bounds is not None:
                    first, one.end = bounds
                    self._take_anew(one, first)

    def _handler_failed(
        self, one: Partition, lane: Lane, records: Sequence[Record], failed: HandlerFailed
    ) -> None:
        poison = self._work.poison
        self._rewind(one)
        if poison is None or isinstance(failed.cause, ConfigError):  # which no event is to blame for
            self._failure = failed.cause
            self._wake.set()
            return
        if failed.event is None:
            for record in records:  # next time each by itself
                lane.attempts.setdefault(record.offset, 0)
        else:
            offset = failed.event.record.offset
            lane.attempts[offset] = lane.attempts.get(offset, 0) + 1
            if lane.attempts[offset] >= poison.max_attempts:
                lane.passed[offset] = failed.cause
        self._pause(one)
        one.failures += 1
        one.state = State.WAITING
        one.retry_at = self._clock.monotonic() + self._backoff(one)

    def _hold_up(self, one: Partition, seconds: float) -> None:
        """Read again from the record that somebody else works on, when they must be done with it or gone."""
        self._rewind(one)
        self._pause(one)
        one.state = State.WAITING
        one.retry_at = self._clock.monotonic() + seconds

    def _wait(self, one: Partition, error: BaseException, seconds: float | None = None) -> None:
        """Try again later, and take the partition again then: its row says where to go on."""
        self._rewind(one)
        self._pause(one)
        one.failures += 1
        one.state, one.lane = State.WAITING, None
        one.retry_at = self._clock.monotonic() + (self._backoff(one) if seconds is None else seconds)
        self._work.reports.waits(one.at, error)

    def _quarantine(self, one: Partition, why: str) -> None:
        self._pause(one)
        one.state = State.QUARANTINED
        self._work.reports.quarantined(one.at, why)

    def _pause(self, one: Partition) -> None:
        """What nobody reads must not hold up the others' fetches."""
        self._wake.set()
        if self._consumer.assignment() is self._assignment and one.at not in self._consumer.paused():
            one.paused = True
            self._consumer.pause(one.at)

    def _backoff(self, one: Partition) -> float:
        return backoff_seconds(one.failures, base_seconds=0.05, cap_seconds=10.0, rng=self._rng)

    async def _commit(self) -> None:
        self._commit_at = self._clock.monotonic() + COMMIT_SECONDS
        offsets = {}
        for one in self._partitions.values():
            if one.moved and one.lane is not None:
                one.moved = False
                if one.lane.held.next_offset is not None:
                    offsets[one.at] = one.lane.held.next_offset
        if self._consumer.assignment() is not self._assignment:
            return
        self._work.reports.behind(
            sum(one.behind(self._consumer.highwater(one.at)) for one in self._partitions.values())
        )
        if offsets:
            try:
                await self._consumer.commit(offsets)
                for at, offset in offsets.items():
                    await self._told(at, offset)
            except Exception:  # noqa: BLE001 -- the next time it is told; until=never
                for at in offsets.keys() & self._partitions.keys():
                    self._partitions[at].moved = True

    async def _told(self, at: Any, offset: int) -> None:
        lane = self._partitions[at].lane
        if lane is not None and isinstance(lane.held, Forgets):
            await lane.held.told(offset, lambda: ends_of(self._consumer, at))

    def _release(self) -> None:
        if self._consumer.assignment() is self._assignment:
            for one in self._partitions.values():
                self._rewind(one)
                if one.paused:
                    self._consumer.resume(one.at)
        self._partitions = {}
        self._assignment = None
