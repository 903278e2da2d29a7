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
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from quickwins.core.digest import digest, framed
from quickwins.dedup._core.batch import Batch
from quickwins.dedup._core.judge import Judged
from quickwins.dedup._core.position import SourceId
from quickwins.dedup._core.reading import read_all
from quickwins.dedup.decision import Decision
from quickwins.dedup.errors import EventRefused
from quickwins.dedup.event import Event, Op
from quickwins.dedup.identity._base import Policy

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from quickwins.dedup._core.reading import Reading
    from quickwins.dedup.identity import Identity, Record

# An enumeration looks its members up; not for each record.
_NEW, _QUARANTINE, _DUP_OFFSET, _DUP_SOURCE, _IN_PROGRESS = (
    Decision.NEW,
    Decision.QUARANTINE,
    Decision.DUP_OFFSET,
    Decision.DUP_SOURCE,
    Decision.IN_PROGRESS,
)
_CREATE, _UPDATE, _DELETE, _TOMBSTONE, _APPLY = Op.CREATE, Op.UPDATE, Op.DELETE, Op.TOMBSTONE, Policy.APPLY
ID_BYTES = 16
PAYLOAD_BYTES = 8
NOT_COMPARED = bytes(PAYLOAD_BYTES)


class Scope:
    """Where ids count: a topic as one group reads it, of one incarnation of its source. Immutable; any thread."""

    __slots__ = ("_start",)

    def __init__(self, group: str, incarnation: str, topic: str, *, key: bytes = b"") -> None:
        prefix = b"".join(map(framed, (group, incarnation, topic)))
        self._start = blake2b(prefix, digest_size=ID_BYTES, key=key)

    def id_of(self, event: Event) -> bytes:
        """What tells an event from all others, the same however often it comes; 16 bytes."""
        state = self._start.copy()
        state.update(name_of(event))
        return state.digest()


def name_of(event: Event) -> bytes:
    """What tells an event from all others of its topic, the same however often it comes; any number of bytes."""
    source = event.identity
    if type(source) is SourceId:
        identity = source.id
        if isinstance(identity, int):
            return b"%d:%d:%d:%d" % (source.commit, source.lsn, source.transaction, identity)
        return b"%d:%d:%d/%b" % (source.commit, source.lsn, source.transaction, identity)
    if isinstance(source, bytes):
        return (b"t" if event.op is Op.TOMBSTONE else b"#") + source
    return b"@%d:%d" % (event.record.partition, event.record.offset)


def payload_of(event: Event) -> bytes:
    """By which an id that was given to two different events is noticed. A position's content differs each time it is sent."""
    if not isinstance(event.identity, bytes):
        return NOT_COMPARED
    value = event.record.value
    whole = b"" if value is None else value if isinstance(value, (bytes, str)) else repr(value)
    return digest(whole, size_bytes=PAYLOAD_BYTES)


class Asked(msgspec.Struct, frozen=True, gc=False):
    """One record of a batch.

    Attributes:
        record: It.
        event: It as an event, to be decided about by what is known of `id`.
        id: See `Scope.id_of`.
        payload: See `payload_of`.
        follows: The number of the record in the batch that decides about it: one with its id, or a tombstone's delete.
        judged: What becomes of it, where no store need be asked.
    """

    record: Any
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


class Deleted(NamedTuple):
    """The delete that a batch ended with, whose tombstone may begin the next one.

    Attributes:
        key: Of its record.
        decision: What became of it.
    """

    key: object
    decision: Decision


def ask(
    identity: Identity,
    records: Sequence[Record],
    *,
    scope: Scope,
    next_offset: int | None,
    deleted: Deleted | None = None,
    puts_aside: bool,
    passed: Collection[int],
) -> Asking:
    """Read `records`, and say which of them the store must be asked for.

    Args:
        identity: Reads them.
        records: In the order of their offsets.
        scope: Where their ids count.
        next_offset: Below it all had their effect; `None`: nothing is known.
        deleted: What the batch before ended with.
        puts_aside: Whether there is somewhere to put a record aside. If not, the batch stops at such a one.
        passed: Offsets given up, which the caller puts aside.
    """
    asked: list[Asked] = []
    seen: dict[bytes, int] = {}
    last: int | None = None
    readings = read_all(identity, records)
    for number, record in enumerate(records):
        offset = record.offset
        if next_offset is not None and offset < next_offset:
            asked.append(Asked(record, judged=Judged(record, _DUP_OFFSET)))
            continue
        event = (
            Judged(record, _QUARANTINE)
            if passed and offset in passed
            else _applied(record, readings[number], identity.policies)
        )
        if isinstance(event, Judged):
            if event.refused is not None and not puts_aside:
                return Asking(asked, event)
            asked.append(Asked(record, event.event, judged=event))
            last = deleted = None
            continue
        op = event.op
        if op is _TOMBSTONE and last is not None and asked[last].record.key == record.key:
            asked.append(Asked(record, event, follows=last))
        elif (
            op is _TOMBSTONE
            and deleted is not None
            and deleted.key == record.key
            and deleted.decision is not _NEW
        ):
            asked.append(Asked(record, event, judged=Judged(record, deleted.decision, event)))
        else:
            own = scope.id_of(event)
            first = seen.setdefault(own, number)
            follows = None if first == number else first
            asked.append(Asked(record, event, own, payload_of(event), follows))
        last = number if op is _DELETE else None
        deleted = None
    return Asking(asked)


def _applied(record: Record, reading: Reading, policies: Mapping[Op, Policy]) -> Event | Judged:
    """Its event, when something must be known of it to decide about it."""
    if isinstance(reading, EventRefused):
        return Judged(record, _QUARANTINE, refused=reading)
    event, op = reading, reading.op
    # Hashing a member calls a function of Python's: not for each row.
    policy = _APPLY if op is _CREATE or op is _UPDATE else policies.get(op, _APPLY)
    if policy is _APPLY:
        return event
    if policy is Policy.SKIP:
        return Judged(record, Decision.SKIPPED, event)
    refused = EventRefused(f"a policy has each {op.name} put aside")
    return Judged(record, _QUARANTINE, event, refused)


@dataclass(slots=True)
class Settled:
    """A batch as its store's answers make it.

    Attributes:
        batch: What becomes of its records.
        ended: How many records were decided about.
        through: Behind the last of them; `None`: there was none.
        deleted: That one, when it was a delete.
        mine: The numbers of records whose effects are ours to make.
        spare: The numbers of those that are ours, too, behind the end of the batch: to be given back.
    """

    batch: Batch
    ended: int
    through: int | None
    deleted: Deleted | None
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
    asked, events = asking.asked, batch.events
    for number, one in enumerate(asked):
        judged = one.judged
        if judged is not None:
            decision = judged.decision
            if judged.refused is not None:
                batch.aside.append(judged)
        else:
            answer = answers.get(number)
            if answer is None:
                answer = _follows(asked, one, decisions)
            decision = answer.decision if on else _NEW
            if decision is _IN_PROGRESS:
                batch.held_up_seconds = answer.wait_seconds
                break
            batch.altered += answer.altered
            if decision is _NEW and one.event is not None:
                events.append(one.event)
        decisions.append(decision)
    else:
        batch.stopped = asking.stopped
    ended = len(decisions)
    batch.counts.update(decisions)
    mine, spare = list[int](), list[int]()
    for number, answer in answers.items():
        if answer.decision is _NEW:
            (mine if number < ended else spare).append(number)
    last = asked[ended - 1] if ended else None
    return Settled(
        batch,
        ended,
        None if last is None else last.record.offset + 1,
        None if last is None else _deleted(last, decisions[-1]),
        mine,
        spare,
    )


def _deleted(last: Asked, decision: Decision) -> Deleted | None:
    event = last.event
    return Deleted(last.record.key, decision) if event is not None and event.op is _DELETE else None


def _follows(asked: Sequence[Asked], one: Asked, decisions: Sequence[Decision]) -> Answer:
    assert one.follows is not None
    if not one.id:
        return Answer(decisions[one.follows])  # a tombstone, which goes the way of its delete
    return Answer(_DUP_SOURCE, one.payload != asked[one.follows].payload)
