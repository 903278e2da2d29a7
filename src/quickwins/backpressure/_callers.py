"""Where a permit was asked for, when a library stands between us and the one who asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import FrameType


MOST = 1_000
"""Modules that are remembered."""


class Outside:
    """Finds the user of some packages. Each acquisition looks, so a module met before is told by one look-up."""

    __slots__ = ("_are_inside",)

    def __init__(self, *packages: str) -> None:
        """Look behind modules whose names start with one of `packages`."""
        self._are_inside = _Modules(packages)

    def of(self, inner: FrameType) -> FrameType:
        """The first frame around `inner` whose module is in none of them; `inner` itself when there is none."""
        are_inside = self._are_inside
        frame: FrameType | None = inner
        try:
            while frame is not None and are_inside[frame.f_globals["__name__"]]:
                frame = frame.f_back
        except Exception:  # noqa: BLE001 -- no name, or one that is anything: no library's; until=never
            return frame or inner
        return frame or inner


class _Modules(dict[str, bool]):
    """Whether each module that was met is one of some packages'."""

    __slots__ = ("_packages",)

    def __init__(self, packages: tuple[str, ...]) -> None:
        super().__init__()
        self._packages = packages

    def __missing__(self, name: object) -> bool:
        if type(name) is not str:
            return False
        found = name.startswith(self._packages)
        if len(self) < MOST:
            self[name] = found
        return found
