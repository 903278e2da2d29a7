"""structlog's loggers: ours, while our logging is on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from quickwins.logs import _logger
from quickwins.logs._levels import CRITICAL, DEBUG, ERROR, INFO, WARNING, level_of
from quickwins.logs._logger import Logger

if TYPE_CHECKING:
    from collections.abc import Mapping


class StructlogLogger(Logger):
    """What `structlog.get_logger()` returns while our logging is on: a `Logger` that takes arguments for `%`, too."""

    __slots__ = ()

    def debug(self, event: str, /, *args: object, **fields: object) -> None:
        """`Logger.debug`, with `args` for the `%` in `event`."""
        self._log(DEBUG, _with(event, args), fields)

    def info(self, event: str, /, *args: object, **fields: object) -> None:
        """`Logger.info`, with `args` for the `%` in `event`."""
        self._log(INFO, _with(event, args), fields)

    def warning(self, event: str, /, *args: object, **fields: object) -> None:
        """`Logger.warning`, with `args` for the `%` in `event`."""
        self._log(WARNING, _with(event, args), fields)

    def error(self, event: str, /, *args: object, **fields: object) -> None:
        """`Logger.error`, with `args` for the `%` in `event`."""
        self._log(ERROR, _with(event, args), fields)

    def critical(self, event: str, /, *args: object, **fields: object) -> None:
        """`Logger.critical`, with `args` for the `%` in `event`."""
        self._log(CRITICAL, _with(event, args), fields)

    def exception(self, event: str, /, *args: object, **fields: object) -> None:
        """`Logger.exception`, with `args` for the `%` in `event`."""
        fields.setdefault("exc_info", True)
        self._log(ERROR, _with(event, args), fields)

    def log(self, level: int, event: str, /, *args: object, **fields: object) -> None:
        """`Logger.log`, with `args` for the `%` in `event`."""
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
    destination = _logger.current
    return event if destination is None else destination.interpolated(event, args)


def configure() -> dict[str, Any]:
    """Make structlog's loggers ours; what its configuration was before."""
    import structlog

    was = {"configured": structlog.is_configured(), **structlog.get_config()}
    structlog.configure(
        processors=[],
        wrapper_class=_wrapped,  # type: ignore[arg-type]  # -- called as the class is; until=never
        logger_factory=_named,
        cache_logger_on_first_use=False,
    )
    return was


def restore(was: dict[str, Any] | None) -> None:
    structlog: Any = sys.modules["structlog"]
    if was is None or not was.pop("configured"):
        structlog.reset_defaults()
    else:
        structlog.configure(**was)


def _named(*args: object) -> str:
    return args[0] if args and isinstance(args[0], str) else ""


def _wrapped(logger: str, processors: object, context: Mapping[str, object]) -> StructlogLogger:
    """How structlog makes its loggers."""
    del processors
    return StructlogLogger(logger, context)
