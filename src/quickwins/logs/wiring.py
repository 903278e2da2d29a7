"""Logging's part in `QuickWins`: the process logs as `[logs]` says, live."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from quickwins.core.errors import needs_extra
from quickwins.core.feature import OnePerProcess
from quickwins.logs.settings import LogsSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    import grpc
    from prometheus_client import CollectorRegistry

    from quickwins.core.asgi import App, Scope
    from quickwins.core.clock import Clock
    from quickwins.core.config import Settings
    from quickwins.core.flags import Flags, Snapshot
    from quickwins.logs import Pipeline, Redaction, Sampling, Sink
    from quickwins.logs.asgi import LogMiddleware
    from quickwins.logs.grpc import LogClientInterceptor, LogServerInterceptor
    from quickwins.logs.strawberry import LogExtension

_LOGGING = OnePerProcess()


class Logs:
    """A `core.feature.Feature`: the process's logging, which several may want, and the adapters for requests.

    Attributes:
        pipeline: What lines go through; `None` until the flag was on.
    """

    section = "logs"
    model = LogsSettings

    def __init__(self, flags: Flags, *, registry: CollectorRegistry | None, clock: Clock | None) -> None:
        self.pipeline: Pipeline | None = None
        self._flags = flags
        self._flag = flags.flag(self.section)
        self._registry = registry
        self._clock = clock
        flags.guard(_check)
        self._hide(flags.snapshot)

    def asgi(self, app: App, *, trusted: bool | Callable[[Scope], bool] = False) -> LogMiddleware:
        """`app` with a context for each request, and a line at its end."""
        from quickwins.logs.asgi import LogMiddleware

        return LogMiddleware(app, trusted=trusted, flag=self._flag, clock=self._clock)

    def grpc_interceptor(
        self, trusted: bool | Callable[[grpc.HandlerCallDetails], bool] = False
    ) -> LogServerInterceptor:
        """A context for each call of a gRPC server, and a line at its end."""
        from quickwins.logs.grpc import LogServerInterceptor

        return LogServerInterceptor(trusted=trusted, flag=self._flag, clock=self._clock)

    def grpc_client_interceptors(self) -> LogClientInterceptor:
        """For channels: the request's trace goes on to the server."""
        from quickwins.logs.grpc import LogClientInterceptor

        return LogClientInterceptor(flag=self._flag, clock=self._clock)

    def trace_ids(self) -> Callable[[], str | None]:
        """What gives the id of the trace that is going on, OpenTelemetry's or ours; `None` outside of any."""
        from quickwins.logs._context import CONTEXT
        from quickwins.logs._span import in_span

        def current() -> str | None:
            trace = in_span(CONTEXT.get()).trace
            return None if trace is None else trace.trace_id

        return current

    def grpc_metadata(self) -> Callable[[str], list[tuple[str, str]]]:
        """What adds the request's trace to the calls of our own channels, which take a function."""
        from quickwins.logs.grpc import trace_metadata

        flag = self._flag
        return lambda full_method: trace_metadata(full_method) if flag.state.on else []

    def strawberry_extension(self) -> Callable[[], LogExtension]:
        """For a GraphQL schema: operations on the request's line, and errors."""
        from quickwins.logs.strawberry import LogExtension

        return lambda: LogExtension(flag=self._flag)

    def apply(self, snapshot: Snapshot) -> None:
        """Log, or let the application log as it did, by the flag; with the settings of `snapshot`."""
        self._hide(snapshot)
        _LOGGING.follow(self, snapshot)

    async def close(self) -> None:
        """Write what waits, and give the application's logging back."""
        pipeline, self.pipeline = self.pipeline, None
        if pipeline is not None:
            pipeline.close()
        _LOGGING.leave(self)

    def _hide(self, snapshot: Snapshot) -> None:
        """Have our loggers hide what the file calls private while structured logging is off, too."""
        from quickwins.logs._elsewhere import redact

        redact(_redaction(snapshot.settings.section(self.section, self.model)))

    def begin(self) -> None:
        """See `OnePerProcess`."""
        snapshot = self._flags.snapshot
        settings = snapshot.settings.section(self.section, self.model)
        if self.pipeline is not None:
            self.pipeline.reconfigure(
                level=settings.level, redaction=_redaction(settings), sampling=_sampling(settings)
            )
            self.pipeline.start()
            return
        from quickwins.logs import configure_logging

        self.pipeline = configure_logging(
            service=snapshot.settings.service,
            level=settings.level,
            sink=_sink(settings),
            redaction=_redaction(settings),
            sampling=_sampling(settings),
            registry=self._registry,
            clock=self._clock,
            keep=settings.keep,
            instance=settings.instance,
        )

    def end(self) -> None:
        """See `OnePerProcess`. Counts and `seq` go on when the flag is on again."""
        if self.pipeline is not None:
            self.pipeline.give_way()


def _check(settings: Settings) -> None:
    logs = settings.section(Logs.section, Logs.model)
    if logs.enabled and not logs.killed:
        with needs_extra("logs"):
            for module in ("orjson", "structlog"):
                import_module(module)


def _sink(settings: LogsSettings) -> Sink:
    from quickwins.logs import Sink

    match settings.output:
        case "stdout":
            return Sink.stdout(max_bytes=settings.queue_max_bytes)
        case "stderr":
            return Sink.stderr(max_bytes=settings.queue_max_bytes)
        case path:
            return Sink.file(path, max_bytes=settings.queue_max_bytes)


def _redaction(settings: LogsSettings) -> Redaction:
    from quickwins.logs import Redaction

    return Redaction.strict(
        keys=settings.redact_keys, safe_keys=settings.safe_keys, pseudonym_key=settings.pseudonym_key
    )


def _sampling(settings: LogsSettings) -> Sampling:
    from quickwins.logs import Sampling

    return Sampling(first=settings.sample_first, every=settings.sample_every, slow_ms=settings.slow_ms)
