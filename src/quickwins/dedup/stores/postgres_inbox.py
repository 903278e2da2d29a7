"""Effects in PostgreSQL, of events in any order: the id of each in a table, written in the transaction of the effects.

The rules, which hold whatever ends when:

- A batch's transaction begins by writing the ids of its events. Those that were there are duplicates; the others are new, and
  their effects and their ids are there together or not at all. Who meets an id that another transaction writes waits for
  it to end. Ids are written in their order, so that two such transactions don't wait for each other.
- Kafka's offset says where to go on, and is told only what has had its effect, up to the first that has not.
- Ids are kept by the time at which their events happened, never by that of their arrival: an event that is sent again falls
  into the bucket of the first.
- What is forgotten is told by the events' time, too, up to what Kafka was told: a consumer that was away for a week has
  forgotten nothing of what it reads again. An event from before that is not guessed about.
- An event that is dated in the future has nothing forgotten: it may be a wrong date, and would take all others with it.
"""

from __future__ import annotations

import math
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.given import between
from quickwins.dedup._core.ids import Answer, Asking, Progress, settle
from quickwins.dedup._core.judge import Judged
from quickwins.dedup._core.scope import NOT_COMPARED, Scope, payload_of
from quickwins.dedup.decision import Decision, Explanation
from quickwins.dedup.errors import EventRefused, RefusedBecause, StoreDown
from quickwins.dedup.stores import _buckets, _postgres
from quickwins.dedup.stores._base import ById, Work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence

    from quickwins.core.clock import Clock
    from quickwins.dedup.event import Event
    from quickwins.dedup.identity import Identity, Record
    from quickwins.dedup.stores._base import Place

BUCKETS = 8
"""Into how many buckets the retention is divided: so much longer than asked for is an id kept at most, and one more."""
_DROP_SECONDS = 0.25
_AHEAD_SECONDS = 86_400
"""A source whose clock is so far ahead of ours is still believed to say how late it is, up to now."""

_WRITE = """
INSERT INTO quickwins.dedup_inbox (stream, partition, bucket, id, record_offset, payload)
SELECT $1, $2, * FROM unnest($3::integer[], $4::bytea[], $5::bigint[], $6::bytea[])
ON CONFLICT DO NOTHING RETURNING id
"""
_LOOK = """
SELECT id, partition, record_offset, payload FROM quickwins.dedup_inbox
WHERE stream = $1 AND bucket = ANY($2::integer[]) AND id = ANY($3::bytea[])
"""


class Held(ById):
    """A partition under `PostgresInbox`. One batch at a time.

    Attributes:
        place: Which.
        epoch: Grows each time it changes hands; for sinks, the inbox itself needs none.
        stream: Its topic's.
        floor: Events of earlier buckets are not told from their duplicates any more.
        latest: The latest bucket of what has had its effect.
        known: Buckets whose tables are there.
    """

    __slots__ = (
        "_store",
        "_told",
        "epoch",
        "floor",
        "known",
        "latest",
        "place",
        "stream",
    )

    def __init__(
        self,
        store: PostgresInbox,
        place: Place,
        identity: Identity,
        *,
        stream: _buckets.Stream,
        epoch: int,
        told: int | None,
    ) -> None:
        self.place = place
        self.epoch = epoch
        self.stream = stream
        self.floor = stream.floor if told is None else max(stream.floor, told - store.keep(stream))
        self.latest = -1
        self.known: set[int] = set()
        self._told = -1 if told is None else told
        self._store = store
        self._progress = Progress(identity, Scope(place.group, identity.incarnation, place.topic))

    @asynccontextmanager
    async def batch(
        self, records: Sequence[Record], *, on: bool, puts_aside: bool, passed: Mapping[int, BaseException]
    ) -> AsyncIterator[Work]:
        """See `stores.Held`."""
        asking = self._progress.ask(records, puts_aside=puts_aside, passed=passed)
        buckets = self._date(asking, puts_aside=puts_aside)
        missing = set(buckets.values()) - self.known
        if missing:
            await self._store.make(self, missing)
        async with self._store.transaction(self.place) as tx:
            answers = await self._store.write(tx, self, asking, buckets)
            settled = settle(asking, answers, on=on)
            yield Work(settled.batch, tx, self.epoch)
        self._progress.move(settled)
        self.latest = max([self.latest, *self._store.believed(self.stream, buckets.values())])

    def _date(self, asking: Asking, *, puts_aside: bool) -> dict[int, int]:
        """The bucket of each record that is asked for, by its number; what has none, or an old one, is not asked for."""
        buckets: dict[int, int] = {}
        for number in list(asking.wanted):
            event = asking.event(number)
            try:
                buckets[number] = self._bucket(event)
            except EventRefused as error:
                judged = Judged(event.record, Decision.QUARANTINE, event, error)
                if not puts_aside:
                    asking.cut(number, judged)
                    break
                asking.judge(number, judged)
        return buckets

    def _bucket(self, event: Event) -> int:
        seconds = self.stream.bucket_seconds
        bucket = int(self._progress.identity.happened_at(event) // seconds)
        if bucket < self.floor:
            raise EventRefused(
                f"it happened {(self.floor - bucket) * seconds:,} s before the oldest events that the inbox remembers of its "
                "topic: whether it had its effect is not known any more",
                reason=RefusedBecause.TOO_OLD,
            )
        return bucket

    async def told(self, next_offset: int, ends: Callable[[], Awaitable[Mapping[int, int]]]) -> None:
        """See `stores.Held`. Once for each bucket, what is too old is dropped."""
        if self.latest <= self._told:
            return
        if await self._store.told(self, next_offset, await ends()):
            self._told = self.latest
        self.floor = max(self.floor, self.latest - self._store.keep(self.stream))

    async def explain(self, record: Record) -> Explanation:
        """See `stores.Held`."""
        asking = self._progress.ask_about(record)
        buckets = self._date(asking, puts_aside=True)
        judged = asking.judged.get(0)
        if judged is not None:
            refused = judged.refused
            if refused is not None:
                return Explanation(judged.decision, str(refused), {"reason": str(refused.reason)})
            why = (
                f"offset {record.offset} is below {self.next_offset}, the first that had no effect yet"
                if judged.decision is Decision.DUP_OFFSET
                else "a policy leaves records of its kind out"
            )
            return Explanation(judged.decision, why, {"offset": record.offset})
        one = asking.wanted[0]
        found = await self._store.look(self, [one], [*buckets.values()])
        evidence: dict[str, str | int | None] = {"id": one.hex(), "bucket": buckets[0]}
        if not found:
            return Explanation(Decision.NEW, "its id is not in the inbox", evidence)
        partition, offset, _ = found[one]
        evidence |= {"partition": partition, "offset": offset}
        why = f"its id came at offset {offset} of partition {partition}"
        return Explanation(_known(asking.event(0), found[one], self.place).decision, why, evidence)


class PostgresInbox:
    """The ids of events in the database of their effects. Belongs to one event loop; needs a pool of at least one connection.

    Attributes:
        pool: Where the effects are, too.
        retention_seconds: How long an id is known at least, in the time of its stream.
    """

    transactional = True

    def __init__(
        self,
        pool: Any,
        *,
        retention_seconds: float = 86_400.0,
        takeover_seconds: float = 30.0,
        clock: Clock | None = None,
    ) -> None:
        """Nothing is connected to yet.

        Args:
            pool: An asyncpg pool, or a `GatedPool` around one; the caller's. Its role must own the inbox's tables.
            retention_seconds: How far behind the newest event of its topic a duplicate may come, one second to ten years. An
                older event is put aside or stops its partition.
            takeover_seconds: How long a transaction may do nothing, as that of a process that was stopped, before the server
                ends it, 1 to 3,600. A handler that waits for something else than its database must take less.
            clock: For waiting, and for what is the future.

        Raises:
            ConfigError: An argument is out of its bounds.
        """
        self.pool = _postgres.checked_pool("PostgresInbox", pool)
        self.retention_seconds = between("retention_seconds", retention_seconds, 1, 3_660 * 86_400)
        self._takeover_seconds = between("takeover_seconds", takeover_seconds, 1, 3_600)
        self._clock = SystemClock() if clock is None else clock
        self._drop_seconds = _DROP_SECONDS

    def __repr__(self) -> str:
        return f"<PostgresInbox retention_seconds={self.retention_seconds:g}>"

    def keep(self, stream: _buckets.Stream) -> int:
        """How many buckets behind the latest one are kept."""
        return math.ceil(self.retention_seconds / stream.bucket_seconds)

    def check(self, identity: Identity) -> None:
        """See `Store`."""
        if not identity.dated:
            raise ConfigError(
                f"PostgresInbox forgets by the time at which events happened, which {identity!r} does not know: give it "
                "`time`, a function of the record"
            )

    async def prepare(self) -> None:
        """Make the tables where they are missing.

        Raises:
            ConfigError: The role may not; the message has the statements to run by somebody who may.
        """
        await _postgres.make(self.pool, "quickwins.dedup_inbox", _buckets.SCHEMA)

    async def close(self) -> None:
        """Nothing to give back: the pool is the caller's."""

    async def take(self, place: Place, identity: Identity, partitions: int) -> Held:  # noqa: ARG002 -- an id is known whatever partition it comes in; until=never
        """See `Store`."""
        width = math.ceil(self.retention_seconds / BUCKETS)
        async with self.transaction() as tx:
            stream, epoch, told = await _buckets.take(tx, place, width)
        await _postgres.oust(self.pool, place, self._takeover_seconds, self._clock)
        return Held(self, place, identity, stream=stream, epoch=epoch, told=told)

    def transient(self, error: BaseException) -> bool:
        """See `Store`."""
        return _postgres.transient(error)

    # What a partition asks for.

    def transaction(self, place: Place | None = None) -> Any:
        """One that the server ends when its process was stopped; a batch's own says whose it is."""
        return _postgres.bounded(self.pool, self._takeover_seconds, place)

    def believed(self, stream: _buckets.Stream, buckets: Iterable[int]) -> list[int]:
        """What `buckets` say of how late it is in their stream, none of them the future's."""
        now = self._clock.wall()
        latest, last = now // stream.bucket_seconds, (now + _AHEAD_SECONDS) // stream.bucket_seconds
        return [min(bucket, int(latest)) for bucket in buckets if bucket <= last]

    async def make(self, held: Held, buckets: set[int]) -> None:
        """Have tables for `buckets`.

        Raises:
            StoreDown: Some are too old by now.
        """
        async with self.transaction() as tx:
            floor = await _buckets.make(tx, held.stream.number, buckets)
        if floor > min(buckets):
            raise StoreDown(f"what was remembered of {held.place.topic} was dropped meanwhile")
        held.known |= buckets

    async def write(
        self, tx: Any, held: Held, asking: Asking, buckets: Mapping[int, int]
    ) -> dict[int, Answer]:
        """Write ids, and say of those that are not new what is known of them.

        Raises:
            StoreDown: Their table was dropped meanwhile.
        """
        from asyncpg import CheckViolationError

        wanted = sorted((one, number) for number, one in asking.wanted.items())
        if not wanted:
            return {}
        ids, numbers = zip(*wanted, strict=True)
        payloads = [payload_of(asking.event(number)) for number in numbers]
        try:
            rows = await tx.fetch(
                _WRITE,
                held.stream.number,
                held.place.partition,
                [buckets[number] for number in numbers],
                ids,
                [asking.records[number].offset for number in numbers],
                None if payloads[0] == NOT_COMPARED else payloads,  # an identity has all of them or none
            )
        except CheckViolationError as error:
            raise StoreDown(f"what was remembered of {held.place.topic} was dropped meanwhile") from error
        if len(rows) == len(wanted):
            return {}
        new = {row["id"] for row in rows}
        old = {number: one for one, number in wanted if one not in new}
        at = {buckets[number] for number in old}
        found = _found(await tx.fetch(_LOOK, held.stream.number, [*at], [*old.values()]))
        return {number: _known(asking.event(number), found[one], held.place) for number, one in old.items()}

    async def look(
        self, held: Held, ids: Sequence[bytes], buckets: Sequence[int]
    ) -> dict[bytes, tuple[int, int, bytes | None]]:
        """What is known of ids: the partition and offset that they came with, and their payload."""
        async with self.pool.acquire() as connection:
            return _found(await connection.fetch(_LOOK, held.stream.number, buckets, ids))

    async def told(self, held: Held, next_offset: int, ends: Mapping[int, int]) -> bool:
        """Note how far Kafka was told to have been read, and drop what is too old; whether that could be done now."""
        from asyncpg import LockNotAvailableError

        number, keep = held.stream.number, self.keep(held.stream)
        async with self.transaction() as tx:
            await _buckets.told(tx, number, held.place.partition, next_offset, held.latest)
        try:
            async with self.transaction() as tx:
                await tx.execute(f"SET LOCAL lock_timeout = '{self._drop_seconds:.3f}s'")
                await _buckets.raise_floor(tx, number, keep, ends)
        except LockNotAvailableError:
            # Somebody's batch is longer than that. Everybody waits behind one that drops: no longer than it must.
            self._drop_seconds = min(2 * self._drop_seconds, self._takeover_seconds)
            return False
        self._drop_seconds = _DROP_SECONDS
        return True


def _found(rows: Sequence[Any]) -> dict[bytes, tuple[int, int, bytes | None]]:
    return {row["id"]: (row["partition"], row["record_offset"], row["payload"]) for row in rows}


def _known(event: Event, found: tuple[int, int, bytes | None], place: Place) -> Answer:
    partition, offset, payload = found
    again = (partition, offset) == (place.partition, event.record.offset)
    altered = payload is not None and payload != payload_of(event)
    return Answer(Decision.DUP_OFFSET if again else Decision.DUP_SOURCE, altered)
