"""How asking a gate, or waiting in its line, ends when it is not refused."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final


class Verdict(Enum):
    """How asking, or waiting, ends when it is not refused."""

    ADMITTED = auto()
    TIMED_OUT = auto()
    """The waiter's own deadline passed."""


ADMITTED: Final = Verdict.ADMITTED
