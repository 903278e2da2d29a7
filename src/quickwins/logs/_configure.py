"""How the process comes to log with us: the one call, and its defaults."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.logs import _logger
from quickwins.logs._instance import INSTANCE
from quickwins.logs._pipeline import Pipeline
from quickwins.logs._sampling import Sampling
from quickwins.logs.redaction._rules import Redaction
from quickwins.logs.sink._sink import Sink

if TYPE_CHECKING:
    from collections.abc import Collection

    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flag


def configure_logging(  # noqa: PLR0913 -- all by name, and each with a default; until=never
    *,
    service: str = "",
    level: str = "info",
    sink: Sink | None = None,
    redaction: Redaction | None = None,
    sampling: Sampling | None = None,
    flag: Flag | None = None,
    registry: CollectorRegistry | None = None,
    clock: Clock | None = None,
    strict: bool = False,
    keep: Collection[logging.Handler | str] = (),
    instance: str = INSTANCE,
) -> Pipeline:
    """Have the whole process log structured lines: our loggers, structlog's, and the standard library's.

    Args:
        service: The service's name, on each line and series.
        level: The lowest that is written: debug, info, warning, error or critical.
        sink: Where lines go; standard output when `None`.
        redaction: What is not shown; `Redaction.strict()` when `None`.
        sampling: What is left out of frequent events; `None`: nothing.
        flag: Followed live, for the process as a whole: while it is off, the application's previous logging is in its
            place. `None`: always on.
        registry: For the series; the default registry when `None`.
        clock: For timestamps and sampling.
        strict: Whether an undeclared field of a declared event raises `ConfigError`: for tests.
        keep: Handlers of the standard library that go on writing to standard output or error: themselves, or the names that
            `dictConfig` gave them. All that write elsewhere do anyway.
        instance: `service.instance.id` on each line, with `{host}` and `{pid}` for the machine's name and the process's number.
            With several workers, or forks, keep `{pid}` in it: each process numbers its own lines. Empty: left out.

    Returns:
        Close it at the end; the end of the process does so too. Configuring again closes the previous one.

    Raises:
        ConfigError: There is no such level, or something is not what it should be.
    """
    _check("sink", sink, Sink, "a Sink, such as Sink.stdout() or Sink.file(path)")
    _check("redaction", redaction, Redaction, "a Redaction, such as Redaction.strict()")
    _check("sampling", sampling, Sampling, "a Sampling, such as Sampling(first=100, every=10)")
    _check("instance", instance, str, "text, with {host} and {pid} in it")
    if isinstance(keep, (str, logging.Handler)):
        raise ConfigError(f"keep={keep!r} is not allowed: a list of handlers, or of their names")
    before = _logger.current
    pipeline = Pipeline(
        service=service,
        level=level,
        sink=Sink.stdout() if sink is None else sink,
        redaction=Redaction.strict() if redaction is None else redaction,
        sampling=sampling,
        flag=flag,
        registry=registry,
        clock=SystemClock() if clock is None else clock,
        strict=strict,
        keep=keep,
        instance=instance,
    )
    if before is not None:
        before.close()
    pipeline.start()
    return pipeline


def _check(name: str, given: object, kind: type, words: str) -> None:
    if given is not None and not isinstance(given, kind):
        raise ConfigError(f"{name}={given!r} is not allowed: {words}")
