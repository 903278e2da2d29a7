"""One method of a service, as a stub asks a channel for it."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any

from quickwins.channels.config import MethodPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import grpc

MOST_METHODS = 1024
"""How many are remembered; serializers that are made again for each stub would otherwise fill the memory."""


class Kind(Enum):
    """What streams."""

    UNARY_UNARY = "unary_unary"
    UNARY_STREAM = "unary_stream"
    STREAM_UNARY = "stream_unary"
    STREAM_STREAM = "stream_stream"


class Method:
    """The key to the native multicallables: each member makes one for each of these, and keeps it.

    Attributes:
        kind: What streams.
        path: Its full name.
        policy: What holds for it.
        timeout_seconds: Of calls that bring none.
        retried: Whether its calls may be tried again.
        serializes: Whether what callers give becomes bytes on the way, one message or one after another.
        streams_answers: Whether a deadline says nothing of the connection: the call may have had answers.
    """

    __slots__ = (
        "_deserializer",
        "_registered",
        "_serializer",
        "kind",
        "path",
        "policy",
        "retried",
        "serializes",
        "streams_answers",
        "timeout_seconds",
    )

    def __init__(
        self,
        kind: Kind,
        path: str,
        serializer: Callable[[Any], bytes] | None,
        deserializer: Callable[[bytes], Any] | None,
        policy: MethodPolicy,
        *,
        registered: bool,
    ) -> None:
        self.kind = kind
        self.path = path
        self.policy = policy
        self.timeout_seconds = policy.timeout_seconds
        self._serializer = serializer
        self._deserializer = deserializer
        self._registered = registered
        self.serializes = serializer is not None or kind in {Kind.STREAM_UNARY, Kind.STREAM_STREAM}
        self.retried = policy.idempotent and kind in {Kind.UNARY_UNARY, Kind.UNARY_STREAM}
        self.streams_answers = kind in {Kind.UNARY_STREAM, Kind.STREAM_STREAM}

    def on(self, channel: grpc.aio.Channel) -> Any:
        """The native multicallable on a native channel."""
        make: Callable[..., Any] = getattr(channel, self.kind.value)
        return make(self.path, self._serializer, self._deserializer, _registered_method=self._registered)


class Methods:
    """The methods of one channel: the same object each time that the same one is asked for."""

    def __init__(self, policies: Mapping[str, MethodPolicy]) -> None:
        self._policies = policies
        self._default = MethodPolicy()
        self._known: dict[tuple[Any, ...], Method] = {}

    def get(
        self,
        kind: Kind,
        path: str,
        serializer: Callable[[Any], bytes] | None,
        deserializer: Callable[[bytes], Any] | None,
        registered: bool | None,
    ) -> Method:
        """The method; `registered` is what generated code says, and gRPC's own affair."""
        key = (kind, path, serializer, deserializer, bool(registered))
        found = self._known.get(key)
        if found is None:
            policy = self._policies.get(path, self._default)
            found = Method(kind, path, serializer, deserializer, policy, registered=bool(registered))
            if len(self._known) < MOST_METHODS:
                self._known[key] = found
        return found
