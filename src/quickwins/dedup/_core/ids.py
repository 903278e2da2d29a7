"""A batch by the ids of its events, for stores without a cursor: what must be asked of the store, and what its answers make of it.

The rules:

- Of one id, the first record in a batch is asked for; the others are its duplicates.
- What has no identity (a snapshot's row, a tombstone) has its offset for one: delivered again it is known, sent again it is not.
- A tombstone goes the way of the delete right before it.
- A batch ends before the first record that somebody else works on: what is behind it is given back, so that nobody holds one
  thing while waiting for another, and events keep their order.

Nearly all records are changes that nobody knows: they are told by what is not said of them, in columns of a whole batch.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from quickwins.dedup._core.batch import Batch
from quickwins.dedup._core.judge import Judged
from quickwins.dedup._core.reading import read_all
from quickwins.dedup._core.scope import payload_of
from quickwins.dedup.decision import Decision
from quickwins.dedup.errors import EventRefused
from quickwins.dedup.event import Event, Op
from quickwins.dedup.identity._base import Policy

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from quickwins.dedup._core.ordered import Lane, Sifted
    from quickwins.dedup._core.reading import Reading
    from quickwins.dedup._core.scope import Scope
    from quickwins.dedup.identity import Identity, Record

# An enumeration looks its members up; not for each record.
_NEW, _QUARANTINE, _IN_PROGRESS = Decision.NEW, Decision.QUARANTINE, Decision.IN_PROGRESS
_DELETE, _TOMBSTONE = Op.DELETE, Op.TOMBSTONE
_CHANGES = (Op.CREATE, Op.UPDATE, _DELETE)


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


NEW = Answer(Decision.NEW)


@dataclass(slots=True)
class Asking:
    """A batch before its store was asked. Records are called by their numbers in it.

    Attributes:
        records: In the order of their offsets.
        events: Those that can be decided about, as events; `None`: it was delivered again, or isn't one.
        wanted: The ids that the store must be asked for.
        twins: Which record before it has the same id.
        tombstones: Which delete before it a tombstone goes the way of.
        judged: What becomes of the others, for which no store need be asked.
        stopped: The record behind them all, because its partition must stop there.
        sifted: What a lane knows of it, which is not in `wanted`; `None`: no lane was asked.
    """

    records: Sequence[Record]
    events: list[Event | None]
    wanted: dict[int, bytes] = field(default_factory=dict)
    twins: dict[int, int] = field(default_factory=dict)
    tombstones: dict[int, int] = field(default_factory=dict)
    judged: dict[int, Judged] = field(default_factory=dict)
    stopped: Judged | None = None
    sifted: Sifted | None = None

    def event(self, number: int) -> Event:
        """One of those that are wanted."""
        event = self.events[number]
        assert event is not None
        return event

    def judge(self, number: int, judged: Judged) -> None:
        """Say what becomes of one that was wanted: its store need not be asked for it."""
        self.judged[number] = judged
        del self.wanted[number]

    def cut(self, number: int, stopped: Judged) -> None:
        """Stop at a record: it and what is behind it is not decided about."""
        self.stopped = stopped
        del self.events[number:]
        for column in (self.wanted, self.twins, self.tombstones, self.judged):
            for behind in [one for one in column if one >= number]:
                del column[behind]


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
    lane: Lane | None = None,
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
        lane: What came in order in their partition, of a store that keeps it.
    """
    readings, policies = read_all(identity, records), identity.policies
    plain = () if passed else tuple(op for op in _CHANGES if op not in policies)
    delivered = 0 if next_offset is None else bisect_left(records, next_offset, key=_offset)
    asking = Asking(records, [None] * delivered)
    events, judged = asking.events, asking.judged
    for number in range(delivered):
        judged[number] = Judged(records[number], Decision.DUP_OFFSET)
    for number in range(delivered, len(records)):
        reading = readings[number]
        if type(reading) is Event and reading.op in plain:
            events.append(reading)
            continue
        record = records[number]
        found = (
            Judged(record, _QUARANTINE) if record.offset in passed else _by_policy(record, reading, policies)
        )
        if found is not None:
            if found.refused is not None and not puts_aside:
                asking.stopped = found
                break
            judged[number] = found
        events.append(reading if isinstance(reading, Event) else None)
        if found is None:
            _lead(asking, number, deleted if number == delivered else None)
    _name(asking, scope, lane)
    return asking


def _offset(record: Record) -> int:
    return record.offset


def _by_policy(record: Record, reading: Reading, policies: Mapping[Op, Policy]) -> Judged | None:
    """What becomes of it, when nothing need be known of it to decide."""
    if isinstance(reading, EventRefused):
        return Judged(record, _QUARANTINE, refused=reading)
    policy = policies.get(reading.op, Policy.APPLY)
    if policy is Policy.APPLY:
        return None
    if policy is Policy.SKIP:
        return Judged(record, Decision.SKIPPED, reading)
    refused = EventRefused(f"a policy has each {reading.op.name} put aside")
    return Judged(record, _QUARANTINE, reading, refused)


def _lead(asking: Asking, number: int, deleted: Deleted | None) -> None:
    """Have a tombstone go the way of the delete right before it, which is `deleted` when the batch before ended with it."""
    event, record = asking.event(number), asking.records[number]
    if event.op is not _TOMBSTONE:
        return
    if deleted is not None and deleted.key == record.key and deleted.decision is not _NEW:
        asking.judged[number] = Judged(record, deleted.decision, event)
    before = asking.events[number - 1] if number else None
    if before is None or before.op is not _DELETE or number - 1 in asking.judged:
        return
    if before.record.key == record.key:
        asking.tombstones[number] = number - 1


def _name(asking: Asking, scope: Scope, lane: Lane | None) -> None:
    """Find the ids of all that is to be asked for, and which of them are the same."""
    judged, tombstones = asking.judged, asking.tombstones
    asked = {
        number: event
        for number, event in enumerate(asking.events)
        if event is not None and number not in judged and number not in tombstones
    }
    if lane is not None:
        sifted = asking.sifted = lane.sift(asked)
        asking.twins.update(sifted.twins)
        asked = sifted.rest
    ids = scope.ids_of(asked.values())
    wanted = asking.wanted = dict(zip(asked, ids, strict=True))
    if len(set(ids)) < len(ids):
        first: dict[bytes, int] = {}
        for number, one in list(wanted.items()):
            same = first.setdefault(one, number)
            if same != number:
                asking.twins[number] = same
                del wanted[number]


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


def settle(asking: Asking, answers: Mapping[int, Answer], *, on: bool) -> Settled:
    """What becomes of a batch.

    Args:
        asking: What `ask` gave.
        answers: To those of `asking.wanted` that are not new, by number. All others are new, and ours.
        on: Whether duplicates are told from events. If not, each event is new, and nobody is waited for.
    """
    batch, events = Batch(), asking.events
    decisions, told = [_NEW] * len(events), Counter[Decision]()
    ended = len(events)
    for number in sorted({*asking.judged, *asking.twins, *asking.tombstones, *answers}):
        decision = _decide(asking, number, answers, decisions, batch, on=on)
        if decision is _IN_PROGRESS:
            ended = number
            batch.held_up_seconds = answers[number].wait_seconds
            break
        decisions[number] = decision
        told[decision] += decision is not _NEW
    else:
        batch.stopped = asking.stopped
    del decisions[ended:]
    batch.events = [
        event
        for event, decision in zip(events, decisions, strict=False)
        if decision is _NEW and event is not None
    ]
    batch.counts = told + Counter({_NEW: len(batch.events)})
    ours = [number for number in asking.wanted if number not in answers]
    cut = bisect_left(ours, ended)
    return Settled(
        batch,
        ended,
        asking.records[ended - 1].offset + 1 if ended else None,
        _deleted(asking, ended - 1, decisions[-1]) if ended else None,
        ours[:cut],
        ours[cut:],
    )


def _decide(
    asking: Asking,
    number: int,
    answers: Mapping[int, Answer],
    decisions: Sequence[Decision],
    batch: Batch,
    *,
    on: bool,
) -> Decision:
    """Of one record that may be something else than new; those before it are in `decisions`."""
    judged = asking.judged.get(number)
    if judged is not None:
        if judged.refused is not None:
            batch.aside.append(judged)
        return judged.decision
    answer = answers.get(number)
    if answer is not None:
        decision, altered = answer.decision, answer.altered
    elif (twin := asking.twins.get(number)) is not None:
        decision = Decision.DUP_SOURCE
        altered = payload_of(asking.event(number)) != payload_of(asking.event(twin))
    else:
        decision, altered = decisions[asking.tombstones[number]], False
    if not on:
        decision = _NEW
    if decision is not _IN_PROGRESS:
        batch.altered += altered
    return decision


def _deleted(asking: Asking, number: int, decision: Decision) -> Deleted | None:
    event = asking.events[number]
    return (
        Deleted(asking.records[number].key, decision) if event is not None and event.op is _DELETE else None
    )


class Progress:
    """A partition under a store without a cursor: what it is asked, and how far it has come. One batch at a time.

    Attributes:
        next_offset: Below it everything has had its effect; `None`: nothing is known.
        identity: Reads its records.
        scope: Where their ids count.
    """

    __slots__ = ("_deleted", "identity", "next_offset", "scope")

    def __init__(self, identity: Identity, scope: Scope) -> None:
        self.identity = identity
        self.scope = scope
        self.next_offset: int | None = None
        self._deleted: Deleted | None = None

    def ask(
        self,
        records: Sequence[Record],
        *,
        puts_aside: bool,
        passed: Collection[int],
        lane: Lane | None = None,
    ) -> Asking:
        """See the function of this name."""
        return ask(
            self.identity,
            records,
            scope=self.scope,
            next_offset=self.next_offset,
            deleted=self._deleted,
            puts_aside=puts_aside,
            passed=passed,
            lane=lane,
        )

    def ask_about(self, record: Record) -> Asking:
        """The same of one record, whatever came before it: to explain what would become of it."""
        return ask(
            self.identity,
            [record],
            scope=self.scope,
            next_offset=self.next_offset,
            puts_aside=True,
            passed=(),
        )

    def move(self, settled: Settled) -> None:
        """Go on behind what had its effect: up to the first of the batch that is undone."""
        undone = settled.batch.undone
        self._deleted = None if undone else settled.deleted
        through = min(undone) if undone else settled.through
        if through is not None:
            self.next_offset = max(self.next_offset or 0, through)
