"""What applications log with. It may be made long before logging is configured, and outlives every configuration.

While structured logging is off, or nobody has configured it, its records go where the application logged before
(`_elsewhere`).

The rule: no call raises, whatever it is given, and whatever handlers and processors do. Python needs room for a few more
calls, though: in the very last frame before the recursion limit nothing can be called, and so nothing logged.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from quickwins.core.errors import ConfigError
from quickwins.logs._context import CONTEXT
from quickwins.logs._levels import CRITICAL, DEBUG, ERROR, INFO, WARNING, level_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Self

    from quickwins.core.flags import Flag
    from quickwins.logs._context import Context
    from quickwins.logs._levels import Level
    from quickwins.logs.redaction._rules import RedactionRule

    Hits = list[RedactionRule] | None


CLOSE_SECONDS = 2.0
"""How long the end of a process waits for a slow reader."""


class Destination(Protocol):
    """Where records go while structured logging is on: a `Pipeline`.

    Attributes:
        threshold: The lowest level that it takes, as a `logging` number.
    """

    threshold: int

    def emit(
        self, level: Level, event: str, fields: dict[str, object], context: Context, hits: Hits = None
    ) -> bool:
        """Take a record; `False`: it was too late. The level has been checked already; `fields` may be changed."""

    def interpolated(self, event: object, args: tuple[object, ...], hits: list[RedactionRule]) -> str:
        """`event` with `args` in it, as far as they may be shown; `hits` gets a rule for each thing that is not."""

    def adopt(self) -> None:
        """Take over what other libraries have set up since, as servers do when they start."""

    def give_way(self) -> None:
        """Restore the application's previous logging, and be `current` no longer."""

    def flush(self, timeout_seconds: float) -> bool:
        """Wait for every line so far to be written; whether it is."""

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Give way for good, and write what is queued."""


_UNSAID = ""

current: Destination | None = None
"""The one that is on: logging is as process-wide as the descriptor that it writes to."""


def is_on(flag: Flag | None) -> bool:
    """Whether an adapter has anything to do: structured logging is on in this process, and its own `flag` is, too."""
    return current is not None and (flag is None or flag.state.on)


class Logger:
    """Logs facts: an event's name, and fields. Immutable; any thread; no call ever raises or waits.

    A call below the level costs no more than an empty method. Fields whose names aren't identifiers go in with `**`:
    `log.info("http.request", **{"http.route": "/feed"})`. `exc_info=` takes an exception, or true for the one being
    handled. Further arguments are put into the event, for its `%`; a field tells more. `event=` does as well.

    Raises:
        ConfigError: In strict mode, a declared event has an undeclared field.
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

    def debug(self, event: str = _UNSAID, /, *args: object, **fields: object) -> None:
        """Log a detail for developers."""
        try:
            destination = current
            if destination is not None and destination.threshold > 10:  # noqa: PLR2004 -- logging.DEBUG, a constant for speed; until=never
                return
            if destination is None or args or event is _UNSAID:
                self._log(DEBUG, event, fields, args)
            else:
                destination.emit(
                    DEBUG, event, {**self._fields, **fields} if self._fields else fields, CONTEXT.get()
                )
        except RecursionError:
            return  # nor is there room for saying so
        except Exception as failure:  # noqa: BLE001 -- see the rule; until=never
            _failed(failure)

    def info(self, event: str = _UNSAID, /, *args: object, **fields: object) -> None:
        """Log a fact."""
        try:
            destination = current
            if destination is not None and destination.threshold > 20:  # noqa: PLR2004 -- logging.INFO, a constant for speed; until=never
                return
            if destination is None or args or event is _UNSAID:
                self._log(INFO, event, fields, args)
            else:
                destination.emit(
                    INFO, event, {**self._fields, **fields} if self._fields else fields, CONTEXT.get()
                )
        except RecursionError:
            return  # nor is there room for saying so
        except Exception as failure:  # noqa: BLE001 -- see the rule; until=never
            _failed(failure)

    def warning(self, event: str = _UNSAID, /, *args: object, **fields: object) -> None:
        """Log something that needs a look, though not right now."""
        try:
            self._log(WARNING, event, fields, args)
        except RecursionError:
            return  # nor is there room for saying so
        except Exception as failure:  # noqa: BLE001 -- see the rule; until=never
            _failed(failure)

    def error(self, event: str = _UNSAID, /, *args: object, **fields: object) -> None:
        """Log a failure."""
        try:
            self._log(ERROR, event, fields, args)
        except RecursionError:
            return  # nor is there room for saying so
        except Exception as failure:  # noqa: BLE001 -- see the rule; until=never
            _failed(failure)

    def critical(self, event: str = _UNSAID, /, *args: object, **fields: object) -> None:
        """Log a failure that ends the process."""
        try:
            self._log(CRITICAL, event, fields, args)
        except RecursionError:
            return  # nor is there room for saying so
        except Exception as failure:  # noqa: BLE001 -- see the rule; until=never
            _failed(failure)

    def exception(self, event: str = _UNSAID, /, *args: object, **fields: object) -> None:
        """Log a failure with the exception being handled."""
        try:
            fields.setdefault("exc_info", True)
            self._log(ERROR, event, fields, args)
        except RecursionError:
            return  # nor is there room for saying so
        except Exception as failure:  # noqa: BLE001 -- see the rule; until=never
            _failed(failure)

    warn = warning
    fatal = critical

    def log(self, level: int | str, event: str = _UNSAID, /, *args: object, **fields: object) -> None:
        """Log at a level given as a `logging` number, rounded down to one of the five, or by its name."""
        try:
            self._log(level_of(level), event, fields, args)
        except RecursionError:
            return  # nor is there room for saying so
        except Exception as failure:  # noqa: BLE001 -- see the rule; until=never
            _failed(failure)

    def is_enabled_for(self, level: int | str) -> bool:
        """Whether records of a level, given as a `logging` number or by its name, are written."""
        number = level if type(level) is int else level_of(level).number
        destination = current
        if destination is None:
            return logging.getLogger(self._name or None).isEnabledFor(number)
        return destination.threshold <= number

    def bind(self, /, **fields: object) -> Self:
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

    def new(self, /, **fields: object) -> Self:
        """A logger with `fields`, and nothing that was bound before."""
        return type(self)(self._name, fields)

    def _log(
        self, level: Level, event: str, fields: dict[str, object], args: tuple[object, ...] = ()
    ) -> None:
        destination = current
        if event is _UNSAID:  # structlog's keyword
            event = fields.pop("event", event)  # type: ignore[assignment]  # -- whatever the caller gave; until=never
        if destination is None:
            from quickwins.logs._elsewhere import say  # takes a while, and most processes need it never

            say(level, self._name, event, args, {**self._fields, **fields})
        elif destination.threshold <= level.number:
            hits: list[RedactionRule] | None = [] if args else None
            if hits is not None:
                event = destination.interpolated(event, args, hits)
            said = {**self._fields, **fields} if self._fields else fields
            destination.emit(level, event, said, CONTEXT.get(), hits)


def _failed(failure: Exception) -> None:
    """What a call does that could not log.

    Raises:
        ConfigError: Where strict mode raised it.
    """
    if isinstance(failure, ConfigError) and current is not None:
        raise failure
    failed(failure)


def failed(failure: Exception) -> None:
    """Count what a handler or processor of the application raised, and say it once; never raises."""
    try:
        from quickwins.logs import _elsewhere

        _elsewhere.failed(failure)
    except Exception:  # noqa: BLE001 -- there is no room for another call; until=never
        return


_nameless = Logger()


def sum_up(level: Level, event: str, fields: dict[str, object]) -> None:
    """Log the one line of a request or call: for adapters, whose `fields` are nobody else's, and may be changed. Never raises.

    Raises:
        ConfigError: In strict mode, a declared event has an undeclared field.
    """
    try:
        destination = current
        if destination is None:
            _nameless._log(level, event, fields)  # noqa: SLF001 -- of this module; until=never
        elif destination.threshold <= level.number:
            destination.emit(level, event, fields, CONTEXT.get())
    except RecursionError:
        return  # nor is there room for saying so
    except Exception as failure:  # noqa: BLE001 -- see the rule; until=never
        _failed(failure)


def get_logger(name: str = "") -> Logger:
    """A logger. Making one is cheap: do it at import, and keep it.

    Args:
        name: Where its records go while structured logging is off: to the standard library's logger of that name, the root
            logger when empty.
    """
    return Logger(name)
