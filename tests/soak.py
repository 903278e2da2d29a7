"""How often what has chance in it is repeated: `make soak` has time for more than each run has."""

from __future__ import annotations

import os
from typing import TypeVar

T = TypeVar("T")

SOAK = os.environ.get("HYPOTHESIS_PROFILE") == "soak"


def times(usual: T, *, soak: T) -> T:
    """`usual`, or in `make soak` what is given for it."""
    return soak if SOAK else usual
