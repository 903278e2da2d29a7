"""Invalidations that a store has not confirmed. Does no I/O."""

from __future__ import annotations

from typing import Final

from quickwins.query_cache._core.fences import Invalidation

MAX_NAMES: Final = 10_000
"""Marks and prefixes that are remembered; past it everything is to be voided."""


class Owed:
    """What is to be voided, by the number that it was given. Each stays until its number is paid."""

    __slots__ = ("_last", "_names", "_open")

    def __init__(self) -> None:
        self._open: dict[int, Invalidation] = {}
        self._names = 0
        self._last = 0

    def __repr__(self) -> str:
        return f"<Owed {len(self._open)} invalidations>"

    def __len__(self) -> int:
        return len(self._open)

    def add(self, invalidation: Invalidation) -> tuple[int, Invalidation]:
        """Remember `invalidation`; its number, and what is to be voided under it."""
        self._last += 1
        self._open[self._last] = invalidation
        self._names += _size(invalidation)
        if self._names > MAX_NAMES:
            self._open = {self._last: Invalidation(everything=True)}
            self._names = 1
        return self._last, self._open[self._last]

    def paid(self, number: int) -> None:
        """Forget the one with this number."""
        invalidation = self._open.pop(number, None)
        if invalidation is not None:
            self._names -= _size(invalidation)

    def all(self) -> list[tuple[int, Invalidation]]:
        """What is open, in order."""
        return list(self._open.items())


def _size(invalidation: Invalidation) -> int:
    return 1 + len(invalidation.marks) + len(invalidation.tag_prefixes)
