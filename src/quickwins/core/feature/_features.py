"""What a `QuickWins` asks of every room, and how several of them follow one configuration together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Protocol

from quickwins.core.feature._closing import close_together
from quickwins.core.flags.loading import load_flags
from quickwins.core.flags.settings import FlagsSettings
from quickwins.core.metrics import MetricsServer, MetricsSettings, metrics_app

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping, Sequence
    from typing import Self

    from prometheus_client import CollectorRegistry

    from quickwins.core.asgi import App
    from quickwins.core.clock import Clock
    from quickwins.core.config import Section, Settings
    from quickwins.core.flags.flag import Flag
    from quickwins.core.flags.live import Flags
    from quickwins.core.flags.snapshot import Snapshot


class Feature(Protocol):
    """One room's part. Belongs to one event loop.

    What it makes for a service follows its section, has the service's name, and obeys the kill.
    """

    @property
    def section(self) -> str:
        """The name of its table in `quickwins.toml`."""
        ...

    @property
    def model(self) -> type[Section]:
        """What that table holds."""
        ...

    def apply(self, snapshot: Snapshot) -> None:
        """Follow `snapshot`. Must not block.

        What it raises at the start ends the start; what it raises at a change is reported and counted, and the other
        features get the change all the same.
        """
        ...

    async def close(self) -> None:
        """Close what was made; cancelled, clean up at once."""
        ...


def sections_of(*rooms: Any) -> dict[str, type[Section]]:
    """The sections of a configuration, with their models: `[flags]`, `[metrics]`, and those of `rooms`, classes of features."""
    every: dict[str, type[Section]] = {"flags": FlagsSettings, "metrics": MetricsSettings}
    return every | {room.section: room.model for room in rooms}


class Features:
    """Features that follow one live configuration inside an `async with` block. Belongs to one event loop.

    Attributes:
        flags: The live flags and settings.
    """

    sections: ClassVar[Mapping[str, type[Section]]] = {}
    """What the file may hold: each section's name and model."""

    def __init__(
        self, flags: Flags, *, registry: CollectorRegistry | None = None, clock: Clock | None = None
    ) -> None:
        """Use `load` instead, unless you bring flags of your own."""
        self.flags = flags
        self._registry = registry
        self._features = self.make(registry, clock)
        self._subscriptions: list[Callable[[], None]] = []

    def make(self, registry: CollectorRegistry | None, clock: Clock | None) -> Sequence[Feature]:  # noqa: ARG002 -- for subclasses; until=never
        """The features: the first is the first to follow and the last to be closed; the others are closed together."""
        return ()

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        env: Mapping[str, str] | None = None,
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
    ) -> Self:
        """Read the configuration and get everything ready; nothing runs yet.

        Args:
            path: The file; when `None`, what `QUICKWINS_CONFIG` names, else `quickwins.toml`.
            env: The environment; the process's own when `None`.
            registry: For all series; the default registry when `None`.
            clock: For everything that waits or measures.

        Raises:
            ConfigError: The file is missing or not valid, with a line for each mistake, or an extra is not installed.
        """
        flags = load_flags(cls.sections, path, env, registry=registry, clock=clock)
        return cls(flags, registry=registry, clock=clock)

    def __repr__(self) -> str:
        states = ", ".join(f"{name} {state}" for name, state in self.flags.snapshot.flags.items())
        return f"<{type(self).__name__} {self.settings.service!r}: {states}>"

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

    def metrics_app(self) -> App:
        """An ASGI application with the metrics, behind the configured token if there is one."""
        return metrics_app(self._registry, token=self.settings.section("metrics", MetricsSettings).token)

    def metrics_server(self, port: int = 0, *, host: str = "127.0.0.1") -> MetricsServer:
        """The metrics on a port of their own; close it yourself."""
        token = self.settings.section("metrics", MetricsSettings).token
        return MetricsServer(port, host=host, registry=self._registry, token=token)

    async def __aenter__(self) -> Self:
        """Start following the configuration.

        Raises:
            ConfigError: It is followed already, or a feature cannot do what it says; then everything is closed again.
        """
        await self.flags.__aenter__()
        try:
            for feature in self._features:
                feature.apply(self.flags.snapshot)
                self._subscriptions.append(self.flags.subscribe(feature.apply))
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop following the configuration, and close what the features have made.

        Raises:
            BaseException: What one of them has raised, when all are closed; what several have raised, as a group.
        """
        while self._subscriptions:
            self._subscriptions.pop()()
        first, *others = self._features
        try:
            await close_together("features", (feature.close() for feature in others))
        finally:
            try:
                await self.flags.__aexit__(None, None, None)  # not before: a kill counts until the end
            finally:
                await first.close()
