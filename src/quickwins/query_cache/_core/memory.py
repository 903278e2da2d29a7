"""What one process keeps (L1): on cachetools, with a time for each entry, and bounds in bytes and entries.

An entry is served while it is young enough *and* its fence holds; see `fences`. What an invalidation voids is not searched
for: it is noticed when it is next asked for, and goes when its time is over at the latest.
"""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import needs_extra
from quickwins.query_cache._core.fences import Fence, Invalidation, Order

with needs_extra("query-cache"):
    from cachetools import TLRUCache

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickwins.query_cache._store import Entry
    from quickwins.query_cache.l1 import L1

_OVERHEAD_BYTES = 520
"""What the interpreter and cachetools add to the texts of one entry: objects, dictionaries, a link and a place in a heap."""
_ALIAS_BYTES = 180
"""The same for one more name of an entry."""
MOST_ALIASES = 8
"""How many names one entry has beside its key."""
TOUCH_SECONDS = 0.1
"""How often being found by a name makes an entry the last to go: it takes as long as all else of being found."""


class Slot:
    """One entry in memory.

    Attributes:
        entry: What is kept.
        size_bytes: What it takes.
        checked: The reading of the order up to which its fence is known to hold.
        aliases: Other names for it: raw requests that it has answered.
        start: What adapters keep with it: messages made once for each second of age.
        touched: When it was last made the last to go by one of its names, in monotonic seconds.
    """

    __slots__ = ("aliases", "checked", "entry", "size_bytes", "start", "touched")

    def __init__(self, entry: Entry, size_bytes: int) -> None:
        self.entry = entry
        self.size_bytes = size_bytes
        self.checked = entry.fence
        self.aliases: list[Any] = []
        self.start: Any = None
        self.touched = -math.inf


class _Kept(TLRUCache[bytes, Slot]):
    """cachetools' cache, which tells of everything that leaves it."""

    def __init__(self, max_bytes: int, now: Callable[[], float], left: Callable[[Slot, str], None]) -> None:
        super().__init__(max_bytes, _expires, now, getsizeof=_size)
        self._left = left

    def expire(self, time: float | None = None) -> Any:
        """See cachetools."""
        gone = super().expire(time)
        for _, slot in gone:
            self._left(slot, "expired")
        return gone

    def popitem(self) -> tuple[bytes, Slot]:
        """See cachetools."""
        key, slot = super().popitem()
        self._left(slot, "full")
        return key, slot


def _expires(_: bytes, slot: Slot, __: float) -> float:
    return slot.entry.stored_at + slot.entry.kept_seconds


def _size(slot: Slot) -> int:
    return slot.size_bytes


class Memory:
    """The entries of one process. One thread.

    Attributes:
        aliases: Other names of entries, to their slots.
        order: The process's own order of events.
        evicted: How many entries have left, by reason: `expired`, `full`, `void` (invalidated), `replaced`.
    """

    def __init__(self, bounds: L1, epoch: str, now: Callable[[], float]) -> None:
        """Nothing is kept yet.

        Args:
            bounds: What it may take.
            epoch: Random.
            now: Monotonic seconds.
        """
        self._bounds = bounds
        self._now = now
        self.order = Order(epoch)
        self.aliases: dict[Any, Slot] = {}
        self.evicted = dict.fromkeys(("expired", "full", "void", "replaced"), 0)
        self._kept = _Kept(bounds.max_bytes, now, self._left)

    def __len__(self) -> int:
        return len(self._kept)

    @property
    def size_bytes(self) -> int:
        """What the entries take."""
        return int(self._kept.currsize)

    @property
    def fence(self) -> Fence:
        """The reading of the order, to be taken before an execution begins."""
        return self.order.fence

    def get(self, key: bytes) -> Slot | None:
        """The slot under `key`, which may be past its time, but not past what it is kept for, nor past its fence."""
        try:
            slot = self._kept[key]
        except KeyError:
            return None
        return slot if self.holds(slot) else None

    def get_alias(self, alias: Any, now: float) -> Slot | None:
        """The same by another name; `now`: monotonic seconds."""
        slot = self.aliases.get(alias)
        if slot is None:
            return None
        if now - slot.touched >= TOUCH_SECONDS:
            slot.touched = now
            return self.get(slot.entry.key)
        return slot if self.holds(slot) else None

    def holds(self, slot: Slot) -> bool:
        """Whether the fence of `slot` holds; otherwise it goes."""
        fence = self.order.fence
        if slot.checked is not fence:  # each event makes a new one
            if self.order.voids(slot.entry.marks, slot.entry.fence):
                self.drop(slot, "void")
                return False
            slot.checked = fence
        return True

    def put(self, entry: Entry) -> Slot | None:
        """Keep `entry`; `None`: its fence is over, or it is too large."""
        if self.order.voids(entry.marks, entry.fence):
            return None
        size = size_of(entry)
        if size > min(self._bounds.max_entry_bytes, self._bounds.max_bytes):
            return None
        slot = Slot(entry, size)
        if entry.key in self._kept:
            self._left(self._kept.pop(entry.key), "replaced")
        while len(self._kept) >= self._bounds.max_entries:
            self._kept.popitem()
        self._kept[entry.key] = slot
        slot.checked = self.order.fence
        return slot if entry.key in self._kept else None

    def name(self, slot: Slot, alias: Any, size_bytes: int) -> None:
        """Have `slot` found by `alias`, too, unless it has enough names."""
        # Asking for it makes it the last to go: making room for its name must not take itself.
        if alias in self.aliases or len(slot.aliases) >= MOST_ALIASES or self.get(slot.entry.key) is not slot:
            return
        size = slot.size_bytes + size_bytes + _ALIAS_BYTES
        if size > self._bounds.max_entry_bytes:
            return
        slot.aliases.append(alias)
        self.aliases[alias] = slot
        slot.size_bytes = size
        # cachetools remembers what a value took when it was set.
        self._kept[slot.entry.key] = slot

    def drop(self, slot: Slot, reason: str) -> None:
        """Keep it no longer."""
        if self._kept.pop(slot.entry.key, None) is not None:
            self._left(slot, reason)

    def invalidate(self, invalidation: Invalidation, epoch: str) -> None:
        """Void what it names; `epoch`: the new one, when that is everything."""
        if invalidation.everything:
            self.clear(epoch)
        else:
            self.order.invalidate(invalidation.marks, invalidation.tag_prefixes)

    def clear(self, epoch: str) -> None:
        """Begin a new epoch with nothing."""
        self.order.renew(epoch)
        self.evicted["void"] += len(self._kept)
        self._kept.clear()
        self.aliases.clear()

    def expire(self) -> None:
        """Let go of what is past its time."""
        self._kept.expire()

    def _left(self, slot: Slot, reason: str) -> None:
        self.evicted[reason] += 1
        for alias in slot.aliases:
            self.aliases.pop(alias, None)
        slot.aliases.clear()


def size_of(entry: Entry) -> int:
    """What `entry` takes in memory, within a tenth."""
    marks = entry.marks
    texts = entry.key, entry.material, entry.body, entry.etag, marks, "".join(marks)
    return _OVERHEAD_BYTES + _TEXT_BYTES * len(marks) + sum(map(sys.getsizeof, texts))


_TEXT_BYTES = sys.getsizeof("")
"""What a text takes besides its letters."""
