"""What a partition has seen, and what becomes of its next record.

A cursor knows the next offset, the highest position of the source that had its effect (the watermark), what was at that
position, and the transactions seen last. The rules:

- A record below the next offset was delivered again by Kafka.
- An event above the watermark is new, and moves it.
- At the watermark, what is told apart by its id is new: one position may hold many rows.
- Below the watermark, an event of a transaction that was seen was sent again by its source. One of any other transaction
  means that the source's history is not the one known here (restored from a backup, failed over to a server that was
  behind, a connector that lost its offsets): dropping it could lose it, and applying it could double it. So: quarantine.
- Snapshots and tombstones have no position and never move the watermark: a snapshot in the middle of a stream has one that
  runs ahead of rows that are still to come. Logical messages have positions of another kind, and a watermark of their own.

What is judged takes effect here at once. The shell marks a place before a batch and goes back there when its transaction
fails.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from quickwins.dedup._core.position import Position
from quickwins.dedup.decision import Decision, Explanation

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quickwins.dedup._core.ledger import Ledger
    from quickwins.dedup._core.position import SourceId

MAX_IDS = 4_096
"""How many events one position can hold: a page of 8 KiB has room for some three hundred rows, one of 32 KiB for four times."""

NEW, DUP_OFFSET, DUP_SOURCE, QUARANTINE = (
    Decision.NEW,
    Decision.DUP_OFFSET,
    Decision.DUP_SOURCE,
    Decision.QUARANTINE,
)


@dataclass(slots=True)
class Watermark:
    """The highest position that had its effect.

    Attributes:
        commit: See `Position`; -1 before the first.
        lsn: See `Position`.
        transaction: Whose event it was.
        ids: What was at that position.
    """

    commit: int = -1
    lsn: int = -1
    transaction: int = -1
    ids: set[int | bytes] = field(default_factory=set)

    def copy(self) -> Watermark:
        """The same, with a set of its own."""
        return Watermark(self.commit, self.lsn, self.transaction, set(self.ids))


class Tombstoned(NamedTuple):
    """The delete that a tombstone may follow: Debezium sends both with one key, one after the other.

    Attributes:
        key: The digest of its key.
        decision: What became of it.
    """

    key: bytes
    decision: Decision


class Mark(NamedTuple):
    """A cursor's state at one moment; its ledger by length alone."""

    next_offset: int | None
    rows: Watermark
    messages: Watermark
    deleted: Tombstoned | None
    last: tuple[int, bytes] | None
    transactions: int


@dataclass(slots=True)
class Cursor:
    """One partition's state. Not thread-safe.

    Attributes:
        ledger: The transactions seen last.
        next_offset: The first offset that had no effect yet; `None` before the first record.
        rows: The watermark of row changes and truncations.
        messages: The watermark of logical messages.
        deleted: The last record, when it was a delete.
        last: The offset and digest of the last record of the last batch, by which a topic that was created again is known.
    """

    ledger: Ledger
    next_offset: int | None = None
    rows: Watermark = field(default_factory=Watermark)
    messages: Watermark = field(default_factory=Watermark)
    deleted: Tombstoned | None = None
    last: tuple[int, bytes] | None = None

    def delivered(self, offset: int) -> bool:
        """Whether the record at `offset` is one that Kafka delivers again; otherwise it is the next one."""
        return self.next_offset is not None and offset < self.next_offset

    def pass_by(self, offset: int) -> None:
        """Move on behind a record that has no position in the source, or is not to be looked at."""
        self.next_offset = offset + 1
        self.deleted = None

    def judge(self, offset: int, source: SourceId, *, message: bool = False) -> Decision:
        """What becomes of the next record, and move on behind it, unless it is `QUARANTINE`: then nothing has changed.

        Args:
            offset: Its offset; not below `next_offset`.
            source: What tells its event from all others.
            message: It is a logical message and no change of a row.
        """
        decision = self.judge_all((source,), message=message).get(0, NEW)
        if decision is not QUARANTINE:
            self.pass_by(offset)
        return decision

    def judge_all(self, sources: Iterable[SourceId], *, message: bool = False) -> dict[int, Decision]:
        """As `judge`, of one after the other until `QUARANTINE`: the last decision then. The caller moves on behind the others.

        One loop with everything at hand: this is what each event goes through.

        Returns:
            What is not new, by its number in `sources`.
        """
        mark, ledger = self.messages if message else self.rows, self.ledger
        highest, last, of = mark.commit, mark.lsn, mark.transaction
        alone: SourceId | None = None  # what is at the highest position by itself; `None`: it is `ids`
        ids = mark.ids
        others: dict[int, Decision] = {}
        for number, source in enumerate(sources):
            commit, lsn, transaction = source.commit, source.lsn, source.transaction
            if commit > highest or (commit == highest and lsn > last):
                if commit != highest or transaction != of:
                    ledger.add(commit, transaction)
                    highest, of = commit, transaction
                last, alone = lsn, source
                continue
            if commit == highest and lsn == last:
                if alone is not None:
                    ids, alone = {alone.id}, None
                if transaction == of and source.id in ids:
                    others[number] = DUP_SOURCE
                    continue
                if transaction == of and len(ids) < MAX_IDS:
                    ids.add(source.id)
                    continue
            elif ledger.knows(commit, transaction):
                others[number] = DUP_SOURCE
                continue
            others[number] = QUARANTINE
            break
        mark.commit, mark.lsn, mark.transaction = highest, last, of
        mark.ids = ids if alone is None else {alone.id}
        return others

    def follow(self, offset: int, source: SourceId, *, message: bool = False) -> None:
        """Move on behind an event that is applied whatever is known of it, and take its position for the highest."""
        mark = self.messages if message else self.rows
        commit, lsn, transaction, identity = source.commit, source.lsn, source.transaction, source.id
        if (commit, lsn, transaction) != (mark.commit, mark.lsn, mark.transaction):
            mark.commit, mark.lsn, mark.transaction, mark.ids = commit, lsn, transaction, set()
        mark.ids.add(identity)
        self.ledger.add(commit, transaction)
        self.next_offset = offset + 1
        self.deleted = None

    def mark(self) -> Mark:
        """Where the cursor is now, for `back`."""
        return Mark(
            self.next_offset,
            self.rows.copy(),
            self.messages.copy(),
            self.deleted,
            self.last,
            len(self.ledger),
        )

    def back(self, mark: Mark) -> None:
        """Be where `mark` was taken. The ledger must not have been trimmed since."""
        self.next_offset, self.deleted, self.last = mark.next_offset, mark.deleted, mark.last
        self.rows, self.messages = mark.rows.copy(), mark.messages.copy()
        self.ledger.cut(mark.transactions)

    def explain(self, offset: int, source: SourceId | None, *, message: bool = False) -> Explanation:
        """What `judge` would say, in words; nothing changes."""
        if self.delivered(offset):
            reason = f"offset {offset} is below {self.next_offset}, the first that had no effect yet"
            return Explanation(DUP_OFFSET, reason, {"offset": offset, "next_offset": self.next_offset})
        if source is None:
            return Explanation(
                NEW, "it has no position in the source, and its offset is new", {"offset": offset}
            )
        before = self.mark()
        decision = self.judge(offset, source, message=message)
        self.back(before)
        return Explanation(
            decision, self._why(decision, source, message=message), self._evidence(source, message)
        )

    def _why(self, decision: Decision, source: SourceId, *, message: bool) -> str:
        mark = self.messages if message else self.rows
        at = f"({source.position})"
        highest = f"({Position(mark.commit, mark.lsn)})" if mark.commit >= 0 else "nothing"
        same = source.position == (mark.commit, mark.lsn)
        if decision is NEW:
            return (
                f"another event at {at}, the highest position seen"
                if same
                else f"its position {at} is above {highest}, the highest seen"
            )
        if decision is DUP_SOURCE:
            return (
                f"it is one of the {len(mark.ids)} seen at {at}"
                if same
                else f"its position {at} is below {highest}, and its transaction {source.transaction} was seen"
            )
        if same and source.transaction == mark.transaction:
            return f"more than {MAX_IDS} events at {at}: that is no page of rows"
        return (
            f"its position {at} is not above {highest}, and its transaction {source.transaction} is not among the "
            f"{len(self.ledger)} seen last: the source's history is not the one known here, as after a restore or a failover"
        )

    def _evidence(self, source: SourceId, message: bool) -> dict[str, str | int | None]:
        mark = self.messages if message else self.rows
        return {
            "position": str(source.position),
            "transaction": source.transaction,
            "watermark": str(Position(mark.commit, mark.lsn)) if mark.commit >= 0 else None,
            "transactions_known": len(self.ledger),
        }
