"""What Python's warning filters would do with a warning, asked the way Python asks them."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


def deciding_filter(
    filters: Sequence[Any], text: str, category: type[Warning], module: str, line: int
) -> Any:
    """The first of `filters` that applies to this warning; `None`: Python's default applies."""
    for one in list(filters):
        _, message, of, modules, at = one
        if not issubclass(category, of) or (at and at != line):
            continue
        if message is not None and not _fits(message, text):
            continue
        if modules is not None and not _fits(modules, module):
            continue
        return one
    return None


def forget_cached_decisions() -> None:
    """Make Python ask the filters again for warnings it has seen; entering this block is the public way to do so."""
    with warnings.catch_warnings():
        pass


def caller() -> str:
    """The place that called the function of `warnings` that called ours, `file:line`."""
    frame = sys._getframe(3)  # noqa: SLF001  # -- what `inspect` uses, without its cost; until=never
    while frame.f_back is not None and frame.f_code.co_filename == warnings.__file__:
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def place_in(module: str) -> tuple[str, int]:
    """File and line of the nearest call in `module`, else of what warns."""
    first = frame = sys._getframe(3)  # noqa: SLF001  # -- to find the module on the stack; until=never
    while frame.f_globals.get("__name__") != module:
        if frame.f_back is None:
            frame = first
            break
        frame = frame.f_back
    return frame.f_code.co_filename, frame.f_lineno


def _fits(pattern: Any, text: str) -> bool:
    return bool(pattern == text if isinstance(pattern, str) else pattern.match(text))
