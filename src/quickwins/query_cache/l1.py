"""How much of the answers one process keeps in its memory."""

from __future__ import annotations

from dataclasses import dataclass

from quickwins.core.knobs import Checked, knob
from quickwins.core.lazy import shows

__all__ = ["L1"]
__dir__ = shows(__name__)


@dataclass(frozen=True, slots=True)
class L1(Checked):
    """The bounds of the memory of one process; the least recently used answer goes first."""

    max_bytes: int = knob(
        64 << 20,
        ge=1 << 16,
        le=1 << 40,
        words="How many bytes answers take, with their keys, tags and all that the interpreter adds.",
    )
    max_entries: int = knob(10_000, ge=1, le=10_000_000, words="How many answers there are at most.")
    max_entry_bytes: int = knob(
        1 << 20,
        ge=256,
        le=1 << 30,
        words="How many bytes one answer takes at most; a larger one is never stored.",
    )
