"""The channels that are compared: grpc's own, and ours in each mode."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import grpc
import grpc.aio
from prometheus_client import CollectorRegistry

from quickwins.channels import MethodPolicy, Mode, PoolConfig, RotatingChannel, rotating_channel

IDEMPOTENT: Final = MethodPolicy(idempotent=True)


def bare(
    target: str,
    *,
    credentials: grpc.ChannelCredentials | None = None,
    options: Sequence[tuple[str, Any]] = (),
    interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
    compression: grpc.Compression | None = None,
) -> grpc.aio.Channel:
    """One channel of grpc's."""
    more: dict[str, Any] = {"options": options, "interceptors": interceptors, "compression": compression}
    if credentials is None:
        return grpc.aio.insecure_channel(target, **more)
    return grpc.aio.secure_channel(target, credentials, **more)


def ours(
    target: str, *, config: PoolConfig | None = None, methods: Sequence[str] = (), **more: Any
) -> RotatingChannel:
    """Ours, with the named methods idempotent, and metrics of its own."""
    return rotating_channel(
        target,
        config=config or PoolConfig(mode="pool"),
        methods=dict.fromkeys(methods, IDEMPOTENT),
        registry=more.pop("registry", None) or CollectorRegistry(),
        **more,
    )


def of_mode(mode: Mode, size: int) -> Callable[..., grpc.aio.Channel]:
    def make(target: str, **more: Any) -> grpc.aio.Channel:
        return ours(target, config=PoolConfig(mode=mode, size=size), **more)

    return make


KINDS: Final[Mapping[str, Callable[..., grpc.aio.Channel]]] = {
    "bare": bare,
    "single": of_mode(Mode.SINGLE, 3),
    "pool of 1": of_mode(Mode.POOL, 1),
    "pool of 3": of_mode(Mode.POOL, 3),
    "core": of_mode(Mode.CORE, 3),
}
