"""Where a permit was asked for, when a library stands between us and the one who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_FRAMES = 16
"""How many of a library's frames are looked behind."""


def outside(inner: FrameType, *packages: str) -> FrameType:
    """The first frame around `inner` whose module is in none of `packages`; `inner` itself when there is none nearby."""
    frame: FrameType | None = inner
    for _ in range(_FRAMES):
        if frame is None:
            break
        if not str(frame.f_globals.get("__name__", "")).startswith(packages):
            return frame
        frame = frame.f_back
    return inner
