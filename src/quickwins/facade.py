"""One configuration, everything wired: what a service makes once at its start."""

from __future__ import annotations

import asyncio
import os
from typing import TYPE_CHECKING

from quickwins.backpressure import BackpressureSettings, GatedPool
from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.events import CONFIG_UNUSED, Reporter
from quickwins.core.flags import FlagsSettings
from quickwins.core.flags.loading import load_flags
from quickwins.core.metrics_endpoint import MetricsServer, MetricsSettings, metrics_app
from quickwins.logs.settings import LogsSettings
from quickwins.suppressions import SuppressionsSettings, bridge

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Self

    import asyncpg
    from prometheus_client import CollectorRegistry

    from quickwins.core.asgi import App
    from quickwins.core.clock import Clock
    from quickwins.core.config import Section, Settings
    from quickwins.core.flags import Flag, Flags, Snapshot
    from quickwins.logs import Pipeline, Redaction, Sampling, Sink

SECTIONS: Mapping[str, type[Section]] = {
    "flags": FlagsSettings,
    "metrics": MetricsSettings,
    "backpressure": BackpressureSettings,
    "logs": LogsSettings,
    "suppressions": SuppressionsSettings,
}
"""Every section of `quickwins.toml` and its model; one line for each feature."""


class QuickWins:
    """All features of one process, under one live configuration.

    Belongs to one event loop. Use as `async with`: entering starts to follow the configuration, leaving closes what
    was made here.

    Example:
        qw = QuickWins.load("quickwins.toml")
        pool = qw.pool(await asyncpg.create_pool(dsn), name="feed")
        async with qw:
            await serve(pool)

    Attributes:
        flags: The live flags and settings.
    """

    def __init__(
        self,
        flags: Flags,
        *,
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Use `QuickWins.load` instead, unless you bring flags of your own."""
        self.flags = flags
        self._registry = registry
        self._clock = SystemClock() if clock is None else clock
        self._pools: list[GatedPool] = []
        self._entered = False
        self._bridge: bridge.Bridge | None = None
        self._logging: Pipeline | None = None
        flags.subscribe(self._reconfigure)

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
    ) -> QuickWins:
        """Read the configuration and get everything ready; nothing runs yet.

        Args:
            path: The file; when `None`, what `QUICKWINS_CONFIG` names, else `quickwins.toml`.
            env: The environment; the process's own when `None`.
            registry: For all series; the default registry when `None`.
            clock: For everything that waits or measures.

        Raises:
            ConfigError: The file is missing or not valid; the message has a line for each mistake.
        """
        env = os.environ if env is None else env
        flags = load_flags(SECTIONS, path, env, registry=registry, clock=clock)
        return cls(flags, registry=registry, clock=clock)

    @property
    def settings(self) -> Settings:
        """The configuration as it is now; replaced whole at each change."""
        return self.flags.snapshot.settings

    def flag(self, feature: str) -> Flag:
        """The live flag of `feature`.

        Raises:
            ConfigError: There is no such feature.
        """
        return self.flags.flag(feature)

    def pool(self, pool: asyncpg.Pool, *, name: str) -> GatedPool:
        """Put `pool` behind a gate, as `[backpressure]` or `[backpressure.names.<name>]` says, live.

        Args:
            pool: The caller's; closed together with this object.
            name: What the pool is called in configuration, metrics and errors.

        Raises:
            ConfigError: The pool, or one of that name, was given here before.
        """
        if any(made.name == name for made in self._pools):
            raise ConfigError(f"there is a pool {name!r} already: give each pool a name of its own")
        if any(made.pool is pool for made in self._pools):
            raise ConfigError(
                f"the pool for {name!r} has a gate already: two gates would admit twice its size"
            )
        gated = GatedPool(
            pool,
            settings=self.settings.section("backpressure", BackpressureSettings).for_name(name),
            flag=self.flag("backpressure"),
            name=name,
            service=self.settings.service,
            registry=self._registry,
            clock=self._clock,
        )
        self._pools.append(gated)
        return gated

    def metrics_app(self) -> App:
        """An ASGI application with the metrics, behind the configured token if there is one."""
        return metrics_app(self._registry, token=self.settings.section("metrics", MetricsSettings).token)

    def metrics_server(self, port: int = 0, *, host: str = "127.0.0.1") -> MetricsServer:
        """The metrics on a port of their own; close it yourself."""
        token = self.settings.section("metrics", MetricsSettings).token
        return MetricsServer(port, host=host, registry=self._registry, token=token)

    async def __aenter__(self) -> Self:
        """Start to follow the configuration; settings of pools that nobody made are reported, once."""
        await self.flags.__aenter__()
        names = {pool.name for pool in self._pools}
        configured = self.settings.section("backpressure", BackpressureSettings).names
        for name in configured.keys() - names:
            Reporter(service=self.settings.service).report(CONFIG_UNUSED, key=f"backpressure.names.{name}")
        self._entered = True
        self._structure_logs(self.flags.snapshot)
        self._bridge_warnings(self.flags.snapshot)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close what was made here, and stop to follow the configuration."""
        pools, self._pools = self._pools, []
        self._entered = False
        self._unbridge_warnings()
        try:
            # Together: their graces must not add up beyond what the process is given to end.
            ended = await asyncio.gather(*(pool.close() for pool in pools), return_exceptions=True)
        finally:
            await self.flags.__aexit__(kind, error, trace)
            if self._logging is not None:  # last: what the others say at their end is still written
                self._logging.close()
                self._logging = None
        failures = [one for one in ended if isinstance(one, BaseException)]
        if failures:
            raise BaseExceptionGroup("closing the pools", failures)

    def _reconfigure(self, snapshot: Snapshot) -> None:
        settings = snapshot.settings.section("backpressure", BackpressureSettings)
        for pool in self._pools:
            pool.reconfigure(settings.for_name(pool.name))
        self._structure_logs(snapshot)
        self._bridge_warnings(snapshot)

    def _structure_logs(self, snapshot: Snapshot) -> None:
        """Have logging configured from the first time on that its flag is on; it follows the flag by itself."""
        settings = snapshot.settings.section("logs", LogsSettings)
        if self._logging is not None:
            self._logging.reconfigure(
                level=settings.level, redaction=_redaction(settings), sampling=_sampling(settings)
            )
        elif self._entered and snapshot.flags["logs"].on:
            from quickwins.logs import configure_logging

            self._logging = configure_logging(
                service=snapshot.settings.service,
                level=settings.level,
                sink=_sink(settings),
                redaction=_redaction(settings),
                sampling=_sampling(settings),
                flag=self.flag("logs"),
                registry=self._registry,
                clock=self._clock,
            )

    def _bridge_warnings(self, snapshot: Snapshot) -> None:
        """Have the bridge while the flag is on, and nothing at all while it is off."""
        wanted = self._entered and snapshot.flags["suppressions"].on
        if not wanted:
            self._unbridge_warnings()
        elif self._bridge is None:
            settings = snapshot.settings.section("suppressions", SuppressionsSettings)
            self._bridge = bridge.install(
                service=snapshot.settings.service,
                registry=self._registry,
                clock=self._clock,
                first_party=settings.first_party,
            )

    def _unbridge_warnings(self) -> None:
        if self._bridge is not None:
            self._bridge = None
            bridge.uninstall()


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
