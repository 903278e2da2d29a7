"""Which transactions of the source a partition has seen, by commit position and id.

Positions only grow while there is nothing sent again, so the ledger is a sorted list that grows at its end: sixteen bytes a
transaction, and a look-up is a bisection. What was seen before the oldest one kept is not known.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_left


class Ledger:
    """The transactions seen last, at most `size` of them. Not thread-safe."""

    __slots__ = ("_commits", "_ids", "size")

    def __init__(self, size: int) -> None:
        """Empty.

        Args:
            size: How many transactions to keep, at least 1.
        """
        self.size = size
        self._commits = array("Q")
        self._ids = array("Q")

    def __len__(self) -> int:
        return len(self._commits)

    def __repr__(self) -> str:
        return f"<Ledger of {len(self)} transactions, at most {self.size}>"

    def knows(self, commit: int, transaction: int) -> bool:
        """Whether that transaction, begun behind that commit, was seen."""
        commits, ids = self._commits, self._ids
        at = bisect_left(commits, commit)
        while at < len(commits) and commits[at] == commit:
            if ids[at] == transaction:
                return True
            at += 1
        return False

    def add(self, commit: int, transaction: int) -> None:
        """Note a transaction, once for its many events.

        One whose commit position is lower than that of the last stays unknown, for the list must stay sorted: only a logical
        message outside of any transaction has such a position.
        """
        if self._commits:
            last = self._commits[-1]
            if commit < last or (commit == last and self._ids[-1] == transaction):
                return
        self._commits.append(commit)
        self._ids.append(transaction)

    def cut(self, length: int) -> None:
        """Forget what was added since the ledger was `length` long."""
        del self._commits[length:], self._ids[length:]

    def trim(self) -> None:
        """Forget the oldest beyond `size`, in strides, so that it costs next to nothing for each."""
        excess = len(self) - self.size
        if excess > self.size // 8 + 1:
            del self._commits[:excess], self._ids[:excess]

    def dump(self, start: int = 0) -> bytes:
        """The transactions from the `start`th on, as `load` takes them."""
        both = self._commits[start:] + self._ids[start:]
        if sys.byteorder == "big":
            both.byteswap()
        return both.tobytes()

    def load(self, data: bytes) -> None:
        """Add what `dump` gave.

        Raises:
            ValueError: It is cut off.
        """
        both = array("Q")
        both.frombytes(data)
        half, odd = divmod(len(both), 2)
        if odd:
            raise ValueError("half a transaction")
        if sys.byteorder == "big":
            both.byteswap()
        self._commits += both[:half]
        self._ids += both[half:]
