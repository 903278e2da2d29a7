"""One real connection of a pool: a native channel, the calls on it, and its end.

No call sees it close: only a member that no call can be given to any more is drained, it is closed when the last call on it
has ended, and only the hard grace cancels what is still there.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from contextvars import Context
from typing import TYPE_CHECKING, Any

from quickwins.channels._calls.method import MOST_METHODS
from quickwins.channels._core.health import Health
from quickwins.channels._core.picker import READY, Readiness
from quickwins.channels._native import grpc, is_intercepted
from quickwins.channels.stats import MemberState, MemberStats

if TYPE_CHECKING:
    from quickwins.channels._calls.method import Method

_READY = grpc.ChannelConnectivity.READY
_READINESS = {
    _READY: READY,
    grpc.ChannelConnectivity.CONNECTING: Readiness.CONNECTING,
    grpc.ChannelConnectivity.IDLE: Readiness.CONNECTING,  # the look has woken it
    grpc.ChannelConnectivity.TRANSIENT_FAILURE: Readiness.FAILING,
    grpc.ChannelConnectivity.SHUTDOWN: Readiness.CLOSED,
}
_STATES = {
    grpc.ChannelConnectivity.READY: MemberState.READY,
    grpc.ChannelConnectivity.CONNECTING: MemberState.CONNECTING,
    grpc.ChannelConnectivity.IDLE: MemberState.IDLE,
    grpc.ChannelConnectivity.TRANSIENT_FAILURE: MemberState.FAILING,
    grpc.ChannelConnectivity.SHUTDOWN: MemberState.DRAINING,
}


class Member:
    """A connection, and what is known of it.

    Attributes:
        number: Counts a channel's connections.
        channel: The native one.
        health: What calls on it have said.
        inflight: Calls on it.
        is_intercepted: Whether they go through interceptors.
        since: When it was made, in monotonic seconds.
        ends: When it is too old.
        draining: Whether it is given no calls any more.
        spared_until: Until when its silence is no reason for another connection: it took the place of a silent one.
    """

    __slots__ = (
        "_empty", "_natives", "_watch", "channel", "draining", "ends", "health", "hurry", "inflight", "is_intercepted",
        "number", "since", "spared_until",
    )  # fmt: skip

    def __init__(
        self, number: int, channel: Any, *, now: float, ends: float, out_until: float | None = None
    ) -> None:
        self.number = number
        self.channel = channel
        self.is_intercepted = is_intercepted(channel)
        self.health = Health(out_until)
        self.inflight = 0
        self.since = now
        self.ends = ends
        self.draining = False
        self.spared_until = 0.0
        self.hurry = asyncio.Event()
        self._natives: dict[Method, Any] = {}
        self._empty: asyncio.Future[None] | None = None
        self._watch: asyncio.Task[None] | None = None

    def look(self) -> Readiness:
        """What it is good for now; an idle one begins to connect."""
        state = self.channel.get_state(True)
        return READY if state is _READY else _READINESS[state]  # the hash of an enum's member is Python code

    def native(self, method: Method) -> Any:
        """The native multicallable of `method`, made once."""
        found = self._natives.get(method)
        if found is None:
            found = method.on(self.channel)
            if len(self._natives) < MOST_METHODS:
                self._natives[method] = found
        return found

    def left(self) -> None:
        """A call on it has ended while it is drained."""
        if self._empty is not None and not self.inflight and not self._empty.done():
            self._empty.set_result(None)

    def changed(self) -> asyncio.Task[None]:
        """Ends when its connection's state is another one; shared by all who wait, and ended by its closing.

        A watch of gRPC's cannot be taken back before the channel closes: so there is one at a time, and nobody cancels it.
        """
        if self._watch is None or self._watch.done():
            loop, watch = asyncio.get_running_loop(), self._changed(self.channel.get_state())
            self._watch = Context().run(loop.create_task, watch)
        return self._watch

    async def _changed(self, state: Any) -> None:
        with suppress(grpc.aio.UsageError, RuntimeError):  # it was closed meanwhile
            await self.channel.wait_for_state_change(state)

    async def ready(self, within_seconds: float) -> bool:
        """Connect; whether it was in time."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within_seconds
        while True:
            changed = self.changed()  # before the look, so that no change is between the two
            ready, left = self.look(), until - loop.time()
            if ready is READY or ready is Readiness.CLOSED or left <= 0:
                return ready is READY
            await asyncio.wait({changed}, timeout=left)

    async def drain(self, seconds: float) -> None:
        """Wait until no call is on it any more, for at most `seconds`, or until somebody is in a hurry."""
        if self.inflight and not self.hurry.is_set():
            loop = asyncio.get_running_loop()
            self._empty = loop.create_future()
            hurry = loop.create_task(self.hurry.wait())
            try:
                ends: set[asyncio.Future[Any]] = {self._empty, hurry}
                await asyncio.wait(ends, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            finally:
                hurry.cancel()
                self._empty = None

    async def close(self) -> None:
        """Close the connection at once, and end what waits for it."""
        self._natives.clear()
        await self.channel.close()
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.cancel()  # gRPC ends it too, now or within a second
            await asyncio.wait({watch})

    def state(self) -> MemberState:
        """What a person is told."""
        if self.draining:
            return MemberState.DRAINING
        if self.health.out_until is not None:
            return MemberState.EJECTED
        return _STATES[self.channel.get_state()]

    def stats(self, now: float) -> MemberStats:
        """At one moment."""
        out = self.health.out_until
        return MemberStats(
            number=self.number,
            state=self.state(),
            inflight=self.inflight,
            age_seconds=now - self.since,
            silent=self.health.silent,
            probe_in_seconds=None if out is None else max(0.0, out - now),
        )
