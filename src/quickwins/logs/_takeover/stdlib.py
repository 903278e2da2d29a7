"""The standard library's logging, taken over while ours is on.

No logger or handler is changed, so that there is nothing to give back but the root's level, and whatever others configure
meanwhile, before or after, is theirs. Two methods of `logging` ask us first:

- `Logger.callHandlers`: a record that gets as far as the root logger is ours, unless the filters of all such handlers refused it;
  One that tells what a line of ours tells (`told`) leaves no line.
- `Handler.handle`: a handler that would write to standard output or error is silent, and its record is ours, once, if its
  filters let it pass. All other handlers work as ever.

Others patch the same methods, as sentry does: we call what was there, and if someone has patched ours since, it stays and
only passes on.
"""

from __future__ import annotations

import logging
import threading
from functools import partial
from logging.handlers import MemoryHandler, QueueHandler
from typing import TYPE_CHECKING, Any

from quickwins.logs._takeover.patch import Patch
from quickwins.logs._takeover.places import shows_there
from quickwins.logs._takeover.told import tells

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

_COPIED = "_quickwins_taken"
"""On a record that comes out again elsewhere, of a queue or a buffer: what is written there has been written already."""


class _Level(int):
    """A level that we have set: the same number may have been set by someone else since."""


class _Way:
    """A record on its way through the handlers of a logger and its ancestors."""

    __slots__ = ("reaches_root", "record", "refused", "taken")

    def __init__(self, record: logging.LogRecord, *, reaches_root: bool) -> None:
        self.record = record
        self.reaches_root = reaches_root
        self.taken = False
        self.refused = False


class _Here(threading.local):
    """What is going on in a thread."""

    way: _Way | None = None
    telling = False


class Takeover:
    """One takeover. Any thread."""

    def __init__(
        self,
        receive: Callable[[logging.LogRecord], bool],
        keep: Collection[logging.Handler | str] = (),
    ) -> None:
        """Nothing is taken yet.

        Args:
            receive: Gets each record, once. `False`: too late, its place is where it would have gone.
            keep: Handlers that are not replaced although they write to standard output or error: themselves, or their names.
        """
        self._receive = receive
        self._keep = tuple(keep)
        self._root = logging.getLogger()
        self._level = _Level(0)
        self._level_was = 0
        self._here = _Here()
        self.silent: list[logging.Handler] = []
        """The root's handlers when there last was nobody among them to tell."""

    def install(self, level: int) -> None:
        """Take over from `level` on. Called again, it takes the new level, over one that the root was given since."""
        global _taking  # noqa: PLW0603 -- logging is process-wide; until=never
        if self._root.level is not self._level:
            self._level_was = self._root.level
        self._level = _Level(level)
        self._root.setLevel(self._level)
        # In this order, and the other way round at the end: a record that is on its way is written once.
        _HANDLE.put()
        _CALL_HANDLERS.put()
        _taking = self

    def uninstall(self) -> None:
        """Stop. A level that the root was given since stays."""
        global _taking  # noqa: PLW0603 -- logging is process-wide; until=never
        _taking = None
        _CALL_HANDLERS.take_out()
        _HANDLE.take_out()
        if self._root.level is self._level:
            self._root.setLevel(self._level_was)

    def replaces(self, handler: logging.Handler) -> bool:
        """Whether `handler` is silent while ours is on."""
        return shows_there(handler) and not (
            self._keep and any(one is handler or (one and one == handler.name) for one in self._keep)
        )

    def route(self, logger: logging.Logger, record: logging.LogRecord) -> None:
        """`Logger.callHandlers`."""
        here = self._here
        before, here.way = here.way, _Way(record, reaches_root=_reaches_root(logger))
        way = here.way
        try:
            way.taken = tells(record)
            _CALL_HANDLERS.before(logger, record)
        finally:
            here.way = before
            # Where ours went off meanwhile, consoles have it already.
            if _taking is self and way.reaches_root and not way.taken and not way.refused:
                self._receive(record)

    def handle(self, handler: logging.Handler, record: logging.LogRecord) -> Any:
        """`Handler.handle`."""
        way = self._here.way
        if way is not None and way.record is not record:
            way = None
        if not self.replaces(handler):
            if way is None or not (way.reaches_root or way.taken):
                return _HANDLE.before(handler, record)
            return _told(handler, record, partial(_HANDLE.before, handler))
        if way is None:
            if _COPIED in record.__dict__:
                return True
            way = _Way(record, reaches_root=False)
        if not way.taken:
            kept: Any = handler.filter(record)  # from Python 3.12 on it may be another record
            way.taken, way.refused = bool(kept), not kept
            if kept and not self._receive(kept if isinstance(kept, logging.LogRecord) else record):
                way.taken = False
                return _HANDLE.before(handler, record)
        return way.taken

    def tell(self, level: int, event: str, fields: dict[str, object], raised: object) -> None:
        """Let the root's other handlers have a record of ours, which did not come through the standard library.

        Args:
            level: Its `logging` number.
            event: Its name.
            fields: What may be shown of its fields.
            raised: The exception that belongs to it, in any form that `exc_info` takes.

        Raises:
            Exception: Whatever a handler raises.
        """
        handlers = self._root.handlers[:]
        others = [one for one in handlers if not self.replaces(one)]
        if not others:
            self.silent = handlers
            return
        if self._here.telling:  # one of them logs with our logger
            return
        self._here.telling = True
        try:
            record = _record(self._root, level, event, fields, raised)
            for handler in others:
                if level >= handler.level:
                    _told(handler, record, handler.handle)
        finally:
            self._here.telling = False


def _told(handler: logging.Handler, record: logging.LogRecord, give: Callable[[Any], Any]) -> Any:
    """Give `handler` a record that has its line: what comes out of a queue or a buffer at a console must not have another one."""
    if isinstance(handler, MemoryHandler):  # which keeps the record itself, for any time
        record.__dict__[_COPIED] = True
        return give(record)
    if not isinstance(handler, QueueHandler) or _COPIED in record.__dict__:
        return give(record)
    record.__dict__[_COPIED] = True
    try:
        return give(record)
    finally:
        del record.__dict__[_COPIED]


def _record(
    root: logging.Logger, level: int, event: str, fields: dict[str, object], raised: Any
) -> logging.LogRecord:
    if isinstance(raised, BaseException):
        raised = (type(raised), raised, raised.__traceback__)
    shown = "".join(f" {name}={value}" for name, value in fields.items())
    extra = {"event": event, "fields": fields}
    return root.makeRecord(root.name, level, "", 0, "%s%s", (event, shown), raised or None, extra=extra)


def _reaches_root(logger: logging.Logger) -> bool:
    while logger.parent is not None:
        if not logger.propagate:
            return False
        logger = logger.parent
    return True


def _ours_call_handlers(self: logging.Logger, record: logging.LogRecord) -> None:
    taking = _taking
    if taking is None:
        _CALL_HANDLERS.before(self, record)
    else:
        taking.route(self, record)


def _ours_handle(self: logging.Handler, record: logging.LogRecord) -> Any:
    taking = _taking
    return _HANDLE.before(self, record) if taking is None else taking.handle(self, record)


_taking: Takeover | None = None
_CALL_HANDLERS = Patch(logging.Logger, "callHandlers", _ours_call_handlers)
_HANDLE = Patch(logging.Handler, "handle", _ours_handle)

# structlog's formatters look for the caller behind all modules of `logging`, and should not find ours.
__name__ = "logging.quickwins"
