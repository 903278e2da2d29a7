"""Which member a call goes to.

The rule, best first:

1. a connected member, in turn (or of two in turn the one with fewer calls);
2. a connected member that this call has just failed on;
3. a connected one that is ejected: its connection is new, and all others have none;
4. one that is connecting, or idle: the caller may wait for it;
5. one whose connection fails.

Each look at an idle member wakes it. Ejected members whose time has come are among the first, for one call: the probe.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from quickwins.channels._core.health import Health
    from quickwins.core.clock import Chance


class Readiness(IntEnum):
    """What a member's connection is good for now."""

    READY = 0
    CONNECTING = 1
    FAILING = 2
    CLOSED = 3


READY: Final = Readiness.READY
CONNECTING: Final = Readiness.CONNECTING


class Candidate(Protocol):
    """What is known of a member."""

    @property
    def health(self) -> Health:
        """Whether it may be given a call."""
        ...

    @property
    def inflight(self) -> int:
        """Calls on it now."""
        ...


_C = TypeVar("_C", bound=Candidate)


class Picker:
    """Goes round. `look` asks a member's connection, and wakes it when it is idle."""

    __slots__ = ("_at",)

    def __init__(self) -> None:
        self._at = 0

    def pick(
        self,
        members: Sequence[_C],
        look: Callable[[_C], Readiness],
        now: float,
        avoid: Collection[_C] = (),
        rng: Chance | None = None,
    ) -> tuple[_C, Readiness]:
        """The member for a call, and what its connection is good for.

        Args:
            members: At least one.
            look: Asks a connection.
            now: Monotonic seconds.
            avoid: Those on which this call has failed.
            rng: Draws the second of two choices, for the one with fewer calls; `None`: strictly in turn.
        """
        count = len(members)
        at = self._at
        if rng is None and not avoid and at < count:
            one = members[at]  # as nearly always: the next one is good
            if one.health.out_until is None and look(one) is READY:
                self._at = at + 1 if at + 1 < count else 0
                return one, READY
        best: tuple[int, int, _C, Readiness] | None = None
        for step in range(count):
            place = (at + step) % count
            one = members[place]
            ready = look(one)
            admitted = one.health.admits(now)
            if ready is READY and admitted and one not in avoid:
                if rng is not None and count > 1:
                    place, one = self._lighter(members, look, now, (place, one), avoid, rng)
                self._at = (place + 1) % count
                return one, READY
            rank = _rank(ready, admitted=admitted)
            if best is None or rank < best[0]:
                best = (rank, place, one, ready)
        assert best is not None
        self._at = (best[1] + 1) % count
        return best[2], best[3]

    @staticmethod
    def _lighter(
        members: Sequence[_C],
        look: Callable[[_C], Readiness],
        now: float,
        first: tuple[int, _C],
        avoid: Collection[_C],
        rng: Chance,
    ) -> tuple[int, _C]:
        place = (first[0] + 1 + int(rng.random() * (len(members) - 1))) % len(members)
        other = members[place]
        if (
            other.inflight < first[1].inflight
            and other not in avoid
            and other.health.admits(now)
            and look(other) is READY
        ):
            return place, other
        return first


def _rank(ready: Readiness, *, admitted: bool) -> int:
    if ready is READY:
        return 1 if admitted else 2
    if ready is CONNECTING:
        return 3 if admitted else 4
    return 5 if admitted else 6
