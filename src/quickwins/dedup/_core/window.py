"""Which ids were marked lately: exact fingerprints in two generations of open-addressed tables.

A fingerprint is a keyed BLAKE2b of 128 bits, whole: nothing is dropped for looking like something else, and nobody can choose
ids that fall into one place. A table has two
64-bit words a slot and is at most three quarters full. The place of a fingerprint is proportional to its first word, and
those that meet stand in the order of that word, so that looking for what is not there ends as soon as looking for what is:
after some 2.5 slots instead of 8.5 (Amble and Knuth, "Ordered hash tables", 1974).

An id is known from its mark until its generation is dropped: at least one time-to-live, less than two, unless more ids than
fit come within it. Tables are anonymous maps, which the kernel clears page by page as they are first written to, and an old
one is given back a megabyte at a time: no single call does the work of a whole table.

What comes in the order of its source's log is not digested: see `_core.ordered`. It counts as an id of its generation.
"""

from __future__ import annotations

import mmap
from typing import TYPE_CHECKING, TypeAlias

from quickwins.dedup._core.ordered import Columns, Topic

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Sequence

    from quickwins.dedup._core.ordered import Lane
    from quickwins.dedup._core.position import SourceId

_Pairs: TypeAlias = "Sequence[tuple[int, int]]"
"""Fingerprints as two words each."""
_OVERHANG = 1_024
"""Slots behind the last place, for what is pushed on there: a table wraps around nowhere, so that its order has no seam."""
_STEP_BYTES = 1 << 20
_ZERO = bytes(8)


class _Table:
    __slots__ = ("_given_back", "count", "limit", "map", "places", "words")

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.count = 0
        self.places = limit * 4 // 3 + 1
        self.map = mmap.mmap(-1, (self.places + _OVERHANG) * 16)
        self.words = memoryview(self.map).cast("Q")
        self._given_back = 0

    @property
    def bytes(self) -> int:
        """Its size, of which memory is used as it fills."""
        return len(self.map)

    def have(self, pairs: _Pairs) -> list[bool]:
        """Whether each of `pairs` is there."""
        words, places, found = self.words, self.places, list[bool]()
        for first, second in pairs:
            at = (first * places >> 64) << 1
            while (there := words[at]) and (there < first or (there == first and words[at + 1] != second)):
                at += 2
            found.append(there == first)
        return found

    def add(self, pairs: _Pairs, start: int) -> int:
        """Add `pairs` from number `start` on, while there is room; the number of the first for which there is none."""
        words, places, last = self.words, self.places, len(self.words) - 4
        count, limit = self.count, self.limit
        for number in range(start, len(pairs)):
            if count >= limit:
                break
            first, second = pairs[number]
            at = (first * places >> 64) << 1
            while (there := words[at]) and (there < first or (there == first and words[at + 1] != second)):
                at += 2
            if there == first:
                continue
            count += 1
            while there:  # push on what belongs behind it
                words[at], first = first, there
                words[at + 1], second = second, words[at + 1]
                at += 2
                there = words[at]
            words[at], words[at + 1] = first, second
            if at >= last:
                limit = 0  # no room behind the last place: as good as full
        else:
            number = len(pairs)
        self.count, self.limit = count, limit
        return number

    def give_back(self) -> bool:
        """Give some of it back to the system; whether all of it is gone."""
        if len(self.map) - self._given_back <= _STEP_BYTES:
            return True
        self.map.madvise(mmap.MADV_DONTNEED, self._given_back, _STEP_BYTES)
        self._given_back += _STEP_BYTES
        return False


def _pairs(fingerprints: Iterable[bytes]) -> _Pairs:
    whole = b"".join(fingerprints)
    words = memoryview(whole).cast("Q").tolist()
    if _ZERO in whole:  # perhaps as a word, which an empty slot has
        words = [word or 1 for word in words]
    each = iter(words)
    return [*zip(each, each, strict=True)]


class Window:
    """The ids marked lately, at most `max_entries`. Not thread-safe.

    Attributes:
        dropped: How many were forgotten before their time, because more came than fit.
    """

    __slots__ = (
        "_leaving",
        "_new",
        "_old",
        "_rotate_at",
        "_topics",
        "dropped",
        "max_entries",
        "ttl_seconds",
    )

    def __init__(self, ttl_seconds: float, max_entries: int, *, now: float) -> None:
        """Empty.

        Args:
            ttl_seconds: How long an id is known at least.
            max_entries: How many ids both generations hold together, at least 2.
            now: Monotonic seconds.
        """
        self.ttl_seconds = ttl_seconds
        self.max_entries = max_entries
        self.dropped = 0
        self._new = _Table(max_entries // 2)
        self._old: _Table | None = None
        self._rotate_at = now + ttl_seconds
        self._leaving: list[_Table | Columns] = []
        self._topics: dict[Hashable, Topic] = {}

    def __len__(self) -> int:
        tables = self._new.count + (0 if self._old is None else self._old.count)
        return tables + sum(map(len, self._lanes()))

    @property
    def table_bytes(self) -> int:
        """The size of its tables, of which memory is used as they fill."""
        kept: list[_Table | Columns | None] = [self._new, self._old, *self._leaving]
        for lane in self._lanes():
            kept += (lane.new, lane.old)
        return sum(one.bytes for one in kept if one is not None)

    def topic(self, key: Hashable) -> Topic:
        """What comes in order in a topic: the same for each `key`."""
        return self._topics.setdefault(key, Topic())

    def _lanes(self) -> list[Lane]:
        return [lane for topic in self._topics.values() for lane in topic.lanes]

    def have(self, fingerprints: Iterable[bytes], now: float) -> list[bool]:
        """Whether each was marked within the window.

        Args:
            fingerprints: 16 bytes each.
            now: Monotonic seconds.
        """
        self.tidy(now)
        pairs = _pairs(fingerprints)
        found = self._new.have(pairs)
        if self._old is not None:
            found = [new or old for new, old in zip(found, self._old.have(pairs), strict=True)]
        return found

    def mark(self, fingerprints: Iterable[bytes], now: float) -> None:
        """Know them from now on, for at least `ttl_seconds` from `now`."""
        if now >= self._rotate_at:
            self._rotate(now)
        pairs = _pairs(fingerprints)
        done = self._new.add(pairs, 0)
        while done < len(pairs):
            self._rotate(now)
            done = self._new.add(pairs, done)

    def join(self, lane: Lane, sources: Sequence[SourceId], now: float) -> None:
        """As `mark`, of what `lane` has found fresh, in its order."""
        if now >= self._rotate_at:
            self._rotate(now)
        start = 0
        while start < len(sources):
            room = self._new.limit - self._new.count
            if room <= 0:
                self._rotate(now)
                continue
            part = sources[start : start + room]
            lane.add(part)
            self._new.limit -= len(part)  # both kinds together are as many as fit
            start += room

    def tidy(self, now: float) -> None:
        """Forget what is over its time, and give some of its memory back."""
        if now >= self._rotate_at:
            self._rotate(now)
        if self._leaving and self._leaving[0].give_back():
            del self._leaving[0]

    def _rotate(self, now: float) -> None:
        early, silence = now < self._rotate_at, now >= self._rotate_at + self.ttl_seconds
        if self._old is not None:
            self.dropped += self._old.count * early
            self._leaving.append(self._old)
        self._old = self._new
        if silence:  # they are outdated, too
            self._leaving.append(self._old)
            self._old = None
        for lane in self._lanes():
            if lane.old:
                self.dropped += len(lane.old) * early
                self._leaving.append(lane.old)
            lane.old, lane.new = lane.new, Columns()
            if silence and lane.old:
                self._leaving.append(lane.old)
                lane.old = None
        self._new = _Table(self.max_entries // 2)
        self._rotate_at = now + self.ttl_seconds
