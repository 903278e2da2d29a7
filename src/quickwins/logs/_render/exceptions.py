"""What a line says of an exception: its type, where it came from, what is in it, and a hash to tell it from others.

Never its message, its arguments, or anybody's local variables: those are where secrets are. Its class is somebody else's code:
nothing of it is called, only what `BaseException` has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickwins.core.digest import digest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType

MAX_FRAMES = 20
"""The innermost ones; they say the most."""
MAX_CAUSES = 5
MAX_MEMBERS = 10
"""Of groups; any more are counted."""
MAX_MEMBER_FRAMES = 5
_MAX_DEPTH = 20

_Frames = list[tuple[str, str, int]]


def exception_in(given: object, current: BaseException | None) -> BaseException | None:
    """What `exc_info=` means: an exception, the tuple of `sys.exc_info()`, or true for the one being handled."""
    found = given
    if issubclass(type(found), tuple):
        found = (*tuple.__iter__(found), None, None)[1]  # type: ignore[arg-type]  # -- a tuple, as just seen; until=never
    elif not issubclass(type(found), BaseException):
        try:
            return current if given else None
        except Exception:  # noqa: BLE001 -- of its `__bool__`; until=never
            return current
    return found if issubclass(type(found), BaseException) else None  # type: ignore[return-value]  # -- one, as just seen; until=never


def described(error: BaseException) -> dict[str, object]:
    """The fields of `error`, under OpenTelemetry's `exception.` prefix; all made here, so they need no redaction.

    `exception.stack_hash` is the same for the same types and functions, whatever the lines' numbers: it survives edits
    elsewhere in a file. What is in a group, nested ones included, is in `exception.members`: of the exception, and of what it
    was caused by.
    """
    frames = _frames(error)
    chain = [error]
    while len(chain) <= MAX_CAUSES:
        following = _cause(chain[-1])
        if following is None:
            break
        chain.append(following)
    causes = [_name(cause) for cause in chain[1:]]
    found = [member for one in chain for member in _members(one, _MAX_DEPTH)]
    members = [(_name(member), _frames(member)[-MAX_MEMBER_FRAMES:]) for member in found[:MAX_MEMBERS]]
    fields: dict[str, object] = {
        "exception.type": _name(error),
        "exception.frames": _shown(frames),
        "exception.stack_hash": digest(
            _name(error),
            *causes,
            *_places(frames),
            *(part for name, places in members for part in (name, *_places(places))),
            size_bytes=8,
        ).hex(),
    }
    if causes:
        fields["exception.causes"] = causes
    if members:
        shown: list[object] = [{"type": name, "frames": _shown(places)} for name, places in members]
        fields["exception.members"] = [
            *shown,
            *([f"{len(found) - MAX_MEMBERS} more"] if len(found) > MAX_MEMBERS else []),
        ]
    return fields


def _cause(error: BaseException) -> BaseException | None:
    cause: BaseException | None = _CAUSE(error)
    return cause if cause is not None or _SUPPRESSED(error) else _CONTEXT(error)


def _members(error: BaseException, depth: int) -> Iterator[BaseException]:
    """What is in a group, one after the other; a group that is nested too deep counts as one."""
    if issubclass(type(error), BaseExceptionGroup):
        for member in _EXCEPTIONS(error):
            if depth and issubclass(type(member), BaseExceptionGroup):
                yield from _members(member, depth - 1)
            else:
                yield member


# What classes that derive from them may have replaced.
_CAUSE: Any = BaseException.__dict__["__cause__"].__get__
_CONTEXT: Any = BaseException.__dict__["__context__"].__get__
_SUPPRESSED: Any = BaseException.__dict__["__suppress_context__"].__get__
_TRACEBACK: Any = BaseException.__dict__["__traceback__"].__get__
_EXCEPTIONS: Any = BaseExceptionGroup.__dict__["exceptions"].__get__
_QUALNAME: Any = type.__dict__["__qualname__"].__get__
_MODULE: Any = type.__dict__["__module__"].__get__


def _name(error: BaseException) -> str:
    kind = type(error)
    module, name = _MODULE(kind), str(_QUALNAME(kind))
    if type(module) is not str:
        return f"?.{name}"
    return name if module == "builtins" else f"{module}.{name}"


def _shown(frames: _Frames) -> list[str]:
    return [f"{module}:{function}:{line}" for module, function, line in frames]


def _places(frames: _Frames) -> Iterator[str]:
    for module, function, _ in frames:
        yield module
        yield function


def _frames(error: BaseException) -> _Frames:
    trace: TracebackType | None = _TRACEBACK(error)
    found: _Frames = []
    while trace is not None:
        code = trace.tb_frame.f_code
        module: Any = trace.tb_frame.f_globals.get("__name__", "?")
        found.append((module if type(module) is str else "?", code.co_qualname, trace.tb_lineno))
        trace = trace.tb_next
        if len(found) > 2 * MAX_FRAMES:  # a recursion of thousands
            del found[:MAX_FRAMES]
    return found[-MAX_FRAMES:]
