"""How asking a gate or waiting in its line ends when it is not refused, and how the use of a permit ends."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class Verdict(Enum):
    """How asking, or waiting, ends when it is not refused."""

    ADMITTED = auto()
    TIMED_OUT = auto()
    """The waiter's own deadline passed."""


class Ending(Enum):
    """How the use of a permit ends, for what it tells about the resource."""

    DONE = auto()
    """It did what it was for: the time that it was held is a sample."""
    FAILED = auto()
    """It timed out or lost its connection: a sign that too many are in use."""
    IGNORED = auto()
    """It tells nothing: it was cancelled, or never used."""


# Looking a member up on its class takes CPython 3.11 as long as a whole decision does.
ADMITTED: Final = Verdict.ADMITTED
DONE: Final = Ending.DONE
FAILED: Final = Ending.FAILED
IGNORED: Final = Ending.IGNORED
