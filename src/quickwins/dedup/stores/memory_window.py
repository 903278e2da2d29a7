"""Effects that may be made again now and then: the ids of what was handled lately, in the memory of this process.

The rules:

- An id is marked when its effect was made, and never before: what fails is new again.
- What another partition of this process works on is waited for.
- A process that ends forgets everything: what Kafka was not told yet, and what is sent again later, is handled once more.
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

from quickwins.core.clock import SystemClock
from quickwins.core.given import between, whole
from quickwins.dedup._core.ids import NEW, Answer, Progress, ask, settle
from quickwins.dedup._core.ordered import Sifted
from quickwins.dedup._core.scope import Scope
from quickwins.dedup._core.window import Window
from quickwins.dedup.checked import Checked
from quickwins.dedup.decision import Decision, Explanation
from quickwins.dedup.stores._base import ById, Work
from quickwins.dedup.stores._postgres import transient

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence

    from quickwins.core.clock import Clock
    from quickwins.dedup._core.ids import Asking
    from quickwins.dedup._core.ordered import Lane, Topic
    from quickwins.dedup._core.position import SourceId
    from quickwins.dedup.identity import Identity, Record
    from quickwins.dedup.stores._base import Place

_KNOWN = Answer(Decision.DUP_SOURCE)
_BUSY = Answer(Decision.IN_PROGRESS, wait_seconds=0.05)


class Held(ById):
    """A partition under `MemoryWindow`. One batch at a time.

    Attributes:
        place: Which.
    """

    __slots__ = ("_lane", "_store", "place")

    def __init__(self, store: MemoryWindow, place: Place, progress: Progress, lane: Lane) -> None:
        self.place = place
        self._store = store
        self._progress = progress
        self._lane = lane

    @asynccontextmanager
    async def batch(
        self, records: Sequence[Record], *, on: bool, puts_aside: bool, passed: Mapping[int, BaseException]
    ) -> AsyncIterator[Work]:
        """See `stores.Held`."""
        self._store.forget()
        asking = self._progress.ask(records, puts_aside=puts_aside, passed=passed, lane=self._lane)
        wanted, sifted = asking.wanted, asking.sifted or Sifted()
        answers = self._store.answers(wanted) | dict.fromkeys(sifted.known, _KNOWN)
        settled = settle(asking, answers | dict.fromkeys(sifted.busy, _BUSY), on=on)
        fresh = sifted.fresh
        if settled.ended < len(asking.events):
            fresh = {number: source for number, source in fresh.items() if number < settled.ended}
        working_on = self._store.working_on([wanted[number] for number in settled.mine])
        with working_on, self._lane.working_on([*fresh.values()]):
            yield Work(settled.batch)
            undone, mine = settled.batch.undone, settled.mine
            if undone:
                mine = [number for number in mine if records[number].offset not in undone]
                fresh = {number: one for number, one in fresh.items() if records[number].offset not in undone}
            self._store.mark([wanted[number] for number in mine])
            self._store.join(self._lane, [*fresh.values()])
        self._progress.move(settled)

    async def explain(self, record: Record) -> Explanation:
        """See `stores.Held`."""
        asking = self._progress.ask_about(record)
        judged = asking.judged.get(0)
        if judged is not None:
            why = f"offset {record.offset} is below {self.next_offset}, or a policy leaves it out"
            return Explanation(judged.decision, str(judged.refused or why), {"offset": record.offset})
        decision = self._store.answer(asking, self.place, self._progress.identity).decision
        why = (
            "its id was marked within the window"
            if decision is Decision.DUP_SOURCE
            else "its id is not marked"
        )
        return Explanation(decision, why, {"id": asking.wanted[0].hex()})


class MemoryWindow:
    """The ids handled lately, in memory. Belongs to one event loop, and to one `Deduplicator`.

    Attributes:
        ttl_seconds: How long an id is known at least, unless more come than fit.
        max_entries: How many ids it holds at most.
    """

    transactional = False

    def __init__(self, *, ttl_seconds: float, max_entries: int, clock: Clock | None = None) -> None:
        """Empty.

        Args:
            ttl_seconds: From one second to a year; twice that at most.
            max_entries: 1,000 to a billion, at most 24 bytes each.
            clock: For the time to live.

        Raises:
            ConfigError: An argument is out of its bounds.
        """
        self.ttl_seconds = between("ttl_seconds", ttl_seconds, 1, 366 * 86_400)
        self.max_entries = whole("max_entries", max_entries, 1_000, 1_000_000_000)
        self._clock = SystemClock() if clock is None else clock
        self._key = secrets.token_bytes(16)
        self._window = Window(ttl_seconds, max_entries, now=self._clock.monotonic())
        self._busy: set[bytes] = set()

    def __repr__(self) -> str:
        return f"<MemoryWindow of {self.entries} ids, ttl_seconds={self.ttl_seconds:g}, max_entries={self.max_entries}>"

    @property
    def entries(self) -> int:
        """How many ids it knows."""
        return len(self._window)

    @property
    def table_bytes(self) -> int:
        """The size of its tables; of the newest one, memory is used as it fills."""
        return self._window.table_bytes

    def check(self, identity: Identity) -> None:
        """See `Store`: it goes by any identity."""

    async def prepare(self) -> None:
        """See `Store`: nothing is missing."""

    async def close(self) -> None:
        """See `Store`: what it knows stays known as long as it lives."""

    async def take(self, place: Place, identity: Identity, partitions: int) -> Held:  # noqa: ARG002 -- an id is known whatever partition it comes in; until=never
        """See `Store`."""
        lane = self._topic(place, identity).lane(place.partition)
        return Held(self, place, Progress(identity, self._scope(place, identity)), lane)

    def transient(self, error: BaseException) -> bool:
        """See `Store`: it is never away itself, but what the handler uses may be."""
        return transient(error)

    async def check_one(self, place: Place, identity: Identity, record: Record, *, on: bool) -> Checked:
        """See `Deduplicator.check`."""
        scope = self._scope(place, identity)
        asking = ask(identity, [record], scope=scope, next_offset=None, puts_aside=False, passed=())
        if asking.stopped is not None:
            raise asking.stopped.refused or AssertionError
        (event,), judged = asking.events, asking.judged.get(0)
        if judged is not None:
            return Checked(judged.decision, event)
        said = self.answer(asking, place, identity)
        decision = said.decision if on else Decision.NEW
        if decision is not Decision.NEW:
            return Checked(decision, event, wait_seconds=said.wait_seconds)
        self._topic(place, identity).digest((asking.event(0),))
        one = asking.wanted[0]
        self._busy.add(one)
        return Checked(decision, event, ending=_Ending(self, one))

    # What a partition asks for.

    def answer(self, asking: Asking, place: Place, identity: Identity) -> Answer:
        """What is known of one record alone, that of `place` which is wanted."""
        self.forget()
        sifted = Sifted()
        self._topic(place, identity).look({0: asking.event(0)}, sifted)
        if sifted.known:
            return _KNOWN
        return _BUSY if sifted.busy else self.answers(asking.wanted).get(0, NEW)

    def answers(self, ids: Mapping[int, bytes]) -> dict[int, Answer]:
        """What is known of ids, by their numbers; of those that are new, nothing."""
        known, busy = self._window.have(ids.values(), self._clock.monotonic()), self._busy
        found = {number: _KNOWN for number, yes in zip(ids, known, strict=True) if yes}
        if busy and not busy.isdisjoint(ids.values()):
            found |= {number: _BUSY for number, one in ids.items() if one in busy}
        return found

    @contextmanager
    def working_on(self, ids: Iterable[bytes]) -> Iterator[None]:
        """Others wait for `ids` while the block works."""
        taken = set(ids) - self._busy
        self._busy |= taken
        try:
            yield
        finally:
            self._busy -= taken

    def mark(self, ids: Iterable[bytes]) -> None:
        """Know `ids` from now on."""
        self._window.mark(ids, self._clock.monotonic())

    def forget(self) -> None:
        """Forget what is over its time."""
        self._window.tidy(self._clock.monotonic())

    def join(self, lane: Lane, sources: Sequence[SourceId]) -> None:
        """Know what `lane` has found fresh from now on."""
        self._window.join(lane, sources, self._clock.monotonic())

    def end(self, one: bytes, *, done: bool) -> None:
        """End the work on one id."""
        self._busy.discard(one)
        if done:
            self.mark((one,))

    def _topic(self, place: Place, identity: Identity) -> Topic:
        return self._window.topic((place.group, place.cluster, identity.incarnation, place.topic))

    def _scope(self, place: Place, identity: Identity) -> Scope:
        return Scope(f"{place.group}/{place.cluster}", identity.incarnation, place.topic, key=self._key)


class _Ending:
    def __init__(self, store: MemoryWindow, one: bytes) -> None:
        self._store = store
        self._one = one

    async def done(self) -> bool:
        """See `Ending`."""
        self._store.end(self._one, done=True)
        return True

    async def failed(self) -> None:
        """See `Ending`."""
        self._store.end(self._one, done=False)
