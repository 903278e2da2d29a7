"""Gates in a fork's child: what they know of tasks and of their event loop is its parent's.

A fork copies the permits that are in use, with nobody to give them back, and an event loop that seems to run.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Heir(Protocol):
    """What a child inherits."""

    def forget_parent(self) -> None:
        """Begin anew in a fork's child."""
        ...


_kept: WeakSet[Heir] = WeakSet()


def keep(heir: Heir) -> None:
    """Have `heir` begin anew in each child of a fork, as long as it lives."""
    _kept.add(heir)


def _in_child() -> None:
    for heir in list(_kept):
        heir.forget_parent()


os.register_at_fork(after_in_child=_in_child)
