"""What applications log with. It may be made long before logging is configured, and outlives every configuration.

While structured logging is off, or nobody has configured it, its records go where the application logged before: through
structlog where that is configured, else through the standard library.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any, Protocol

from quickwins.logs._context import CONTEXT
from quickwins.logs._levels import CRITICAL, DEBUG, ERROR, INFO, WARNING, level_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from quickwins.logs._context import Context
    from quickwins.logs._levels import Level


class Destination(Protocol):
    """Where records go while structured logging is on: a `Pipeline`.

    Attributes:
        threshold: The lowest level that it takes, as a `logging` number.
    """

    threshold: int

    def emit(self, level: Level, event: str, fields: dict[str, object], context: Context) -> None:
        """Take a record. The level has been checked already; `fields` may be changed."""

    def interpolated(self, event: object, args: tuple[object, ...]) -> str:
        """`event` with `args` in it, as far as they may be shown."""

    def adopt(self) -> None:
        """Take over what other libraries have set up since, as servers do when they start."""

    def give_way(self) -> None:
        """Restore the application's previous logging, and be `current` no longer."""

    def close(self) -> None:
        """Give way for good, and write what is queued."""


current: Destination | None = None
"""The one that is on: logging is as process-wide as the descriptor that it writes to."""

_STANDARD_EXTRA = frozenset({"exc_info", "stack_info", "stacklevel"})


class Logger:
    """Logs facts: an event's name, and fields. Immutable; any thread; no call ever raises or waits.

    A call below the level costs no more than an empty method. Fields whose names aren't identifiers go in with `**`:
    `log.info("http.request", **{"http.route": "/feed"})`. `exc_info=` takes an exception, or true for the one being
    handled.
    """

    __slots__ = ("_fields", "_name")

    def __init__(self, name: str = "", fields: Mapping[str, object] | None = None) -> None:
        """Use `get_logger` instead."""
        self._name = name
        self._fields = {} if fields is None else dict(fields)

    def __repr__(self) -> str:
        # Names alone: values may be anything.
        named = f"{type(self).__name__} {self._name!r}"
        return f"<{named} with {', '.join(self._fields)}>" if self._fields else f"<{named}>"

    def debug(self, event: str, /, **fields: object) -> None:
        """Log a detail for developers."""
        destination = current
        if destination is None:
            self._elsewhere(DEBUG, event, fields)
        elif destination.threshold <= 10:  # noqa: PLR2004 -- logging.DEBUG, a constant for speed; until=never
            destination.emit(
                DEBUG, event, {**self._fields, **fields} if self._fields else fields, CONTEXT.get()
            )

    def info(self, event: str, /, **fields: object) -> None:
        """Log a fact."""
        destination = current
        if destination is None:
            self._elsewhere(INFO, event, fields)
        elif destination.threshold <= 20:  # noqa: PLR2004 -- logging.INFO, a constant for speed; until=never
            destination.emit(
                INFO, event, {**self._fields, **fields} if self._fields else fields, CONTEXT.get()
            )

    def warning(self, event: str, /, **fields: object) -> None:
        """Log something that needs a look, though not right now."""
        self._log(WARNING, event, fields)

    def error(self, event: str, /, **fields: object) -> None:
        """Log a failure."""
        self._log(ERROR, event, fields)

    def critical(self, event: str, /, **fields: object) -> None:
        """Log a failure that ends the process."""
        self._log(CRITICAL, event, fields)

    def exception(self, event: str, /, **fields: object) -> None:
        """Log a failure with the exception being handled."""
        fields.setdefault("exc_info", True)
        self._log(ERROR, event, fields)

    def log(self, level: int, event: str, /, **fields: object) -> None:
        """Log at a level given as a `logging` number, rounded down to one of the five."""
        self._log(level_of(level), event, fields)

    def is_enabled_for(self, level: int) -> bool:
        """Whether records of a level, given as a `logging` number, are written."""
        destination = current
        if destination is None:
            return logging.getLogger(self._name or None).isEnabledFor(level)
        return destination.threshold <= level

    def bind(self, **fields: object) -> Self:
        """A logger like this one, with `fields` on every record."""
        return type(self)(self._name, {**self._fields, **fields})

    def unbind(self, *names: str) -> Self:
        """A logger like this one without the fields `names`.

        Raises:
            KeyError: One of them is not bound.
        """
        fields = dict(self._fields)
        for name in names:
            del fields[name]
        return type(self)(self._name, fields)

    def try_unbind(self, *names: str) -> Self:
        """A logger like this one without the fields `names`; those that aren't bound are ignored."""
        return type(self)(
            self._name, {name: value for name, value in self._fields.items() if name not in names}
        )

    def new(self, **fields: object) -> Self:
        """A logger with `fields`, and nothing that was bound before."""
        return type(self)(self._name, fields)

    def _log(self, level: Level, event: str, fields: dict[str, object]) -> None:
        destination = current
        if destination is None:
            self._elsewhere(level, event, fields)
        elif destination.threshold <= level.number:
            destination.emit(
                level, event, {**self._fields, **fields} if self._fields else fields, CONTEXT.get()
            )

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
            logger.log(level.number, "%s%s", event, shown, extra={"event": event, "fields": said}, **own)  # type: ignore[arg-type]  # -- the application's own words for logging; until=never


def get_logger(name: str = "") -> Logger:
    """A logger. Making one is cheap: do it at import, and keep it.

    Args:
        name: Where its records go while structured logging is off: to the standard library's logger of that name, the root
            logger when empty.
    """
    return Logger(name)
