"""How a channel is made: what is given is checked here, before anything is."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, Any

from quickwins.channels._channel import RotatingChannel
from quickwins.channels._core.conflicts import check_options
from quickwins.channels._native import Recipe
from quickwins.channels._target import checked
from quickwins.channels.config import PoolConfig, checked_methods
from quickwins.channels.errors import ChannelConflict
from quickwins.core.clock import SystemClock

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import grpc
    from prometheus_client import CollectorRegistry

    from quickwins.channels._calls.added import AddedMetadata
    from quickwins.channels.config import MethodPolicy
    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flag


def rotating_channel(  # noqa: PLR0913 -- gRPC's own, and what every feature takes; until=never
    target: str,
    credentials: grpc.ChannelCredentials | None = None,
    options: Sequence[tuple[str, Any]] | None = None,
    interceptors: Sequence[grpc.aio.ClientInterceptor] | None = None,
    compression: grpc.Compression | None = None,
    *,
    name: str = "",
    service: str = "",
    config: PoolConfig | None = None,
    methods: Mapping[str, MethodPolicy] | None = None,
    metadata: AddedMetadata | None = None,
    flag: Flag | None = None,
    registry: CollectorRegistry | None = None,
    clock: Clock | None = None,
    rng: Random | None = None,
) -> RotatingChannel:
    """A `grpc.aio.Channel` of several connections, in place of `grpc.aio.insecure_channel` or `secure_channel`.

    Args:
        target: As in gRPC: `feed:50051`, `dns:///feed:50051`, `unix:/run/feed.sock`; no URL.
        credentials: For TLS; `None`: an insecure channel.
        options: As in gRPC; each connection gets them, and they win over our own.
        interceptors: As in gRPC; each attempt of a call goes through them.
        compression: As in gRPC.
        name: Of the channel, on metrics, events and errors.
        service: Of the process, on metrics and events.
        config: What to do; `PoolConfig()` when `None`.
        methods: What holds for single methods, by full name: `{"/feed.v1.Feed/GetFeed": MethodPolicy(idempotent=True)}`.
            Others are never tried again.
        metadata: Given a method's full name, it returns metadata for this call, such as a trace. A name that it gives
            replaces the caller's, but for a valid `traceparent`, which stays with its `tracestate`. When it raises, the call goes without, and one event says so.
        flag: Asked at each call. While it is off, calls go to a stock channel. `None`: always on.
        registry: For the series; the default registry when `None`.
        clock: For ages, ejections and deadlines; must run as the event loop's does. The system's when `None`.
        rng: For jitter; a new one when `None`.

    Raises:
        ChannelConflict: Settings contradict each other, or an argument is not valid: see the message.
        ValueError: Something among `interceptors` isn't one, as in gRPC.
    """
    config = PoolConfig() if config is None else config
    if not isinstance(config, PoolConfig):
        raise ChannelConflict(f"config is a {type(config).__name__}: a PoolConfig is needed")
    if metadata is not None and not callable(metadata):
        raise ChannelConflict(
            f"metadata is a {type(metadata).__name__}: a function is needed, which returns what to add to a call"
        )
    options = tuple(options or ())
    check_options(options, config)
    recipe = Recipe(checked(target), credentials, options, tuple(interceptors or ()), compression)
    return RotatingChannel(
        recipe,
        config,
        methods=checked_methods(methods),
        metadata=metadata,
        flag=flag,
        service=service,
        name=name,
        registry=registry,
        clock=SystemClock() if clock is None else clock,
        rng=Random() if rng is None else rng,  # noqa: S311 -- jitter, not a secret; until=never
    )
