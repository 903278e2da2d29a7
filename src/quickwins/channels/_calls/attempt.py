"""One native call on one member, from its beginning to its one end.

gRPC may say twice that a call has ended, and never that one has whose metadata or request it could not send: an attempt ends
once, by the first to say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from quickwins.channels._native import (
    BEGINNING,
    OK,
    beginning_of,
    grpc,
    is_own_answer,
    outcome_of,
    outcome_of_error,
)

if TYPE_CHECKING:
    import asyncio

    from quickwins.channels._calls.method import Method
    from quickwins.channels._connections.member import Member
    from quickwins.channels._counts import Counts
    from quickwins.channels._native import Outcome


class Landing(Protocol):
    """Who gets a member's place back: a pool.

    Attributes:
        inflight: Calls on all members.
    """

    inflight: int

    @property
    def counts(self) -> Counts:
        """Where to count."""
        ...

    def landed(self, attempt: Attempt, outcome: Outcome) -> None:
        """An attempt has ended."""
        ...


class Attempt:
    """A native call that its caller has, counted from when this is made; it is the call's done callback. It holds no call: calls hold connections.

    Attributes:
        member: What it is on.
        telling: Whether its end says something of the connection: that was there, and the call had some time.
        ended: Whether it has.
    """

    __slots__ = ("ended", "member", "method", "pool", "telling")

    def __init__(self, pool: Landing, member: Member, method: Method, telling: bool) -> None:
        self.pool = pool
        self.member = member
        self.method = method
        self.telling = telling
        self.ended = False
        pool.inflight += 1
        member.inflight += 1
        if member.health.out_until is not None:
            member.health.begin()

    def __call__(self, call: Any) -> None:
        """`call` has ended.

        gRPC's own object below it says without a coroutine that all is well; there is none below an intercepted one.
        """
        if not self.ended:
            below = getattr(call, "_cython_call", None)
            self.end(OK if below is not None and below.is_ok() else outcome_of(call))

    def on(self, call: Any) -> None:
        """`call` is the native one: hear of its end."""
        call.add_done_callback(self)
        try:
            BEGINNING[self.method.streams_answers](call).add_done_callback(self._begun)
        except AttributeError:
            self._look_below(call)

    def _look_below(self, call: Any) -> None:
        if (beginning := beginning_of(call)) is not None:
            beginning.add_done_callback(self._begun)

    def _begun(self, beginning: asyncio.Task[Any]) -> None:
        if self.ended or beginning.cancelled():
            return
        if (error := beginning.exception()) is not None:
            self.end(outcome_of_error(error))
        elif isinstance(call := beginning.result(), grpc.aio.Call):  # what the interceptors made
            if is_own_answer(call):
                self.end(OK)
            else:
                self._look_below(call)

    def end(self, outcome: Outcome) -> None:
        """It has ended with `outcome`."""
        self.ended = True
        self.pool.counts.requests[outcome.code] += 1
        self.pool.landed(self, outcome)
