"""Channels' part in `QuickWins`: what is made here follows `[channels]`, live."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypedDict

from quickwins.channels.settings import ChannelsSettings
from quickwins.core.errors import ConfigError
from quickwins.core.events import CONFIG_UNUSED, Reporter
from quickwins.core.feature import close_together

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Unpack

    import grpc
    from prometheus_client import CollectorRegistry

    from quickwins.channels import MethodPolicy, RotatingChannel
    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flags, Snapshot

    AddedMetadata = Callable[[str], Sequence[tuple[str, str | bytes]]]


class ChannelOptions(TypedDict, total=False):
    """What `rotating_channel` takes besides a target and a name, as keywords; explained there."""

    credentials: grpc.ChannelCredentials | None
    options: Sequence[tuple[str, Any]] | None
    interceptors: Sequence[grpc.aio.ClientInterceptor] | None
    compression: grpc.Compression | None
    methods: Mapping[str, MethodPolicy] | None
    metadata: AddedMetadata | None


class Channels:
    """A `core.feature.Feature`: channels by name."""

    section = "channels"
    model = ChannelsSettings

    def __init__(
        self,
        flags: Flags,
        *,
        registry: CollectorRegistry | None,
        clock: Clock | None,
        trace: Callable[[], AddedMetadata],
    ) -> None:
        """`trace` makes what adds the request's trace to calls; it is asked when the first channel is made."""
        self._flags = flags
        self._flag = flags.flag(self.section)
        self._registry = registry
        self._clock = clock
        self._trace = trace
        self._channels: dict[str, RotatingChannel] = {}

    def channel(self, target: str, *, name: str, **options: Unpack[ChannelOptions]) -> RotatingChannel:
        """A channel to `target`.

        Args:
            target: As in gRPC.
            name: What it is called in configuration, metrics and errors.
            options: What `rotating_channel` takes besides. `metadata` adds the request's trace unless it is given.

        Raises:
            ConfigError: There is a channel of that name, or settings contradict each other.
        """
        from quickwins.channels import rotating_channel

        if name in self._channels:
            raise ConfigError(f"there is a channel {name!r} already: give each channel a name of its own")
        if "metadata" not in options:
            options["metadata"] = self._trace()
        snapshot = self._flags.snapshot
        made = self._channels[name] = rotating_channel(
            target,
            **options,
            name=name,
            service=snapshot.settings.service,
            config=self._settings(snapshot).for_name(name).config(),
            flag=self._flag,
            registry=self._registry,
            clock=self._clock,
        )
        return made

    def apply(self, snapshot: Snapshot) -> None:
        """Have every channel follow its own table, or the section."""
        settings = self._settings(snapshot)
        for name, channel in self._channels.items():
            channel.reconfigure(settings.for_name(name).config())

    async def close(self) -> None:
        """Close the channels: calls under way are cancelled. Say which tables nobody has used."""
        channels, self._channels = self._channels, {}
        try:
            await close_together("channels", (channel.close() for channel in channels.values()))
        finally:
            snapshot = self._flags.snapshot
            for name in self._settings(snapshot).names.keys() - channels.keys():
                Reporter(service=snapshot.settings.service).report(
                    CONFIG_UNUSED, key=f"{self.section}.names.{name}", reason="no channel had that name"
                )

    def _settings(self, snapshot: Snapshot) -> ChannelsSettings:
        return snapshot.settings.section(self.section, self.model)
