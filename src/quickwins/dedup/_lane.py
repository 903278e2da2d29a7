"""One partition: a batch at a time, from the store's decision through the handler to what is remembered."""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import ConfigError
from quickwins.dedup._spread import spread
from quickwins.dedup.context import Context
from quickwins.dedup.decision import Decision
from quickwins.dedup.errors import ErrorSwallowed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from quickwins.dedup._core.batch import Batch
    from quickwins.dedup._core.judge import Judged
    from quickwins.dedup._core.reading import Reader
    from quickwins.dedup.dead_letters import DeadLetterTable
    from quickwins.dedup.decision import Explanation
    from quickwins.dedup.event import Event
    from quickwins.dedup.identity import Record
    from quickwins.dedup.stores._base import Held, Store

    Handler = Callable[[Sequence[Event], Context], Awaitable[None]]


IN_FLIGHT = 4
"""How many batches' worth of a handler for single events are claimed at once: what a crash leaves in doubt."""


ABORTED = "25P02"
"""PostgreSQL's code for a statement in a transaction in which another one has failed."""


_ENDED = (
    "the handler has ended the transaction that it was given, with COMMIT or ROLLBACK, so that its effects and the cursor are "
    "no longer one: take `async with ctx.tx.transaction()` for a part of it"
)


class HandlerFailed(Exception):
    """The handler raised, and it was no failure of the store; a `ConfigError` is no event's either. Never leaves the room."""

    def __init__(self, event: Event | None, cause: BaseException) -> None:
        super().__init__(type(cause).__name__)
        self.event = event
        self.cause = cause


class Lane:
    """A partition that this consumer has taken. One batch at a time.

    Attributes:
        held: It, as the store has it.
        reader: Reads its records.
        attempts: How often the handler has failed with the record at an offset by itself.
        passed: Offsets given up: to be put aside.
    """

    def __init__(
        self,
        held: Held,
        *,
        reader: Reader,
        handler: Handler,
        concurrency: int | None,
        store: Store,
        poison: DeadLetterTable | None,
        incarnation: str,
    ) -> None:
        self.held = held
        self.reader = reader
        self.attempts: dict[int, int] = {}
        self.passed: dict[int, BaseException] = {}
        self._handler = handler
        self._concurrency = concurrency
        self._incarnation = incarnation
        self._store = store
        self._poison = poison

    def step(self, records: Sequence[Record]) -> int:
        """How many of `records` to apply at a time."""
        if self._store.transactional:
            return len(records) if self._concurrency is None else 1
        if self._concurrency is not None:
            return IN_FLIGHT * self._concurrency
        # What cannot be taken back is done one by one once the handler has failed.
        return 1 if self._suspects(records) else len(records)

    def _suspects(self, records: Sequence[Record]) -> bool:
        return bool(self.attempts) and any(record.offset in self.attempts for record in records)

    async def apply(self, records: Sequence[Record], *, on: bool) -> Batch:
        """Have what is new of `records` take effect, once, and move on behind them.

        Raises:
            Fenced: Another consumer has taken the partition over; nothing had an effect.
            PartitionQuarantined: It cannot be told any more what had its effect; nothing had one.
            HandlerFailed: Nothing had an effect. To be tried again, or given up by `passed`. Where several are handled at a
                time, this is the batch's `failure`, and all but its `undone` had theirs.
            BaseException: Of the store; nothing had an effect, or the answer to the commit was lost.
        """
        try:
            return await self._apply(records, on=on)
        except Exception as error:
            if (failed := _swallowed(error, None)) is not None:
                raise failed from error
            raise

    async def _apply(self, records: Sequence[Record], *, on: bool) -> Batch:
        alone = self._suspects(records)
        opened = self.held.batch(records, on=on, puts_aside=self._poison is not None, passed=self.passed)
        async with opened as (batch, tx, fence):
            place = self.held.place
            context = Context(place.topic, place.partition, fence, place.group, tx, self._incarnation)
            if batch.events:
                await self._effect(batch, context, alone=alone)
                self.reader.handled(batch.events)
                if tx is not None and not tx.is_in_transaction():
                    raise HandlerFailed(None, ConfigError(_ENDED))
            if self._poison is not None and (batch.aside or self.passed):
                await self._put_aside(self._poison, tx, batch, records)
        done = self.held.next_offset
        for record in records if self.attempts or self.passed else ():
            if done is None or record.offset < done:
                self.attempts.pop(record.offset, None)
                self.passed.pop(record.offset, None)
        return batch

    async def _effect(self, batch: Batch, context: Context, *, alone: bool) -> None:
        if self._concurrency is not None and context.tx is None:
            await spread(batch, lambda event: self._call([event], context), self._concurrency)
            batch.counts[Decision.NEW] -= len(batch.undone)
        else:
            await (self._halve if alone else self._call)(batch.events, context)

    async def _call(self, events: Sequence[Event], context: Context) -> None:
        try:
            await _awaitable(self._handler(events, context))
        except Exception as error:
            if self._store.transient(error) or (context.tx is not None and context.tx.is_closed()):
                raise
            raise HandlerFailed(events[0] if len(events) == 1 else None, error) from error

    async def _halve(self, events: Sequence[Event], context: Context) -> None:
        """Find the event that the handler fails with, each half behind a savepoint."""
        if context.tx is None:
            await self._call(events, context)
            return
        try:
            async with context.tx.transaction():
                await self._call(events, context)
                await _look(events, context)
        except HandlerFailed as failed:
            if len(events) == 1 or isinstance(failed.cause, ConfigError):
                raise
            middle = len(events) // 2
            await self._halve(events[:middle], context)
            await self._halve(events[middle:], context)

    async def _put_aside(
        self, poison: DeadLetterTable, tx: Any, batch: Batch, records: Sequence[Record]
    ) -> None:
        """In the transaction of the effects; without one before they are remembered, and so perhaps twice."""
        if tx is None:
            async with poison.pool.acquire() as connection:
                await self._put_aside(poison, connection, batch, records)
            return
        group = self.held.place.group
        for judged in batch.aside:
            refused = judged.refused
            if refused is not None:
                reason = "policy" if refused.reason is None else str(refused.reason)
                await poison.write(tx, group, judged.record, reason=reason, error=refused, attempts=0)
        for record in records:
            if record.offset in self.passed:
                error = self.passed[record.offset]
                attempts = self.attempts.get(record.offset, 0)
                await poison.write(tx, group, record, reason="handler", error=error, attempts=attempts)


def _awaitable(doing: object) -> Awaitable[None]:
    if isawaitable(doing):
        return doing
    raise ConfigError(f"the handler returns a {type(doing).__name__}: make it with `async def`")


async def _look(events: Sequence[Event], context: Context) -> None:
    """Whether the transaction can still do anything, before its savepoint is left."""
    try:
        await context.tx.execute("SELECT")
    except Exception as error:
        if (failed := _swallowed(error, events[0] if len(events) == 1 else None)) is not None:
            raise failed from error
        raise


def _swallowed(error: Exception, event: Event | None) -> HandlerFailed | None:
    """What it means that the transaction can do nothing more, though the handler has returned; `None`: `error` says something else."""
    if getattr(error, "sqlstate", None) != ABORTED:
        return None
    cause = ErrorSwallowed(
        "the handler has caught an error of the database's, after which its transaction can do nothing more: let it raise, or "
        "put `async with ctx.tx.transaction()` around what may fail"
    )
    return HandlerFailed(event, cause)


async def stopped_because(stopped: Judged, explain: Callable[[Record], Awaitable[Explanation]]) -> str:
    """Why a partition must stop at a record, with the evidence."""
    record = stopped.record
    at = f"{record.topic}:{record.partition} stops at offset {record.offset}"
    if stopped.refused is not None:
        return f"{at}: {stopped.refused}. Give the deduplicator a `poison` to put such records aside"
    reason = (await explain(record)).reason
    return (
        f"{at}: {reason}. Give DebeziumPostgres another `incarnation` when that is so; a source whose positions do not only "
        "grow needs PostgresInbox"
    )
