"""Which member is kept out because nothing comes back from it, and when it may try again.

The rule: `eject_after` calls in a row that ended without a response, with none that had one in between, eject a member. This
one is counted first and then the limit is looked at (Envoy#27066 looked before, and lost all three of three hosts): at most
half of the members are out at a time, and never the last. An ejected member comes back by a probe: after its time one call
goes there, alone. A response brings it back, silence ejects it again.

A silent member beyond that half is not kept out, but reconnected: as long as it is not connected others are preferred, and
its successor may be with a server that answers.

When all members are silent, none of them is to blame, and all are reconnected.

The trap: a member is one connection. Its successor begins with a clean sheet, and what still ends on the old connection says
nothing about the new one.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection


class Sign(Enum):
    """What the end of a call says of the connection that it was on."""

    ANSWERED = auto()
    """The server responded, with whatever status."""
    SILENT = auto()
    """Nothing came before the deadline, or the connection was lost or refused."""
    NOTHING = auto()
    """The caller left, or it cannot be told."""


ANSWERED: Final = Sign.ANSWERED  # an enum's member is looked up at each use, and each call has a sign
SILENT: Final = Sign.SILENT


class Verdict(Enum):
    """What is to be done."""

    NOTHING = auto()
    EJECT = auto()
    """Give the member a new connection, and keep it out."""
    RECONNECT = auto()
    """Give the member a new connection, without keeping it out."""
    RECONNECT_ALL = auto()
    """Give each member a new connection, one after another."""


class Health:
    """What is known of one member.

    Attributes:
        silent: Calls in a row without a response.
        out_until: When it may be probed, in monotonic seconds; `None`: it is in.
        probing: Whether the probe is under way.
    """

    __slots__ = ("out_until", "probing", "silent")

    def __init__(self, out_until: float | None = None) -> None:
        self.silent = 0
        self.out_until = out_until
        self.probing = False

    def admits(self, now: float) -> bool:
        """Whether it may be given a call at `now`, if only as a probe."""
        return self.out_until is None or (now >= self.out_until and not self.probing)

    def begin(self) -> None:
        """It was given a call."""
        if self.out_until is not None:
            self.probing = True

    def note(self, sign: Sign) -> None:
        """A call on it has ended."""
        if sign is ANSWERED:
            self.silent = 0
            self.out_until = None
        elif sign is SILENT:
            self.silent += 1
        self.probing = False


def judge(one: Health, everybody: Collection[Health], *, eject_after: int) -> Verdict:
    """What to do after `one`, which is among `everybody`, has noted silence.

    Args:
        one: The member whose call has ended.
        everybody: All members in use, ejected ones included.
        eject_after: How many in a row are too many; 0: nobody is ever ejected.
    """
    if not eject_after:
        return Verdict.NOTHING
    if one.out_until is not None:
        return Verdict.EJECT  # the probe has failed, and its place among the ejected is its own
    if one.silent < eject_after:
        return Verdict.NOTHING
    out = sum(other.out_until is not None for other in everybody)
    if out + 1 <= len(everybody) // 2:
        return Verdict.EJECT
    if all(other.out_until is not None or other.silent >= eject_after for other in everybody):
        return Verdict.RECONNECT_ALL
    return Verdict.RECONNECT
