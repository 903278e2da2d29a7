"""structlog's loggers: ours, while our logging is on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from quickwins.logs._logger import Logger

if TYPE_CHECKING:
    from collections.abc import Mapping


class StructlogLogger(Logger):
    """What `structlog.get_logger()` returns while our logging is on: a `Logger` that takes arguments for `%`, too."""

    __slots__ = ()

    msg = Logger.info

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
