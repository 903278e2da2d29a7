"""What is made of `grpc.aio`: stock channels, and their answers read without waiting.

Measured with grpcio 1.85: channels with equal targets and arguments share one connection unless each has a subchannel pool of
its own (`grpc.use_local_subchannel_pool`). `get_state` takes 0.12 µs, so that nobody has to watch. A call's done callbacks run
where its status is set, before anybody who awaits it wakes; they may run twice (a call that is cancelled while its status
comes), and never for a call whose metadata or request gRPC cannot take.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from quickwins.channels._core.retry import CANCELLED, RESOURCE_EXHAUSTED, UNAVAILABLE
from quickwins.channels.errors import ChannelConflict
from quickwins.core.errors import PUSHBACK, needs_extra

with needs_extra("grpc"):
    import grpc
    import grpc.aio

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Coroutine, Mapping, Sequence

    from quickwins.channels.config import MethodPolicy, PoolConfig

__all__ = [
    "BEGINNING",
    "LEFT",
    "LOCALLY_CANCELLED",
    "OK",
    "PAST_SECONDS",
    "UNTOLD",
    "Outcome",
    "Recipe",
    "beginning_of",
    "checked_metadata",
    "core_options",
    "grpc",
    "is_intercepted",
    "is_own_answer",
    "member_options",
    "outcome_of",
    "outcome_of_error",
    "service_config",
]

CONNECT_MS = 5_000
"""gRPC gives each attempt 20 s; a member whose new connection leads to a stopped process has others to replace it by."""

PAST_SECONDS = -1.0
"""A timeout that is over. gRPC rounds to milliseconds, and so answers some calls that have a timeout of 0."""

LOCALLY_CANCELLED = "Locally cancelled by application!"
"""The details of a call that was cancelled on this side, by its caller or by the end of its channel."""


_NO_CREDENTIALS = ("Getting metadata from plugin failed", "Illegal metadata")
"""How the details of a call begin that was never sent, since its credentials gave nothing that could be: UNAVAILABLE to gRPC."""

_INTERCEPTORS = (
    grpc.aio.UnaryUnaryClientInterceptor,
    grpc.aio.UnaryStreamClientInterceptor,
    grpc.aio.StreamUnaryClientInterceptor,
    grpc.aio.StreamStreamClientInterceptor,
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What each channel to the target is made with."""

    target: str
    credentials: grpc.ChannelCredentials | None
    options: tuple[tuple[str, Any], ...]
    interceptors: Sequence[grpc.aio.ClientInterceptor]
    compression: grpc.Compression | None

    def __post_init__(self) -> None:
        if self.credentials is not None and not isinstance(self.credentials, grpc.ChannelCredentials):
            raise ChannelConflict(
                f"credentials is a {type(self.credentials).__name__}: grpc.ChannelCredentials are needed, or None; options are "
                "named, `options=`"
            )
        for one in self.interceptors:
            if not isinstance(one, _INTERCEPTORS):
                raise ValueError(  # noqa: TRY004 -- gRPC raises it for this; until=never
                    f"{one!r} is no interceptor of a client's calls, which have four classes in grpc.aio"
                )

    def channel(self, more: Sequence[tuple[str, Any]] = ()) -> grpc.aio.Channel:
        """A channel of gRPC's own, with `more` options below those of the caller."""
        given = {key for key, _ in self.options}
        options = [*((key, value) for key, value in more if key not in given), *self.options]
        # By name: agents that put interceptors of their own in expect it.
        more_arguments = {
            "options": options,
            "compression": self.compression,
            "interceptors": self.interceptors,
        }
        if self.credentials is None:
            return grpc.aio.insecure_channel(self.target, **more_arguments)
        return grpc.aio.secure_channel(self.target, self.credentials, **more_arguments)


def is_intercepted(channel: grpc.aio.Channel) -> bool:
    """Whether calls on a native channel go through interceptors, those that an agent has put in too."""
    kinds = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
    return any(getattr(channel, f"_{kind}_interceptors", True) for kind in kinds)


def checked_metadata(given: Any) -> grpc.aio.Metadata | None:
    """`given` as gRPC takes it, once for all attempts; what is wrong with it is raised where the call is made."""
    if given is None or isinstance(given, grpc.aio.Metadata):
        return given
    return grpc.aio.Metadata.from_tuple(tuple(given))


def member_options(config: PoolConfig) -> list[tuple[str, Any]]:
    """A connection of its own, and no longer waits between attempts to connect than the pool's."""
    most = int(config.backoff_max_seconds * 1000)
    return [
        ("grpc.use_local_subchannel_pool", 1),
        ("grpc.initial_reconnect_backoff_ms", min(most, 1000)),
        ("grpc.max_reconnect_backoff_ms", most),
        (
            "grpc.min_reconnect_backoff_ms",
            CONNECT_MS,
        ),  # gRPC's name for how long an attempt to connect may take
    ]


def core_options(config: PoolConfig, methods: Mapping[str, MethodPolicy]) -> list[tuple[str, Any]]:
    """The options of one channel over several addresses, with gRPC's own balancing, retries and ejection."""
    return [
        *member_options(config),
        ("grpc.service_config", json.dumps(service_config(config, methods))),
        # A server that asks the watch of its health for a token, too, would get no call at all.
        ("grpc.inhibit_health_checking", 1),
    ]


def service_config(config: PoolConfig, methods: Mapping[str, MethodPolicy]) -> dict[str, Any]:
    """What tells gRPC to do in core mode what a pool does. Sources: gRFC A6 (retries), A50 (outliers), A105 (scaling)."""
    made: dict[str, Any] = {
        "loadBalancingConfig": [_balancing(config)],
        "connectionScaling": {"maxConnectionsPerSubchannel": config.size},
        "healthCheckConfig": {"serviceName": ""},  # off, unless the caller's options say otherwise
    }
    configs = [one for name, policy in methods.items() if (one := _method_config(name, policy, config))]
    if configs:
        made["methodConfig"] = configs
    if config.retry_budget_ratio and config.max_attempts > 1:
        # gRPC takes a token for each failure, gives the ratio for each success, and stops below half.
        made["retryThrottling"] = {"maxTokens": 100, "tokenRatio": round(config.retry_budget_ratio, 3)}
    return made


def _balancing(config: PoolConfig) -> dict[str, Any]:
    if not config.eject_after:
        return {"round_robin": {}}
    return {
        "outlier_detection_experimental": {
            "interval": "1s",
            "baseEjectionTime": f"{config.ejection_seconds:.3f}s",
            "maxEjectionTime": f"{max(config.ejection_seconds, 30.0):.3f}s",
            "maxEjectionPercent": 50,
            "failurePercentageEjection": {
                "threshold": 50,
                "minimumHosts": 2,
                "requestVolume": config.eject_after,
            },
            "childPolicy": [{"round_robin": {}}],
        }
    }


def _method_config(name: str, policy: MethodPolicy, config: PoolConfig) -> dict[str, Any] | None:
    if not policy.idempotent or config.max_attempts < 2 or not config.retry_budget_ratio:  # noqa: PLR2004 -- a retry is a second attempt; until=never
        return None
    _, service, method = name.split("/")
    return {
        "name": [{"service": service, "method": method}],
        "retryPolicy": {
            "maxAttempts": min(config.max_attempts, 5),  # all that gRPC does
            "initialBackoff": f"{config.backoff_base_seconds:.3f}s",
            "maxBackoff": f"{config.backoff_max_seconds:.3f}s",
            "backoffMultiplier": 2,
            "retryableStatusCodes": list(policy.codes),
        },
    }


def result_of(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What a coroutine returns that has nothing to wait for; `None` when it waits or raises."""
    try:
        coroutine.send(None)
    except StopIteration as done:
        return done.value
    except Exception:  # noqa: BLE001 -- an interceptor's own error, which its caller gets; here it only has no status; until=never
        return None
    coroutine.close()
    return None


BEGINNING = {False: attrgetter("_call_response"), True: attrgetter("_preparation")}
"""The task in which gRPC begins a call, by whether answers stream.

A call whose metadata or request cannot be sent fails there, and nowhere else: gRPC never says that it has ended.
"""


def beginning_of(call: Any) -> asyncio.Task[Any] | None:
    """The same of any call, one with interceptors too; `None`: it has none, since somebody answered in its stead."""
    for name in ("_interceptors_task", "_call_response", "_preparation"):
        found = getattr(call, name, None)
        if found is not None:
            return found  # type: ignore[no-any-return]  # -- grpc ships no types; until=2027-05-31
    return None


def is_own_answer(call: Any) -> bool:
    """Whether `call` is an interceptor's iterator of answers without a call below: gRPC never says that it has ended."""
    return getattr(call, "_call", call) is None


class Outcome:
    """How a native call ended.

    Attributes:
        code: The name of its status code.
        trailers: The values of `grpc-retry-pushback-ms`, where the code makes them matter.
        here: Whether it ended on this side: by its caller, by what an interceptor raised, or for want of a token.
    """

    __slots__ = ("code", "here", "trailers")

    def __init__(self, code: str, trailers: tuple[str | bytes, ...] = (), *, here: bool = False) -> None:
        self.code = code
        self.trailers = trailers
        self.here = here


OK = Outcome("OK")
LEFT = Outcome(CANCELLED, here=True)
UNTOLD = Outcome("UNKNOWN", here=True)


def outcome_of(call: Any) -> Outcome:
    """How `call`, which has ended, ended."""
    code = result_of(call.code())
    if code is grpc.StatusCode.OK:
        return OK
    if code is None:
        return UNTOLD
    name: str = code.name
    if name in {UNAVAILABLE, RESOURCE_EXHAUSTED}:
        return _refused(name, result_of(call.trailing_metadata()), result_of(call.details()))
    if name == CANCELLED:
        return Outcome(name, here=result_of(call.details()) == LOCALLY_CANCELLED)
    return Outcome(name)


def outcome_of_error(error: BaseException) -> Outcome:
    """How a call ended that only says so by what it raises."""
    if isinstance(error, grpc.aio.AioRpcError):
        return _refused(error.code().name, error.trailing_metadata(), error.details())
    return UNTOLD if isinstance(error, Exception) else LEFT


def _refused(name: str, trailers: Any, details: str | None) -> Outcome:
    here = name == UNAVAILABLE and (details or "").startswith(_NO_CREDENTIALS)
    return Outcome(name, _pushback(trailers), here=here)


def _pushback(trailers: Any) -> tuple[str | bytes, ...]:
    return tuple(value for key, value in trailers or () if key == PUSHBACK)
