"""Fences: what keeps an answer from being stored, or served, once what it was made of has been invalidated.

A *namespace* is what is invalidated together: one cache's name within one service, the same in all its processes. The
schema is no part of it, but of every key: while two releases run side by side, a mutation in one must void the answers of
the other. Each store has its own order of events for a namespace. It is

* an *epoch*, random, drawn again whenever the store can't know what it has missed (it began, was emptied, lost its
  subscription, was off): no fence of another epoch is ever valid again; and
* a *sequence*, which grows by one with each invalidation.

A `Fence` is a reading of both. The rules:

1. Whoever executes reads the fence first. The answer is stored with *that* fence, not with the one at its end.
2. An answer depends on *marks* (`entity`, `unsure`, `of_type`, `of_list`, `tag`, `of_principal`). An invalidation names
   marks and prefixes of tags, takes the next sequence, and writes it against each of them.
3. A store refuses an answer when its epoch is over, or when any of its marks, or a prefix of any of its tags, has been
   invalidated at a later sequence than its fence. What a store has forgotten (its memory of marks is bounded) counts as
   invalidated: a `floor` below which every fence is refused. Reading judges the same way, so that voiding needs no
   search: what was put before an invalidation is not found after it.
4. A mutation's answer waits until its invalidation has its sequence: a client that has read it, and reads again, reads afresh.
5. A flight (an execution that several wait for) is joined only by those who would have read the same fence when it began
   for its marks: after an invalidation nobody joins an older flight.

Trap: the fence must be read before the first resolver runs and the invalidation written after the mutation has
committed. The other way round, an answer that was read before the commit passes for one that was read after it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

_TAG = "tag:"
MOST_MARKS = 65_536
"""How many marks an order remembers: some ten megabytes. Entries are rarely older than that many invalidations."""
MOST_PREFIXES = 256
"""How many prefixes: each one is compared with each tag."""


class Fence(NamedTuple):
    """A reading of one store's order of events. See the head of this file."""

    epoch: str
    sequence: int


@dataclass(frozen=True, slots=True)
class Invalidation:
    """What an invalidation names.

    Attributes:
        marks: Answers that depend on any of them are void.
        tag_prefixes: Answers with a tag that begins with any of them are void.
        everything: All answers are void: the store begins a new epoch.
    """

    marks: frozenset[str] = frozenset()
    tag_prefixes: tuple[str, ...] = ()
    everything: bool = False

    def __bool__(self) -> bool:
        return self.everything or bool(self.marks or self.tag_prefixes)

    def voids(self, mark: str) -> bool:
        """Whether an answer that depends on `mark` is void."""
        return (
            self.everything
            or mark in self.marks
            or (
                bool(self.tag_prefixes)
                and mark.startswith(_TAG)
                and mark[len(_TAG) :].startswith(self.tag_prefixes)
            )
        )


def entity(type_name: str, identity: str) -> str:
    """The mark of an answer that has this entity in it."""
    return f"entity:{type_name}:{identity}"


def unsure(type_name: str) -> str:
    """The mark of an answer with a null, an empty list or an object without an id where an entity of this type may be."""
    return f"unsure:{type_name}"


def of_type(type_name: str) -> str:
    """The mark of an answer whose document can have entities of this type in it."""
    return f"type:{type_name}"


def of_list(coordinate: str) -> str:
    """The mark of an answer whose document has this field, such as `Query.users`."""
    return f"list:{coordinate}"


def tag(name: str) -> str:
    """The mark of an answer with this tag. Only these have prefixes."""
    return f"{_TAG}{name}"


def of_principal(pseudonym: str) -> str:
    """The mark of an answer that is this principal's, by its pseudonym: no store sees the principal itself."""
    return f"principal:{pseudonym}"


class Order:
    """One store's order of events, in memory: rules 2 and 3."""

    __slots__ = ("_floor", "_marks", "_most_marks", "_most_prefixes", "_prefixes", "fence")

    def __init__(
        self, epoch: str, *, most_marks: int = MOST_MARKS, most_prefixes: int = MOST_PREFIXES
    ) -> None:
        """Nothing is invalidated yet.

        Args:
            epoch: Random.
            most_marks: How many marks it remembers.
            most_prefixes: How many prefixes of tags it remembers.
        """
        self._most_marks = most_marks
        self._most_prefixes = most_prefixes
        self.fence = Fence(epoch, 0)
        self.renew(epoch)

    def renew(self, epoch: str) -> None:
        """Begin a new epoch: all that was stored is void."""
        # The sequence goes on: should two epochs be called the same, the floor tells them apart.
        self._floor = self.fence.sequence + 1
        self.fence = Fence(epoch, self._floor)
        self._marks: OrderedDict[str, int] = OrderedDict()
        self._prefixes: OrderedDict[str, int] = OrderedDict()

    def invalidate(self, marks: Iterable[str], tag_prefixes: Iterable[str] = ()) -> Fence:
        """Void what depends on any of these; the new fence."""
        sequence = self.fence.sequence + 1
        self.fence = Fence(self.fence.epoch, sequence)
        for names, known, most in (
            (marks, self._marks, self._most_marks),
            (tag_prefixes, self._prefixes, self._most_prefixes),
        ):
            for name in names:
                known[name] = sequence
                known.move_to_end(name)
            while len(known) > most:
                _, forgotten = known.popitem(last=False)
                self._floor = max(self._floor, forgotten)
        return self.fence

    def voids(self, marks: Iterable[str], fence: Fence) -> bool:
        """Whether what depends on `marks` and began at `fence` is void by now."""
        epoch, sequence = fence
        if epoch != self.fence.epoch or sequence < self._floor:
            return True
        known = self._marks
        if not known.keys().isdisjoint(marks) and any(known.get(mark, 0) > sequence for mark in marks):
            return True
        if not self._prefixes:
            return False
        later = tuple(prefix for prefix, when in self._prefixes.items() if when > sequence)
        return bool(later) and any(
            mark.startswith(_TAG) and mark.startswith(later, len(_TAG)) for mark in marks
        )
