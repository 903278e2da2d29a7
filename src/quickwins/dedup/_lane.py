"""One partition under `PostgresState`: a batch at a time, each in one transaction with its effects and its cursor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickwins.dedup._core.batch import fingerprint, sort
from quickwins.dedup._core.position import SourceId
from quickwins.dedup.context import Context
from quickwins.dedup.decision import Decision, Explanation
from quickwins.dedup.errors import EventRefused, PartitionQuarantined

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from quickwins.dedup._core.batch import Batch
    from quickwins.dedup._core.judge import Judged
    from quickwins.dedup.dead_letters import DeadLetterTable
    from quickwins.dedup.event import Event
    from quickwins.dedup.identity import Identity, Record
    from quickwins.dedup.stores.postgres_state import Held, PostgresState

    Handler = Callable[[Sequence[Event], Context], Awaitable[None]]


class HandlerFailed(Exception):
    """The handler raised, and it was no failure of the store. Never leaves the room."""

    def __init__(self, event: Event | None, cause: BaseException) -> None:
        super().__init__(type(cause).__name__)
        self.event = event
        self.cause = cause


class Lane:
    """A partition that this consumer has taken. One batch at a time.

    Attributes:
        held: Its row.
        attempts: How often the handler has failed with the record at an offset by itself.
        passed: Offsets given up: to be put aside.
    """

    def __init__(
        self,
        held: Held,
        *,
        store: PostgresState,
        identity: Identity,
        handler: Handler,
        poison: DeadLetterTable | None,
        transient: Callable[[BaseException], bool],
    ) -> None:
        self.held = held
        self.attempts: dict[int, int] = {}
        self.passed: dict[int, BaseException] = {}
        self._store = store
        self._identity = identity
        self._handler = handler
        self._poison = poison
        self._transient = transient
        self._compared = False

    @property
    def seek_to(self) -> int | None:
        """Where to read on: at the last record that had its effect, to see that it is still the same one."""
        cursor = self.held.cursor
        return cursor.next_offset if cursor.last is None else cursor.last[0]

    def compare(self, records: Sequence[Record]) -> None:
        """Look whether the first records read are those that were expected, once.

        Raises:
            PartitionQuarantined: The topic is another one of the same name.
        """
        if self._compared:
            return
        self._compared = True
        last, place = self.held.cursor.last, self.held.place
        if last is None:
            return
        offset, digest = last
        first = records[0]
        if first.offset < offset or (first.offset == offset and fingerprint(first) != digest):
            raise PartitionQuarantined(
                f"{place.topic}:{place.partition} was made anew: its record at offset {first.offset} is not the one that had "
                f"its effect at {offset}. Read it from its beginning under another group, or give its cluster another name"
            )

    async def apply(self, records: Sequence[Record], *, on: bool) -> Batch:
        """Have what is new of `records` take effect, once, and move on behind them.

        Raises:
            Fenced: Another consumer has taken the partition over; nothing had an effect.
            HandlerFailed: Nothing had an effect. To be tried again, or given up by `passed`.
            BaseException: Of the store; nothing had an effect, or the answer to the commit was lost.
        """
        alone = any(record.offset in self.attempts for record in records)
        async with self._store.batch(self.held) as tx:
            place = self.held.place
            batch = sort(
                self.held.cursor,
                self._identity,
                records,
                on=on,
                puts_aside=self._poison is not None,
                passed=self.passed,
            )
            context = Context(place.topic, place.partition, self.held.epoch, place.group, tx)
            if batch.events:
                await (self._halve if alone else self._call)(batch.events, context)
            await self._put_aside(tx, batch, records)
        for record in records:
            self.attempts.pop(record.offset, None)
            self.passed.pop(record.offset, None)
        return batch

    async def _call(self, events: Sequence[Event], context: Context) -> None:
        try:
            await self._handler(events, context)
        except Exception as error:
            if self._transient(error) or context.tx.is_closed():
                raise
            raise HandlerFailed(events[0] if len(events) == 1 else None, error) from error

    async def _halve(self, events: Sequence[Event], context: Context) -> None:
        """Find the event that the handler fails with, each half behind a savepoint."""
        try:
            async with context.tx.transaction():
                await self._call(events, context)
        except HandlerFailed:
            if len(events) == 1:
                raise
            middle = len(events) // 2
            await self._halve(events[:middle], context)
            await self._halve(events[middle:], context)

    async def _put_aside(self, tx: Any, batch: Batch, records: Sequence[Record]) -> None:
        if self._poison is None:
            return
        group = self.held.place.group
        for judged in batch.aside:
            refused = judged.refused
            if refused is not None:
                reason = "policy" if refused.reason is None else str(refused.reason)
                await self._poison.write(tx, group, judged.record, reason=reason, error=refused, attempts=0)
        for record in records:
            if record.offset in self.passed:
                error = self.passed[record.offset]
                attempts = self.attempts.get(record.offset, 0)
                await self._poison.write(tx, group, record, reason="handler", error=error, attempts=attempts)

    def explain(self, record: Record) -> Explanation:
        """What would become of `record`; nothing changes."""
        cursor = self.held.cursor
        if cursor.delivered(record.offset):
            return cursor.explain(record.offset, None)
        try:
            event = self._identity.read(record)
        except EventRefused as error:
            return Explanation(Decision.QUARANTINE, str(error), {"reason": str(error.reason)})
        source = event.identity
        return cursor.explain(record.offset, source if isinstance(source, SourceId) else None)


def stopped_because(stopped: Judged, explain: Callable[[Record], Explanation]) -> str:
    """Why a partition must stop at a record, with the evidence."""
    record = stopped.record
    at = f"{record.topic}:{record.partition} stops at offset {record.offset}"
    if stopped.refused is not None:
        return f"{at}: {stopped.refused}. Give the deduplicator a `poison` to put such records aside"
    return (
        f"{at}: {explain(record).reason}. Give DebeziumPostgres another `incarnation` when that is so; a source whose positions "
        "do not only grow needs PostgresInbox"
    )
