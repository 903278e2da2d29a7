"""Effects in PostgreSQL: one row a partition, moved on in the transaction of the effects themselves.

The rules, which hold whatever ends when:

- A consumer that is given a partition adds one to the row's epoch and reads where to go on. Kafka's own offset is advice.
- A batch's transaction ends with `UPDATE ... WHERE epoch = mine AND next_offset = expected`. When no row is met, somebody
  else has taken the partition over, or what was thought to have failed was committed: everything is rolled back.
- So what had its effect and where to go on are one fact, and no crash comes between them.
- A consumer that was stopped in its transaction holds locks that its successor waits for: the server ends a transaction
  that is idle for `takeover_seconds`.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.given import between, whole
from quickwins.dedup._core.batch import fingerprint, sort
from quickwins.dedup._core.cursor import Cursor
from quickwins.dedup._core.ledger import Ledger
from quickwins.dedup._core.position import SourceId
from quickwins.dedup._log import made_anew
from quickwins.dedup.decision import Decision, Explanation
from quickwins.dedup.errors import EventRefused, Fenced, PartitionQuarantined
from quickwins.dedup.stores import _postgres, _saved
from quickwins.dedup.stores._base import Work

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from quickwins.core.clock import Clock
    from quickwins.dedup.identity import Identity, Record
    from quickwins.dedup.stores._base import Place

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS quickwins;
CREATE TABLE IF NOT EXISTS quickwins.dedup_cursors (
    consumer_group text NOT NULL,
    cluster text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    incarnation text NOT NULL,
    partitions integer NOT NULL,
    epoch bigint NOT NULL,
    next_offset bigint,
    transactions bigint NOT NULL DEFAULT 0,
    state bytea NOT NULL,
    moved_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer_group, cluster, topic, partition)
) WITH (fillfactor = 50);
CREATE TABLE IF NOT EXISTS quickwins.dedup_transactions (
    consumer_group text NOT NULL,
    cluster text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    through bigint NOT NULL,
    seen bytea NOT NULL,
    PRIMARY KEY (consumer_group, cluster, topic, partition, through)
);
"""
"""What `prepare` makes. `transactions` counts those that a partition has ever seen, `through` up to which of them a row tells."""

_TAKE = """
INSERT INTO quickwins.dedup_cursors AS mine (consumer_group, cluster, topic, partition, incarnation, partitions, epoch, state)
VALUES ($1, $2, $3, $4, $5, $6, 1, $7)
ON CONFLICT (consumer_group, cluster, topic, partition) DO UPDATE SET epoch = mine.epoch + 1
RETURNING epoch, next_offset, incarnation, partitions, transactions, state
"""
_ANEW = """
UPDATE quickwins.dedup_cursors SET incarnation = $5, partitions = $6, state = $7, transactions = 0
WHERE consumer_group = $1 AND cluster = $2 AND topic = $3 AND partition = $4
"""
_FORGET = """
DELETE FROM quickwins.dedup_transactions
WHERE consumer_group = $1 AND cluster = $2 AND topic = $3 AND partition = $4
"""
_SEEN = """
SELECT seen FROM quickwins.dedup_transactions
WHERE consumer_group = $1 AND cluster = $2 AND topic = $3 AND partition = $4 ORDER BY through
"""
_MOVE = """
WITH moved AS (
    UPDATE quickwins.dedup_cursors
    SET next_offset = $5, state = $6, transactions = $7, moved_at = now()
    WHERE consumer_group = $1 AND cluster = $2 AND topic = $3 AND partition = $4
      AND epoch = $8 AND next_offset IS NOT DISTINCT FROM $9
    RETURNING 1
), noted AS (
    INSERT INTO quickwins.dedup_transactions (consumer_group, cluster, topic, partition, through, seen)
    SELECT $1, $2, $3, $4, $7, $10 FROM moved WHERE length($10::bytea) > 0
)
SELECT count(*) FROM moved
"""
_PRUNE_EVERY = 64


class Held:
    """A partition under `PostgresState`. One batch at a time.

    Attributes:
        place: Which row.
        epoch: Of the row since it was taken.
        cursor: What is known; as in the row, but for a batch in progress.
        transactions: How many of the source's transactions it has seen, forgotten ones included.
        batches: How many batches have had their effect.
    """

    __slots__ = ("_compared", "_identity", "_store", "batches", "cursor", "epoch", "place", "transactions")

    def __init__(
        self,
        store: PostgresState,
        place: Place,
        identity: Identity,
        *,
        epoch: int,
        cursor: Cursor,
        transactions: int,
    ) -> None:
        self.place = place
        self.epoch = epoch
        self.cursor = cursor
        self.transactions = transactions
        self.batches = 0
        self._store = store
        self._identity = identity
        self._compared = False

    @property
    def next_offset(self) -> int | None:
        """See `stores.Held`."""
        return self.cursor.next_offset

    @property
    def seek_to(self) -> int | None:
        """At the last record that had its effect, to see that it is still the same one."""
        last = self.cursor.last
        return self.cursor.next_offset if last is None else last[0]

    @asynccontextmanager
    async def batch(
        self, records: Sequence[Record], *, on: bool, puts_aside: bool, passed: Mapping[int, BaseException]
    ) -> AsyncIterator[Work]:
        """See `stores.Held`."""
        self._compare(records)
        async with self._store.moving(self) as tx:
            batch = sort(self.cursor, self._identity, records, on=on, puts_aside=puts_aside, passed=passed)
            yield Work(batch, tx, self.epoch)

    def _compare(self, records: Sequence[Record]) -> None:
        """Look whether the first records read are those that were expected, once: the topic may be another one of its name."""
        if self._compared:
            return
        self._compared = True
        if self.cursor.last is None:
            return
        offset, digest = self.cursor.last
        first, place = records[0], self.place
        if first.offset < offset or (first.offset == offset and fingerprint(first) != digest):
            made_anew(
                place, f"its record at offset {first.offset} is not the one that had its effect at {offset}"
            )

    async def explain(self, record: Record) -> Explanation:
        """See `stores.Held`."""
        cursor = self.cursor
        if cursor.delivered(record.offset):
            return cursor.explain(record.offset, None)
        try:
            event = self._identity.read(record)
        except EventRefused as error:
            return Explanation(Decision.QUARANTINE, str(error), {"reason": str(error.reason)})
        source = event.identity
        return cursor.explain(record.offset, source if isinstance(source, SourceId) else None)


class PostgresState:
    """One row a partition in the database of the effects. Belongs to one event loop; needs a pool of at least one connection.

    Attributes:
        pool: Where the effects are, too.
    """

    transactional = True

    def __init__(
        self,
        pool: Any,
        *,
        takeover_seconds: float = 30.0,
        remembered_transactions: int = 100_000,
        clock: Clock | None = None,
    ) -> None:
        """Nothing is connected to yet.

        Args:
            pool: An asyncpg pool, or a `GatedPool` around one; the caller's.
            takeover_seconds: How long a transaction may do nothing, as that of a process that was stopped, before the server
                ends it, 1 to 3,600. A handler that waits for something else than its database must take less.
            remembered_transactions: How many of the source's transactions are remembered for each partition, at sixteen
                bytes, 1,000 to 10 million. It must reach further back than a connector goes when it starts again, which is
                what it sends in one `offset.flush.interval.ms`: an event from before them is quarantined.
            clock: For waiting.

        Raises:
            ConfigError: An argument is out of its bounds.
        """
        self.pool = _postgres.checked_pool("PostgresState", pool)
        self._takeover_seconds = between("takeover_seconds", takeover_seconds, 1, 3_600)
        self._remembered = whole("remembered_transactions", remembered_transactions, 1_000, 10_000_000)
        self._clock = SystemClock() if clock is None else clock

    def __repr__(self) -> str:
        return f"<PostgresState takeover_seconds={self._takeover_seconds:g}>"

    def check(self, identity: Identity) -> None:
        """See `Store`."""
        if not identity.incarnation:
            raise ConfigError(
                f"PostgresState goes by positions of the source, which {identity!r} does not have"
            )

    async def prepare(self) -> None:
        """Make the tables where they are missing.

        Raises:
            ConfigError: The role may not; the message has the statements to run by somebody who may.
        """
        await _postgres.make(self.pool, "quickwins.dedup_transactions", SCHEMA)

    async def close(self) -> None:
        """Nothing to give back: the pool is the caller's."""

    async def take(self, place: Place, identity: Identity, partitions: int) -> Held:
        """Take a partition over, and read where to go on.

        Args:
            place: Which row.
            identity: Another incarnation than before makes all that is known of positions void.
            partitions: How many the topic has.

        Raises:
            PartitionQuarantined: It had another number of partitions.
            asyncpg.PostgresError: The database said no. A lock that a stopped consumer holds is waited for: at most
                `takeover_seconds` and a moment.
        """
        from asyncpg.exceptions import LockNotAvailableError

        try:
            held, known = await self._bump(place, identity, partitions)
        except LockNotAvailableError:
            await _postgres.oust(self.pool, place, 0, self._clock)  # it is asked again
            raise
        await _postgres.oust(self.pool, place, self._takeover_seconds, self._clock)
        if known != partitions:
            raise PartitionQuarantined(
                f"{place.topic} had {known} partitions and has {partitions}: what is sent again may come to another one than "
                "before. Give DebeziumPostgres another `incarnation`, or take PostgresInbox"
            )
        return held

    async def _bump(self, place: Place, identity: Identity, partitions: int) -> tuple[Held, int]:
        incarnation, fresh = identity.incarnation, _saved.dump(Cursor(Ledger(1)))
        async with self.pool.acquire() as connection, connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{self._takeover_seconds + 5:.3f}s'")
            row = await connection.fetchrow(_TAKE, *place, incarnation, partitions, fresh)
            ledger = Ledger(self._remembered)
            state, transactions, known = row["state"], row["transactions"], row["partitions"]
            if row["incarnation"] != incarnation:
                await connection.execute(_ANEW, *place, incarnation, partitions, fresh)
                await connection.execute(_FORGET, *place)
                state, transactions, known = fresh, 0, partitions
            for seen in await connection.fetch(_SEEN, *place):
                ledger.load(seen["seen"])
            ledger.trim()
        cursor = _saved.load(state, ledger, row["next_offset"])
        held = Held(self, place, identity, epoch=row["epoch"], cursor=cursor, transactions=transactions)
        return held, known

    @asynccontextmanager
    async def moving(self, held: Held) -> AsyncIterator[Any]:
        """A transaction that moves the cursor on when the block ends, to where `held.cursor` is then.

        When the block, the move or the commit raises, nothing had an effect, and the cursor is where it was. When the answer
        to the commit was lost, that is not known: take the partition again, and its row decides.

        Raises:
            Fenced: Another consumer has taken the partition over.
        """
        cursor = held.cursor
        mark = cursor.mark()
        try:
            async with _postgres.bounded(self.pool, self._takeover_seconds, held.place) as connection:
                yield connection
                await self._move(connection, held, mark.next_offset, mark.transactions)
        except BaseException:
            cursor.back(mark)
            raise
        held.transactions += len(cursor.ledger) - mark.transactions
        held.batches += 1
        cursor.ledger.trim()

    def transient(self, error: BaseException) -> bool:
        """See `Store`."""
        return _postgres.transient(error)

    async def _move(self, connection: Any, held: Held, expected: int | None, known: int) -> None:
        cursor = held.cursor
        total = held.transactions + len(cursor.ledger) - known
        moved = await connection.fetchval(
            _MOVE,
            *held.place,
            cursor.next_offset,
            _saved.dump(cursor),
            total,
            held.epoch,
            expected,
            cursor.ledger.dump(known),
        )
        if not moved:
            raise Fenced(
                f"another consumer has taken {held.place.topic}:{held.place.partition} over since epoch {held.epoch}: "
                "this batch was rolled back"
            )
        if held.batches % _PRUNE_EVERY == 0:
            await connection.execute(f"{_FORGET} AND through < $5", *held.place, total - self._remembered)
