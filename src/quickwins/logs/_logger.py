"""What applications log with. It may be made long before logging is configured, and outlives every configuration.

While structured logging is off, or nobody has configured it, its records go where the application logged before: through
structlog where that is configured, else through the standard library.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from quickwins.logs._context import CONTEXT
from quickwins.logs._levels import CRITICAL, DEBUG, ERROR, INFO, WARNING, level_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from quickwins.logs._levels import Level
    from quickwins.logs._pipeline import Pipeline

current: Pipeline | None = None
"""The pipeline that is on: logging is as process-wide as the descriptor that it writes to."""

_STANDARD_EXTRA = frozenset({"exc_info", "stack_info", "stacklevel"})


class Logger:
    """Logs facts: an event's name, and fields. Immutable; any thread; no call ever raises or waits.

    A call below the level costs what an empty method with these arguments does. Fields whose names are no identifiers are
    given with `**`: `log.info("http.request", **{"http.route": "/feed"})`. `exc_info=` takes an exception, or true for
    the one being handled.
    """

    __slots__ = ("_fields", "_name")

    def __init__(self, name: str = "", fields: Mapping[str, object] | None = None) -> None:
        """Use `get_logger` instead."""
        self._name = name
        self._fields = {} if fields is None else dict(fields)

    def debug(self, event: str, /, **fields: object) -> None:
        """Log a fact that developers want, and nobody else."""
        pipeline = current
        if pipeline is None:
            self._elsewhere(DEBUG, event, fields)
        elif pipeline.threshold <= 10:  # noqa: PLR2004 -- logging.DEBUG, a constant for speed; until=2027-12-31
            pipeline.emit(DEBUG, event, {**self._fields, **fields} if self._fields else fields, CONTEXT.get())

    def info(self, event: str, /, **fields: object) -> None:
        """Log a fact."""
        pipeline = current
        if pipeline is None:
            self._elsewhere(INFO, event, fields)
        elif pipeline.threshold <= 20:  # noqa: PLR2004 -- logging.INFO, a constant for speed; until=2027-12-31
            pipeline.emit(INFO, event, {**self._fields, **fields} if self._fields else fields, CONTEXT.get())

    def warning(self, event: str, /, **fields: object) -> None:
        """Log a fact that somebody should look at some day."""
        self._log(WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Log a failure."""
        self._log(ERROR, event, fields)

    def critical(self, event: str, /, **fields: object) -> None:
        """Log a failure that the process does not survive."""
        self._log(CRITICAL, event, fields)

    def exception(self, event: str, /, **fields: object) -> None:
        """Log a failure with the exception being handled."""
        fields.setdefault("exc_info", True)
        self._log(ERROR, event, fields)

    def log(self, level: int, event: str, /, **fields: object) -> None:
        """Log at a level as `logging` counts; the nearest of the five below it is meant."""
        self._log(level_of(level), event, fields)

    def is_enabled_for(self, level: int) -> bool:
        """Whether records of a level, as `logging` counts, are written."""
        pipeline = current
        if pipeline is None:
            return logging.getLogger(self._name or None).isEnabledFor(level)
        return pipeline.threshold <= level

    def bind(self, **fields: object) -> Self:
        """One like this whose records all say `fields` too."""
        return type(self)(self._name, {**self._fields, **fields})

    def unbind(self, *names: str) -> Self:
        """One like this without the fields `names`.

        Raises:
            KeyError: One of them is not bound.
        """
        fields = dict(self._fields)
        for name in names:
            del fields[name]
        return type(self)(self._name, fields)

    def try_unbind(self, *names: str) -> Self:
        """One like this without the fields `names`, as far as they are bound."""
        return type(self)(
            self._name, {name: value for name, value in self._fields.items() if name not in names}
        )

    def new(self, **fields: object) -> Self:
        """One whose records say `fields`, and nothing that was bound before."""
        return type(self)(self._name, fields)

    def _log(self, level: Level, event: str, fields: dict[str, object]) -> None:
        pipeline = current
        if pipeline is None:
            self._elsewhere(level, event, fields)
        elif pipeline.threshold <= level.number:
            pipeline.emit(level, event, {**self._fields, **fields} if self._fields else fields, CONTEXT.get())

    def _elsewhere(self, level: Level, event: str, fields: dict[str, object]) -> None:
        """Log as the application did before."""
        said = {**self._fields, **fields}
        structlog: Any = sys.modules.get("structlog")
        if structlog is not None and structlog.is_configured():
            structlog.get_logger(*([self._name] if self._name else [])).log(level.number, event, **said)
            return
        logger = logging.getLogger(self._name or None)
        if logger.isEnabledFor(level.number):
            own = {name: said.pop(name) for name in _STANDARD_EXTRA & said.keys()}
            shown = "".join(f" {name}={value}" for name, value in said.items())
            logger.log(level.number, "%s%s", event, shown, extra={"event": event, "fields": said}, **own)  # type: ignore[arg-type]  # -- the application's own words for logging; until=2027-12-31


class StructlogLogger(Logger):
    """What `structlog.get_logger()` gives while ours is on: the same, with arguments for `%` in the event's text."""

    __slots__ = ()

    def debug(self, event: str, /, *args: object, **fields: object) -> None:
        """See `Logger`."""
        self._log(DEBUG, _with(event, args), fields)

    def info(self, event: str, /, *args: object, **fields: object) -> None:
        """See `Logger`."""
        self._log(INFO, _with(event, args), fields)

    def warning(self, event: str, /, *args: object, **fields: object) -> None:
        """See `Logger`."""
        self._log(WARNING, _with(event, args), fields)

    def error(self, event: str, /, *args: object, **fields: object) -> None:
        """See `Logger`."""
        self._log(ERROR, _with(event, args), fields)

    def critical(self, event: str, /, *args: object, **fields: object) -> None:
        """See `Logger`."""
        self._log(CRITICAL, _with(event, args), fields)

    def exception(self, event: str, /, *args: object, **fields: object) -> None:
        """See `Logger`."""
        fields.setdefault("exc_info", True)
        self._log(ERROR, _with(event, args), fields)

    def log(self, level: int, event: str, /, *args: object, **fields: object) -> None:
        """See `Logger`."""
        self._log(level_of(level), _with(event, args), fields)

    msg = info
    warn = warning
    fatal = critical

    async def adebug(self, event: str, /, *args: object, **fields: object) -> None:
        """As `debug`, which waits for nothing; structlog's asynchronous name for it."""
        self.debug(event, *args, **fields)

    async def ainfo(self, event: str, /, *args: object, **fields: object) -> None:
        """As `info`; structlog's asynchronous name for it."""
        self.info(event, *args, **fields)

    async def awarning(self, event: str, /, *args: object, **fields: object) -> None:
        """As `warning`; structlog's asynchronous name for it."""
        self.warning(event, *args, **fields)

    async def aerror(self, event: str, /, *args: object, **fields: object) -> None:
        """As `error`; structlog's asynchronous name for it."""
        self.error(event, *args, **fields)

    async def acritical(self, event: str, /, *args: object, **fields: object) -> None:
        """As `critical`; structlog's asynchronous name for it."""
        self.critical(event, *args, **fields)

    async def aexception(self, event: str, /, *args: object, **fields: object) -> None:
        """As `exception`; structlog's asynchronous name for it."""
        self.exception(event, *args, **fields)

    async def alog(self, level: int, event: str, /, *args: object, **fields: object) -> None:
        """As `log`; structlog's asynchronous name for it."""
        self.log(level, event, *args, **fields)


def _with(event: str, args: tuple[object, ...]) -> str:
    if not args:
        return event
    pipeline = current
    return event if pipeline is None else pipeline.interpolated(event, args)


def get_logger(name: str = "") -> Logger:
    """A logger; cheap, to be made at import and kept.

    Args:
        name: Where its records go while structured logging is off: to the standard library's logger of that name, the root
            logger when empty.
    """
    return Logger(name)
