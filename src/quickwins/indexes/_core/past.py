"""What the rows of the history mean together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from quickwins.indexes._core.actions import Past

if TYPE_CHECKING:
    from collections.abc import Iterable


class State(StrEnum):
    """What a row of the history says. Those of the migration as a whole have no index."""

    STARTED = "started"
    BUILDING = "building"
    BUILT = "built"
    DROPPING = "dropping"
    DROPPED = "dropped"
    REINDEXED = "reindexed"
    ANALYZED = "analyzed"
    FAILED = "failed"
    APPLIED = "applied"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True, slots=True)
class Entry:
    """One row."""

    state: State
    digest: str
    index: str = ""
    statement: str = ""


def past_of(entries: Iterable[Entry]) -> Past:
    """What `entries`, oldest first, mean.

    An index is the migration's own from the moment its build began: a runner that was killed right after the build has
    not said that it was built.
    """
    digest = ""
    ours: set[str] = set()
    dropped: set[str] = set()
    reindexed: set[str] = set()
    analyzed: set[str] = set()
    for entry in entries:
        match entry.state:
            case State.BUILDING | State.BUILT:
                ours.add(entry.index)
                dropped.discard(entry.index)
                analyzed.discard(entry.index)
            case State.DROPPING:
                dropped.add(entry.index)
            case State.DROPPED:
                ours.discard(entry.index)
            case State.REINDEXED:
                reindexed.add(entry.statement)
            case State.ANALYZED:
                analyzed.add(entry.index)
            case State.APPLIED:
                digest = entry.digest
            case State.ROLLED_BACK:
                digest = ""
                ours.clear()
                dropped.clear()
                reindexed.clear()
                analyzed.clear()
            case _:
                pass
    return Past(digest, frozenset(ours), frozenset(dropped), frozenset(reindexed), frozenset(analyzed))
