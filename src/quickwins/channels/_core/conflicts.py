"""Which options of a channel contradict what the pool does, or what gRPC would do with them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quickwins.channels.config import Mode, PoolConfig
from quickwins.channels.errors import ChannelConflict

if TYPE_CHECKING:
    from collections.abc import Sequence

KEEPALIVE = "grpc.keepalive_time_ms"
SERVICE_CONFIG = "grpc.service_config"
LEAST_KEEPALIVE_MS = 10_000
"""gRPC raises anything below to this (gRFC A8), and servers answer more frequent pings with GOAWAY too_many_pings."""


def check_options(options: Sequence[tuple[str, Any]], config: PoolConfig) -> None:
    """Refuse options that don't go together with `config`.

    Raises:
        ChannelConflict: See the messages.
    """
    for key, value in options:
        if key == KEEPALIVE and isinstance(value, int) and value < LEAST_KEEPALIVE_MS:
            raise ChannelConflict(
                f"{KEEPALIVE}={value} is not allowed: at least {LEAST_KEEPALIVE_MS}; servers close connections that ping "
                "more often"
            )
        if key != SERVICE_CONFIG or config.mode is Mode.SINGLE:
            continue
        if config.mode is Mode.CORE:
            raise ChannelConflict(
                f"{SERVICE_CONFIG} and mode 'core' are not allowed together: there it is made from PoolConfig"
            )
        if _has_retry_policy(value):
            raise ChannelConflict(
                f"a retryPolicy in {SERVICE_CONFIG} and mode {str(config.mode)!r} are not allowed together: each attempt of "
                "ours would be several of gRPC's, all on the backend that failed; declare MethodPolicy(idempotent=True)"
            )


def _has_retry_policy(value: object) -> bool:
    try:
        parsed = json.loads(value) if isinstance(value, (str, bytes)) else None
    except ValueError:
        return False  # gRPC will say so
    methods = parsed.get("methodConfig") if isinstance(parsed, dict) else None
    return isinstance(methods, list) and any(
        isinstance(one, dict) and {"retryPolicy", "hedgingPolicy"} & one.keys() for one in methods
    )
