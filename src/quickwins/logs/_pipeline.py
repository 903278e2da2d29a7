"""How a record gets from a call to a descriptor; the one place that is process-wide."""

from __future__ import annotations

import logging
import os
import sys
import time
from contextlib import AbstractContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING

from quickwins.core import events
from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.given import a_flag
from quickwins.core.metrics import Reading, Tallies
from quickwins.logs import _logger
from quickwins.logs._context import CONTEXT
from quickwins.logs._instance import INSTANCE, named
from quickwins.logs._levels import LEVELS, WARNING, level_of
from quickwins.logs._logger import CLOSE_SECONDS
from quickwins.logs._render.line import Renderer
from quickwins.logs._render.values import Walk
from quickwins.logs._sampling import Sampler
from quickwins.logs._span import NOBODY
from quickwins.logs._takeover.records import ACCESS, said, saying
from quickwins.logs._takeover.stdlib import Takeover
from quickwins.logs._takeover.told import is_told_by_others, left
from quickwins.logs.metrics import DROPPED, RECORDS, REDACTIONS, SECONDS, SINK_ERRORS
from quickwins.logs.redaction._scan import Scanner

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flag
    from quickwins.logs._context import Context
    from quickwins.logs._levels import Level
    from quickwins.logs._sampling import Sampling
    from quickwins.logs._takeover.structlog import Bridge
    from quickwins.logs.redaction._rules import Redaction, RedactionRule
    from quickwins.logs.sink._outlet import Outage
    from quickwins.logs.sink._sink import Sink

_MEASURED = 64
"""One call in this many is timed."""

_ROOT = logging.getLogger()

_LEFT_OUT: Mapping[str, object] = MappingProxyType({})


class Pipeline(AbstractContextManager["Pipeline"]):
    """Configured logging: renders, samples, counts, and hands lines to its sink. Made by `configure_logging`.

    Any thread. Close it, or use it in a `with` block; calling `configure_logging` again closes it too.

    Attributes:
        threshold: The lowest level that is written, as a `logging` number.
        sink: Where lines go.
    """

    def __init__(  # noqa: PLR0913 -- as `configure_logging` has them; until=never
        self,
        *,
        service: str,
        level: str,
        sink: Sink,
        redaction: Redaction,
        sampling: Sampling | None,
        flag: Flag | None,
        registry: CollectorRegistry | None,
        clock: Clock,
        strict: bool,
        keep: Collection[logging.Handler | str] = (),
        instance: str = INSTANCE,
    ) -> None:
        """Use `configure_logging` instead."""
        self.sink = sink
        self._sink_put = sink.put
        self._service = service
        self._instance = instance
        self._strict = strict
        self._clock = clock
        self._flag = a_flag(flag)
        self._closed = False
        self._records = [0] * len(LEVELS)
        self._sampled = 0
        self._seconds = 0.0
        self._redaction: Redaction | None = None
        self._redacted: dict[str, int] = {}
        self._takeover = Takeover(self._receive, keep)
        self._bridge: Bridge | None = None
        self.reconfigure(level=level, redaction=redaction, sampling=sampling)
        self._tallies = Tallies(
            self,
            (
                Reading(RECORDS, lambda one: {(level.name,): one._records[level.index] for level in LEVELS}),  # noqa: SLF001 -- of this class; until=never
                Reading(DROPPED, Pipeline._dropped),
                Reading(REDACTIONS, Pipeline._redactions),
                Reading(SINK_ERRORS, lambda one: {(): one.sink.stats().errors}),
                Reading(SECONDS, lambda one: {(): one._seconds * _MEASURED}),  # noqa: SLF001 -- of this class; until=never
            ),
            registry=registry,
            service=service,
        )

    def reconfigure(
        self, *, level: str, redaction: Redaction | None = None, sampling: Sampling | None = None
    ) -> None:
        """Take new settings, live.

        Args:
            level: The lowest that is written: debug, info, warning, error or critical.
            redaction: What is not shown; `None`: as before.
            sampling: What is left out; `None`: nothing.

        Raises:
            ConfigError: There is no such level.
        """
        found = next((one for one in LEVELS if one.name == level), None)
        if found is None:
            raise ConfigError(
                f"level={level!r} is not allowed: one of {', '.join(one.name for one in LEVELS)}"
            )
        self.threshold = found.number
        self._sampler = None if sampling is None or sampling.every == 1 else Sampler(sampling)
        if redaction is not None and redaction != self._redaction:
            if self._redaction is not None:
                self._redacted = {rule: int(count) for (rule,), count in self._redactions().items()}
            self._redaction = redaction
            self._scanner = Scanner(redaction)
            self._renderer = Renderer(
                self._scanner,
                service=self._service,
                instance=named(self._instance),
                declared={one.name: one.fields for one in events.declared()},
                strict=self._strict,
                wall_ns=time.time_ns if isinstance(self._clock, SystemClock) else self._wall_ns,
            )
        if _logger.current is self:
            self._takeover.install(self.threshold)

    # On the way.

    def emit(
        self,
        level: Level,
        event: str,
        fields: dict[str, object],
        context: Context,
        hits: list[RedactionRule] | None = None,
        told: bool = False,  # by its place: a keyword keeps the interpreter from its quick way to call
    ) -> bool:
        """Make a line and hand it on; `False` when logging was closed before it came to that.

        The level has been checked already; `fields` may be changed.

        Args:
            level: Of the record.
            event: What happened.
            fields: What is said of it.
            context: Where.
            hits: What was redacted on the way here.
            told: Whether the application's other handlers have it already.
        """
        if not told and _ROOT.handlers != self._takeover.silent and not is_told_by_others(event):
            self._tell(level, event, fields)
        # Threads don't interfere: the interpreter doesn't switch between reading and storing a list's item.
        records, index = self._records, level.index
        records[index] = count = records[index] + 1
        started = 0.0 if count % _MEASURED else time.perf_counter()
        extra = None if self._sampler is None else self._sampled_as(self._sampler, level, event, fields)
        taken = extra is _LEFT_OUT or self._sink_put(
            self._renderer.line(level, event, fields, context, extra, hits), level.severity
        )
        if started:
            self._seconds += time.perf_counter() - started
        return taken or not self._closed

    def _tell(self, level: Level, event: str, fields: Mapping[str, object]) -> None:
        """Let the application's other handlers see it, redacted as the line is."""
        try:
            shown = Walk(self._scanner).mapping({one: fields[one] for one in fields if one != "exc_info"})
            raised = fields.get("exc_info")
            self._takeover.tell(
                level.number,
                self._scanner.text(event, []),
                shown,
                sys.exc_info() if raised is True else raised,
            )
        except Exception as failure:  # noqa: BLE001 -- a log call never raises, whatever a handler does; until=never
            _logger.failed(failure)

    def _sampled_as(
        self, sampler: Sampler, level: Level, event: str, fields: Mapping[str, object]
    ) -> Mapping[str, object] | None:
        """What a line says about sampling; `_LEFT_OUT` when there is to be no line."""
        rate = sampler.rate(level, event, fields, int(self._clock.monotonic()))
        if rate == 0:
            self._sampled += 1
            return _LEFT_OUT
        return {"log.sample_rate": rate} if rate > 1 else None

    def say(self, level: Level, event: str, args: tuple[object, ...], fields: dict[str, object]) -> None:
        """`emit` for structlog: with arguments for `%`."""
        hits: list[RedactionRule] | None = [] if args else None
        text = event if hits is None else self.interpolated(event, args, hits)
        try:
            self.emit(level, text, fields, CONTEXT.get(), hits)
        except ConfigError:  # strict mode is for what is logged with our logger
            if self._strict:
                raise

    def _receive(self, record: logging.LogRecord) -> bool:
        """A record of the standard library; `False` when logging was closed before it could be written."""
        if record.levelno < self.threshold:
            return True
        through = saying.get()
        event: str
        fields: dict[str, object]
        walk = Walk(self._scanner)
        try:
            if through is not None and through.message is record.msg:
                saying.set(None)
                event, fields = walk.filled(through.event, through.args), dict(through.fields)
            else:
                event, fields = said(record, walk)
        except Exception as broken:  # noqa: BLE001 -- a log call never raises, whatever a record holds; until=never
            event, fields = "log.failed", {"logger": record.name, "kind": type(broken).__name__}
        context = CONTEXT.get()
        if record.exc_info and context.canonical is None:
            context = left(record.exc_info) or context
        if event == ACCESS and context.canonical is not None:  # the request has a line of its own
            return True
        try:
            return self.emit(level_of(record.levelno), event, fields, context, walk.hits, True)
        except ConfigError:  # strict mode is for what is logged with our logger
            if self._strict:
                raise
            return True

    def interpolated(self, event: object, args: tuple[object, ...], hits: list[RedactionRule]) -> str:
        """`event` with `args` in it, as far as they may be shown; `hits` gets a rule for each thing that is not."""
        return Walk(self._scanner, hits).filled(event, args)

    def _recovered(self, outage: Outage) -> bytes:
        fields: dict[str, object] = {
            "errors": outage.errors,
            "seconds": round(outage.seconds, 3),
            "error": outage.error,
        }
        return self._renderer.line(WARNING, "log.sink_recovered", fields, NOBODY)

    def _wall_ns(self) -> int:
        return int(self._clock.wall() * 1e9)

    # Counts.

    def _dropped(self) -> dict[tuple[str, ...], float]:
        dropped = self.sink.stats().dropped
        return {**{(str(reason),): count for reason, count in dropped.items()}, ("sampled",): self._sampled}

    def _redactions(self) -> dict[tuple[str, ...], float]:
        counts = dict(self._redacted)
        for rule, count in list(self._renderer.redacted.items()):
            counts[str(rule)] = counts.get(str(rule), 0) + count
        return {(rule,): count for rule, count in counts.items()}

    # On and off.

    def start(self) -> None:
        """Take over, now or as soon as the flag is on; again after `give_way`. Does nothing once closed."""
        if self._closed:
            return
        if self._flag is None:
            self._on()
        else:
            self._flag.subscribe(self._follow)
            self._follow()

    def adopt(self) -> None:
        """Take over what other libraries have set up since, as servers do when they start."""
        if _logger.current is self:
            self._takeover.install(self.threshold)

    def flush(self, timeout_seconds: float = 10.0) -> bool:
        """Wait up to `timeout_seconds` for every line so far to be written, as before a test reads; whether it is."""
        return self.sink.flush(timeout_seconds)

    def close(self, timeout_seconds: float = CLOSE_SECONDS) -> None:
        """Restore the application's logging, and write what is queued. Idempotent.

        Args:
            timeout_seconds: How long to wait for a slow reader.
        """
        if self._closed:
            return
        self._closed = True
        self._let_go()
        self.sink.close(timeout_seconds)
        self._tallies.flush()

    def __exit__(self, *raised: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "on" if _logger.current is self else "off"
        return f"<Pipeline {self._service!r} {state}, from {level_of(self.threshold).name} on, {self.sink!r}>"

    def identify(self) -> None:
        """Name the process anew on each line, as in a fork's child, where `seq` begins anew."""
        self._renderer.identify(named(self._instance))

    def _follow(self) -> None:
        assert self._flag is not None
        if self._flag.state.on and not self._closed:
            self._on()
        else:
            self.give_way()

    def _on(self) -> None:
        if _logger.current is self:
            return
        if _logger.current is not None:
            _logger.current.give_way()
        self.sink.start(self._recovered)
        if self._bridge is None:
            from quickwins.logs._takeover.structlog import Bridge

            self._bridge = Bridge(self)
        self._bridge.install()
        self._takeover.install(self.threshold)
        self.identify()  # the process may have forked while logging was off
        _logger.current = self

    def give_way(self) -> None:
        """Restore the application's previous logging; does nothing if that is done already."""
        if self._let_go():
            self.sink.flush(CLOSE_SECONDS)

    def _let_go(self) -> bool:
        if _logger.current is not self:
            return False
        _logger.current = None
        self._takeover.uninstall()
        if self._bridge is not None:
            self._bridge.uninstall()
        return True


def _in_child() -> None:
    if isinstance(_logger.current, Pipeline):
        _logger.current.identify()


os.register_at_fork(after_in_child=_in_child)
