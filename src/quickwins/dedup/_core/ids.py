"""A batch by the ids of its events, for stores without a cursor: what must be asked of the store, and what its answers make of it.

The rules:

- Of one id, the first record in a batch is asked for; the others are its duplicates.
- What has no identity (a snapshot's row, a tombstone) has its offset for one: delivered again it is known, sent again it is not.
- A tombstone goes the way of the delete right before it.
- A batch ends before the first record that somebody else works on: what is behind it is given back, so that nobody holds one
  thing while waiting for another, and events keep their order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from quickwins.core.digest import digest
from quickwins.dedup._core.batch import Batch
from quickwins.dedup._core.judge import Judged
from quickwins.dedup.decision import Decision
from quickwins.dedup.errors import EventRefused
from quickwins.dedup.event import Event, Op
from quickwins.dedup.identity._base import Policy

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from quickwins.dedup.identity import Identity, Record

ID_BYTES = 16
PAYLOAD_BYTES = 8
NOT_COMPARED = bytes(PAYLOAD_BYTES)


def event_id(group: str, incarnation: str, event: Event) -> bytes:
    """What tells an event from all others of its topic and group, the same however often it comes; 16 bytes."""
    identity, record = event.identity, event.record
    if identity is None:
        parts: tuple[str | bytes, ...] = (b"%d:%d" % (record.partition, record.offset),)
    elif isinstance(identity, bytes):
        parts = (identity,)
    else:
        last = identity.id if isinstance(identity.id, bytes) else b"%d" % identity.id
        parts = (b"%d:%d:%d" % (identity.commit, identity.lsn, identity.transaction), last)
    return digest(group, incarnation, record.topic, event.op.value, event.table, *parts, size_bytes=ID_BYTES)


def payload_of(event: Event) -> bytes:
    """By which an id that was given to two different events is noticed. A position's content differs each time it is sent."""
    if not isinstance(event.identity, bytes):
        return NOT_COMPARED
    value = event.record.value
    whole = b"" if value is None else value if isinstance(value, (bytes, str)) else repr(value)
    return digest(whole, size_bytes=PAYLOAD_BYTES)


class Asked(NamedTuple):
    """One record of a batch.

    Attributes:
        record: It.
        event: It as an event, to be decided about by what is known of `id`.
        id: See `event_id`.
        payload: See `payload_of`.
        follows: The number of the record in the batch that decides about it: one with its id, or a tombstone's delete.
        judged: What becomes of it, where no store need be asked.
    """

    record: Record
    event: Event | None = None
    id: bytes = b""
    payload: bytes = NOT_COMPARED
    follows: int | None = None
    judged: Judged | None = None


class Answer(NamedTuple):
    """What a store knows of an id.

    Attributes:
        decision: `NEW`: nobody has had its effect, and it is ours now; `DUP_OFFSET`, `DUP_SOURCE` or `IN_PROGRESS`.
        altered: It had its effect with another payload.
        wait_seconds: For how long at most it is in progress.
    """

    decision: Decision
    altered: bool = False
    wait_seconds: float = 0.0


@dataclass(slots=True)
class Asking:
    """A batch before its store was asked.

    Attributes:
        asked: The records that can be decided about, in their order.
        stopped: The one behind them, because its partition must stop there.
    """

    asked: list[Asked]
    stopped: Judged | None = None

    @property
    def wanted(self) -> list[tuple[int, Asked]]:
        """The records that the store must be asked for, with their numbers."""
        return [
            (number, one)
            for number, one in enumerate(self.asked)
            if one.judged is None and one.follows is None
        ]


def ask(
    identity: Identity,
    records: Sequence[Record],
    *,
    group: str,
    next_offset: int | None,
    puts_aside: bool,
    passed: Collection[int],
) -> Asking:
    """Read `records`, and say which of them the store must be asked for.

    Args:
        identity: Reads them.
        records: In the order of their offsets.
        group: Whose ids they are.
        next_offset: Below it all had their effect; `None`: nothing is known.
        puts_aside: Whether there is somewhere to put a record aside. If not, the batch stops at such a one.
        passed: Offsets given up, which the caller puts aside.
    """
    asked: list[Asked] = []
    seen: dict[bytes, int] = {}
    deleted: tuple[object, int] | None = None
    for record in records:
        number, before, deleted = len(asked), deleted, None
        if next_offset is not None and record.offset < next_offset:
            asked.append(Asked(record, judged=Judged(record, Decision.DUP_OFFSET)))
            continue
        if record.offset in passed:
            asked.append(Asked(record, judged=Judged(record, Decision.QUARANTINE)))
            continue
        event = _read(identity, record)
        if isinstance(event, Judged):
            if event.refused is not None and not puts_aside:
                return Asking(asked, event)
            asked.append(Asked(record, event.event, judged=event))
            continue
        if event.op is Op.TOMBSTONE and before is not None and before[0] == record.key:
            asked.append(Asked(record, event, follows=before[1]))
            continue
        own = event_id(group, identity.incarnation, event)
        first = seen.setdefault(own, number)
        asked.append(Asked(record, event, own, payload_of(event), None if first == number else first))
        if event.op is Op.DELETE:
            deleted = record.key, number
    return Asking(asked)


def _read(identity: Identity, record: Record) -> Event | Judged:
    """Its event, when something must be known of it to decide about it."""
    try:
        event = identity.read(record)
    except EventRefused as error:
        return Judged(record, Decision.QUARANTINE, refused=error)
    policy = identity.policies.get(event.op, Policy.APPLY)
    if policy is Policy.QUARANTINE:
        refused = EventRefused(f"a policy has each {event.op.name} put aside")
        return Judged(record, Decision.QUARANTINE, event, refused)
    return Judged(record, Decision.SKIPPED, event) if policy is Policy.SKIP else event


@dataclass(slots=True)
class Settled:
    """A batch as its store's answers make it.

    Attributes:
        batch: What becomes of its records.
        ended: How many records were decided about.
        through: Behind the last of them; `None`: there was none.
        mine: The numbers of records whose effects are ours to make.
        spare: The numbers of those that are ours, too, behind the end of the batch: to be given back.
    """

    batch: Batch
    ended: int
    through: int | None
    mine: list[int]
    spare: list[int]


def settle(asking: Asking, answers: dict[int, Answer], *, on: bool) -> Settled:
    """What becomes of a batch.

    Args:
        asking: What `ask` gave.
        answers: To each of `asking.wanted`, by number.
        on: Whether duplicates are told from events. If not, each event is new, and nobody is waited for.
    """
    batch, decisions = Batch(), list[Decision]()
    ended = len(asking.asked)
    for number, one in enumerate(asking.asked):
        if one.judged is not None:
            decision = one.judged.decision
            if one.judged.refused is not None:
                batch.aside.append(one.judged)
        else:
            decision, altered, seconds = _decided(asking.asked, one, decisions, answers.get(number))
            if not on:
                decision = Decision.NEW
            if decision is Decision.IN_PROGRESS:
                batch.held_up_seconds, ended = seconds, number
                break
            batch.altered += altered
            if decision is Decision.NEW and one.event is not None:
                batch.events.append(one.event)
        batch.counts[decision] += 1
        decisions.append(decision)
    else:
        batch.stopped = asking.stopped
    through = asking.asked[ended - 1].record.offset + 1 if ended else None
    mine = sorted(number for number, answer in answers.items() if answer.decision is Decision.NEW)
    return Settled(
        batch,
        ended,
        through,
        [number for number in mine if number < ended],
        [number for number in mine if number >= ended],
    )


def _decided(
    asked: Sequence[Asked], one: Asked, decisions: Sequence[Decision], answer: Answer | None
) -> Answer:
    if answer is not None:
        return answer
    assert one.follows is not None
    if not one.id:
        return Answer(decisions[one.follows])  # a tombstone, which goes the way of its delete
    return Answer(Decision.DUP_SOURCE, one.payload != asked[one.follows].payload)
