"""Where a permit was asked for, when a library stands between us and the one who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


class Outside:
    """Finds the user of some packages. Each acquisition looks, so the modules met before are told by one look-up."""

    __slots__ = ("_modules", "_packages")

    def __init__(self, *packages: str) -> None:
        """Look behind modules whose names start with one of `packages`."""
        self._packages = packages
        self._modules: set[str] = set()  # of these packages, those met so far

    def of(self, inner: FrameType) -> FrameType:
        """The first frame around `inner` whose module is in none of them; `inner` itself when there is none."""
        modules = self._modules
        frame: FrameType | None = inner
        try:
            while frame is not None and (frame.f_globals["__name__"] in modules or self._is_new(frame)):
                frame = frame.f_back
        except Exception:  # noqa: BLE001 -- no name, or one that is anything: no library's; until=never
            return frame or inner
        return frame or inner

    def _is_new(self, frame: FrameType) -> bool:
        name = frame.f_globals["__name__"]
        found = type(name) is str and name.startswith(self._packages)
        if found:
            self._modules.add(name)
        return found
