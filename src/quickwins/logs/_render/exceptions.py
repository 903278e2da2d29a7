"""What a line says of an exception: its type, where it came from, and a hash to tell it from others.

Never its message, its arguments, or anybody's local variables: those are where secrets are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickwins.core.digest import digest

if TYPE_CHECKING:
    from types import TracebackType

MAX_FRAMES = 20
"""The innermost ones; they say the most."""
MAX_CAUSES = 5


def exception_in(given: object, current: BaseException | None) -> BaseException | None:
    """What `exc_info=` means: an exception, the tuple of `sys.exc_info()`, or true for the one being handled."""
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        found = given[1] if len(given) > 1 else None
        return found if isinstance(found, BaseException) else None
    return current if given else None


def described(error: BaseException) -> dict[str, object]:
    """The fields of `error`, under OpenTelemetry's `exception.` prefix; all made here, so they need no redaction.

    `exception.stack_hash` is the same for the same types and functions, whatever the lines' numbers: it survives edits
    elsewhere in a file.
    """
    frames = _frames(error.__traceback__)
    causes: list[str] = []
    cause = error
    while len(causes) < MAX_CAUSES:
        following = cause.__cause__ or (None if cause.__suppress_context__ else cause.__context__)
        if following is None:
            break
        cause = following
        causes.append(_name(cause))
    fields: dict[str, object] = {
        "exception.type": _name(error),
        "exception.frames": [f"{module}:{function}:{line}" for module, function, line in frames],
        "exception.stack_hash": digest(
            _name(error),
            *causes,
            *(part for module, function, _ in frames for part in (module, function)),
            size_bytes=8,
        ).hex(),
    }
    if causes:
        fields["exception.causes"] = causes
    return fields


def _name(error: BaseException) -> str:
    kind = type(error)
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"


def _frames(trace: TracebackType | None) -> list[tuple[str, str, int]]:
    found: list[tuple[str, str, int]] = []
    while trace is not None:
        code = trace.tb_frame.f_code
        module: Any = trace.tb_frame.f_globals.get("__name__", "?")
        found.append((str(module), code.co_qualname, trace.tb_lineno))
        trace = trace.tb_next
        if len(found) > 2 * MAX_FRAMES:  # a recursion of thousands
            del found[:MAX_FRAMES]
    return found[-MAX_FRAMES:]
