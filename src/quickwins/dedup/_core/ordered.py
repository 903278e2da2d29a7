"""Ids that come in the order of their positions: kept whole, in columns that only grow at their ends.

What stands above all that is known was never marked: to see that takes a comparison and no digest. The rules:

- Each partition has a lane, whose positions only grow. A change joins its lane when it is above the lane's last one, above
  all that its topic knows by digests, and no other lane of the topic has its place in the log.
- Whatever else comes is looked for in all lanes, and then by its digest.
- What a handler works on is in no column yet: it is found in progress. What it failed with was never there.
- A lane takes one batch at a time: while it has one in progress, others go by their digests.
- What a lane has forgotten stays below its last one, and is looked for by its digest from then on.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from contextlib import contextmanager
from dataclasses import dataclass, field
from operator import add, attrgetter
from typing import TYPE_CHECKING

from quickwins.dedup._core.position import SourceId

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from quickwins.dedup.event import Event

_HALF, _MOST = 1 << 31, 1 << 32
_STEP = 1 << 16
_START, _NOWHERE = (0, -1, -1), (1 << 64, 0, 0)
_place = attrgetter("commit", "lsn", "id")
"""In what order changes come; two with the same are of different transactions, or the same."""


class Columns:
    """Changes in the order of their places, at twenty bytes each."""

    __slots__ = ("commits", "distances", "orders", "transactions")

    def __init__(self) -> None:
        self.commits = array("Q")
        self.distances = array("i")  # of `lsn` from `commit`
        self.transactions = array("I")
        self.orders = array("I")

    def __len__(self) -> int:
        return len(self.commits)

    @property
    def bytes(self) -> int:
        """Their size."""
        each = (self.commits, self.distances, self.transactions, self.orders)
        return sum(len(column) * column.itemsize for column in each)

    def add(self, sources: Sequence[SourceId]) -> None:
        """Add what is above all that is here."""
        self.commits.extend([source.commit for source in sources])
        self.distances.extend([source.lsn - source.commit for source in sources])
        self.transactions.extend([source.transaction for source in sources])
        self.orders.extend([source.id for source in sources])  # type: ignore[misc]  # -- a lane takes no others; until=never

    def has(self, source: SourceId) -> bool:
        """Whether that change is here."""
        commits, distances, orders = self.commits, self.distances, self.orders
        if not commits or not commits[0] <= source.commit <= commits[-1]:
            return False
        start = bisect_left(commits, source.commit)
        end = bisect_right(commits, source.commit, start)
        distance = source.lsn - source.commit
        start = bisect_left(distances, distance, start, end)
        end = bisect_right(distances, distance, start, end)
        at = bisect_left(orders, source.id, start, end)
        return at < end and orders[at] == source.id and self.transactions[at] == source.transaction

    def meet(self, sources: Sequence[SourceId], lsns: set[int]) -> bool:
        """Whether one of `sources`, which are in order and have `lsns`, may be here; never `False` when one is."""
        start = bisect_left(self.commits, sources[0].commit)
        end = bisect_right(self.commits, sources[-1].commit, start)
        if end - start > 4 * len(sources):
            return any(map(self.has, sources))
        return not lsns.isdisjoint(map(add, self.commits[start:end], self.distances[start:end]))

    def give_back(self) -> bool:
        """Give some of it back to the system; whether all of it is gone."""
        for column in (self.commits, self.distances, self.transactions, self.orders):
            del column[-_STEP:]
        return not self.commits


@dataclass(slots=True)
class Sifted:
    """What a lane knows of a batch, by the numbers of its records.

    Attributes:
        fresh: New, and in the order of the lane.
        twins: The same as one of `fresh`, and which.
        known: Marked.
        busy: In progress somewhere else.
        rest: Known to no lane: to be looked for by digests.
    """

    fresh: dict[int, SourceId] = field(default_factory=dict)
    twins: dict[int, int] = field(default_factory=dict)
    known: list[int] = field(default_factory=list)
    busy: list[int] = field(default_factory=list)
    rest: dict[int, Event] = field(default_factory=dict)


class Lane:
    """What came in order in one partition. Not thread-safe.

    Attributes:
        new: What was marked in the newer generation.
        old: What was marked in the older one.
    """

    __slots__ = ("_last", "_topic", "_working", "new", "old")

    def __init__(self, topic: Topic) -> None:
        self.new = Columns()
        self.old: Columns | None = None
        self._topic = topic
        self._last = _START
        self._working: list[Sequence[SourceId]] = []

    def __len__(self) -> int:
        return len(self.new) + (0 if self.old is None else len(self.old))

    def sift(self, asked: Mapping[int, Event]) -> Sifted:
        """Find out what of a batch is new by its order alone, and what of the others any lane knows.

        Nothing else may be marked in the topic until `working_on` was told of what is fresh.
        """
        sifted, rest = Sifted(), dict[int, "Event"]()
        fresh = sifted.fresh
        commit, lsn, order = max(self._last, self._topic.highest) if not self._working else _NOWHERE
        for number, event in asked.items():
            source = event.identity
            if type(source) is SourceId and type(source.id) is int:
                behind, at, place = source.commit, source.lsn, source.id
                if (
                    behind > commit or (behind == commit and (at > lsn or (at == lsn and place > order)))
                ) and (
                    -_HALF <= at - behind < _HALF and 0 <= source.transaction < _MOST and 0 <= place < _MOST
                ):
                    commit, lsn, order = behind, at, place
                    fresh[number] = source
                    continue
            rest[number] = event
        if fresh and self._topic.meets(self, [*fresh.values()]):
            fresh.clear()
            rest = dict(asked)
        self._topic.look(rest, sifted)
        self._topic.digest(sifted.rest.values())
        return sifted

    def add(self, sources: Sequence[SourceId]) -> None:
        """Mark what was fresh."""
        self.new.add(sources)
        self._last = _place(sources[-1])

    def has(self, source: SourceId) -> bool:
        """Whether that change was marked here."""
        return self.new.has(source) or (self.old is not None and self.old.has(source))

    def works_on(self, source: SourceId) -> bool:
        """Whether that change is in progress here."""
        return any(_find(run, source) is not None for run in self._working)

    def meet(self, sources: Sequence[SourceId], lsns: set[int]) -> bool:
        """See `Columns`; of what is in progress, too."""
        if self.new.meet(sources, lsns) or (self.old is not None and self.old.meet(sources, lsns)):
            return True
        return any(not lsns.isdisjoint([source.lsn for source in run]) for run in self._working)

    @contextmanager
    def working_on(self, sources: Sequence[SourceId]) -> Iterator[None]:
        """They are found in progress while the block works."""
        self._working.append(sources)
        try:
            yield
        finally:
            self._working = [run for run in self._working if run is not sources]


class Topic:
    """The lanes of a topic, as one group reads it.

    Attributes:
        highest: The highest place that is known, or in progress, by its digest.
    """

    __slots__ = ("_lanes", "highest")

    def __init__(self) -> None:
        self.highest = _START
        self._lanes: dict[int, Lane] = {}

    @property
    def lanes(self) -> list[Lane]:
        """Of the partitions that were read."""
        return [*self._lanes.values()]

    def lane(self, partition: int) -> Lane:
        """That of a partition: the same each time."""
        if partition not in self._lanes:
            self._lanes[partition] = Lane(self)
        return self._lanes[partition]

    def meets(self, mine: Lane, sources: Sequence[SourceId]) -> bool:
        """Whether another lane may have one of `sources`."""
        others = [lane for lane in self._lanes.values() if lane is not mine]
        if not others:
            return False
        lsns = {source.lsn for source in sources}
        return any(lane.meet(sources, lsns) for lane in others)

    def look(self, asked: Mapping[int, Event], sifted: Sifted) -> None:
        """Look for `asked` among what is fresh and in all lanes; nothing changes but `sifted`."""
        fresh, numbers = [*sifted.fresh.values()], [*sifted.fresh]
        for number, event in asked.items():
            source = event.identity
            if type(source) is not SourceId or type(source.id) is not int:
                sifted.rest[number] = event
            elif fresh and (twin := _find(fresh, source)) is not None:
                sifted.twins[number] = numbers[twin]
            elif any(lane.has(source) for lane in self._lanes.values()):
                sifted.known.append(number)
            elif any(lane.works_on(source) for lane in self._lanes.values()):
                sifted.busy.append(number)
            else:
                sifted.rest[number] = event

    def digest(self, events: Iterable[Event]) -> None:
        """Take note of what is marked by its digest from here on, or may be: before anything else is sifted."""
        for event in events:
            source = event.identity
            if type(source) is SourceId and type(source.id) is int:
                self.highest = max(self.highest, _place(source))


def _find(run: Sequence[SourceId], source: SourceId) -> int | None:
    """The number of `source` in a run in order."""
    place = _place(source)
    at = bisect_left(run, place, key=_place)
    return (
        at
        if at < len(run) and _place(run[at]) == place and run[at].transaction == source.transaction
        else None
    )
