"""What stubs hold: one object for each method, which gives each call to where it goes now.

Where no further attempt is possible and a member is connected, what comes back is that member's native call object. It costs
the choice of the member and one done callback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from quickwins.channels._calls.attempt import Attempt
from quickwins.channels._calls.kinds import CALLS
from quickwins.channels._calls.method import Kind
from quickwins.channels._connections.member import Member
from quickwins.channels._core.picker import READY
from quickwins.channels._native import PAST_SECONDS, checked_metadata, grpc
from quickwins.channels.config import MOST_SECONDS
from quickwins.core.deadline import current, earliest

if TYPE_CHECKING:
    from quickwins.channels._calls.added import Added
    from quickwins.channels._calls.method import Method
    from quickwins.channels._connections.pool import Pool
    from quickwins.channels._connections.stock import Stock


LOOK = Member.look


class Router(Protocol):
    """What says where a new call goes: a channel."""

    @property
    def stock(self) -> Stock:
        """What calls go to that go to no pool."""
        ...

    @property
    def added(self) -> Added | None:
        """What is added to each call's metadata."""
        ...

    @property
    def is_secure(self) -> bool:
        """Whether calls may bring credentials of their own."""
        ...

    def route(self) -> Pool | None:
        """The pool for a new call."""
        ...


class _MultiCallable:
    """What the four kinds share."""

    def __init__(self, channel: Router, method: Method) -> None:
        self._channel = channel
        self._method = method

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._method.path} of {self._channel!r}>"

    def __call__(
        self,
        request: Any,
        timeout: float | None = None,
        metadata: Any = None,
        credentials: Any = None,
        wait_for_ready: bool | None = None,
        compression: Any = None,
    ) -> Any:
        """A call, as in gRPC; `request` is an iterator where requests stream."""
        channel, method = self._channel, self._method
        pool = channel.route()
        if (added := channel.added) is not None:
            metadata = added.to(method.path, metadata)
        if pool is None:
            return channel.stock.native(method)(
                request,
                timeout=timeout,
                metadata=metadata,
                credentials=credentials,
                wait_for_ready=wait_for_ready,
                compression=compression,
            )
        now = pool.now()
        if timeout is None:
            timeout = method.timeout_seconds
        if current() is not None:
            timeout = _earlier(timeout, now)
        has_time = timeout is None or 0 < timeout <= MOST_SECONDS
        if not has_time:
            timeout = PAST_SECONDS
        pool.budget.deposit(now)
        found = pool.picker.pick(pool.members, LOOK, now, (), pool.chance)
        member, ready = found
        if ready is not READY or (method.retried and pool.retries):
            if credentials is not None and not channel.is_secure:
                # What gRPC says where a call is made; one that is held would hear of it too late.
                raise grpc.aio.UsageError("Call credentials are only valid on secure channels")
            options = {
                "metadata": checked_metadata(metadata),
                "credentials": credentials,
                "wait_for_ready": wait_for_ready,
                "compression": compression,
            }
            return CALLS[method.kind](pool, method, request, now, timeout, options, found)
        native = member.native(method)(
            request,
            timeout=timeout,
            metadata=metadata,
            credentials=credentials,
            wait_for_ready=wait_for_ready,
            compression=compression,
        )
        attempt = Attempt(pool, member, method, has_time)
        if metadata is None and method.serializes and not member.is_intercepted:
            native.add_done_callback(attempt)  # nothing in it that could not be sent
        else:
            attempt.on(native)
        return native


def _earlier(timeout: float | None, now: float) -> float | None:
    """`timeout`, or what the request at hand has left, if that is less."""
    deadline = earliest(timeout, now)
    return deadline.remaining(now) if deadline.of_request else timeout


class UnaryUnary(_MultiCallable, grpc.aio.UnaryUnaryMultiCallable):  # type: ignore[misc]  # -- grpc ships no types; until=2027-05-31
    """One request, one answer."""


class UnaryStream(_MultiCallable, grpc.aio.UnaryStreamMultiCallable):  # type: ignore[misc]  # -- grpc ships no types; until=2027-05-31
    """One request, a stream of answers."""


class _Streaming(_MultiCallable):
    """Requests that stream: gRPC has another name for the first argument, and it may be left out."""

    def __call__(self, request_iterator: Any = None, *rest: Any, **options: Any) -> Any:  # type: ignore[override]  # -- the name is gRPC's; until=never
        return super().__call__(request_iterator, *rest, **options)


class StreamUnary(_Streaming, grpc.aio.StreamUnaryMultiCallable):  # type: ignore[misc]  # -- grpc ships no types; until=2027-05-31
    """A stream of requests, one answer."""


class StreamStream(_Streaming, grpc.aio.StreamStreamMultiCallable):  # type: ignore[misc]  # -- grpc ships no types; until=2027-05-31
    """Streams both ways."""


MULTICALLABLES: dict[Kind, type[_MultiCallable]] = {
    Kind.UNARY_UNARY: UnaryUnary,
    Kind.UNARY_STREAM: UnaryStream,
    Kind.STREAM_UNARY: StreamUnary,
    Kind.STREAM_STREAM: StreamStream,
}
