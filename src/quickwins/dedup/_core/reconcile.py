"""What a source has sent against what had its effect, by positions: which events are lost, and which were applied twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.dedup._core.position import lsn

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Range:
    """Positions next to each other in the source's log.

    Attributes:
        first: The first of them, as PostgreSQL writes it.
        last: The last.
        sent: How many events the source has sent, each counted once.
        applied: How many effects there are.
        lost: How many events have no effect.
        doubled: How many effects there are too many.
    """

    first: str
    last: str
    sent: int
    applied: int
    lost: int
    doubled: int


def reconcile(sent: Mapping[int, int], applied: Mapping[int, int], *, ranges: int) -> list[Range]:
    """Compare the numbers at each position, and add up what differs in at most `ranges` stretches of as many positions each.

    Effects before the first position sent or behind the last are not looked at: of them the topic says nothing.
    """
    if not sent:
        return []
    first, last = min(sent), max(sent)
    counted = Counter({at: count for at, count in applied.items() if first <= at <= last})
    positions = sorted({*sent, *counted})
    stride = -(-len(positions) // ranges)
    found = []
    for start in range(0, len(positions), stride):
        part = positions[start : start + stride]
        differences = [sent.get(at, 0) - counted[at] for at in part]
        found.append(
            Range(
                lsn(part[0]),
                lsn(part[-1]),
                sum(sent.get(at, 0) for at in part),
                sum(counted[at] for at in part),
                sum(one for one in differences if one > 0),
                -sum(one for one in differences if one < 0),
            )
        )
    return found
