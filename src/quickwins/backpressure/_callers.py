"""Where a permit was asked for, when a library stands between us and the one who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType

_FRAMES = 16
"""How many of a library's frames are looked behind."""


class Outside:
    """Finds the user of some packages. Each acquisition looks, so the modules met before are told by one look-up."""

    __slots__ = ("_modules", "_packages")

    def __init__(self, *packages: str) -> None:
        """Look behind modules whose names start with one of `packages`."""
        self._packages = packages
        self._modules: set[str] = set()  # of these packages, those met so far

    def of(self, inner: FrameType) -> FrameType:
        """The first frame around `inner` whose module is in none of them; `inner` itself when there is none nearby."""
        modules = self._modules
        frame: FrameType | None = inner
        for _ in range(_FRAMES):
            if frame is None:
                break
            name = frame.f_globals.get("__name__")
            if type(name) is not str:  # neither a library's nor safe to look up
                return frame
            if name not in modules:
                if not name.startswith(self._packages):
                    return frame
                modules.add(name)
            frame = frame.f_back
        return inner
