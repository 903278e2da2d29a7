"""A call whose native call may be another one later: it waits for a connection, or it is tried again elsewhere.

The states, and what leads out of each:

    held      no member is connected          -> under way, when one is, or when all have failed or the time is over
    under way a native call is there          -> settled, or resting
    resting   between two attempts            -> held or under way, when the wait is over
    settled   the native call stays           -> over, when it has ended
    over

It settles when the native call has ended for good, or when the caller may have seen something of it: for a stream when
initial metadata or a message has come (gRFC A6: the call is committed).

Each attempt is made in the context of the caller, so that interceptors and iterators of requests see the caller's trace,
whichever task finds out that there is a connection.

The rule that keeps a cancelled call from being tried again: gRPC says whether a call was cancelled on this side, and nobody
but its caller, and the end of the channel, does that here.
"""

from __future__ import annotations

import asyncio
from contextvars import copy_context
from typing import TYPE_CHECKING, Any

from quickwins.channels._calls.attempt import Attempt
from quickwins.channels._calls.ended import Ended
from quickwins.channels._core.picker import READY, Readiness
from quickwins.channels._core.retry import CANCELLED, Stop, next_attempt
from quickwins.channels._counts import RetryOutcome
from quickwins.channels._native import LEFT, LOCALLY_CANCELLED, OK, PAST_SECONDS, grpc

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickwins.channels._calls.method import Method
    from quickwins.channels._connections.member import Member
    from quickwins.channels._connections.pool import Pool
    from quickwins.channels._native import Outcome


class _Tried(Attempt):
    """An attempt of a call that may have several; that call counts itself once."""

    __slots__ = ("_of",)

    def __init__(self, of: Retried, member: Member, telling: bool) -> None:
        super().__init__(of.pool, member, of.method, telling)
        self._of = of

    def end(self, outcome: Outcome) -> None:
        self.ended = True
        self.pool.landed(self, outcome)
        self._of.ended(self, outcome)


class Retried:
    """What the four kinds of calls share. Belongs to the event loop that it was made on.

    Attributes:
        pool: What its attempts are made on.
        method: Whose call it is.
        is_held: Whether it waits for a connection.
    """

    # Not slots: gRPC's own base classes have none. What most calls never change is the class's.
    is_held = False
    _native: Any = None
    _made = 0
    _tried: tuple[Member, ...] = ()
    _left = False
    _settled = False
    _over = False
    _timer: asyncio.TimerHandle | None = None
    _waiters: tuple[asyncio.Future[None], ...] = ()
    _callbacks: tuple[Callable[[Any], None], ...] = ()
    _commit: asyncio.Task[None] | None = None

    def __init__(
        self,
        pool: Pool,
        method: Method,
        request: Any,
        now: float,
        timeout: float | None,
        options: dict[str, Any],
        found: tuple[Member, Readiness],
    ) -> None:
        """Begin on the member that was found, or wait for one.

        Args:
            pool: What to begin on.
            method: Whose call it is.
            request: One message, or an iterator over messages, which only one attempt may touch.
            now: Monotonic seconds.
            timeout: Seconds from now for all attempts; `None`: no deadline.
            options: `metadata`, `credentials`, `wait_for_ready`, `compression`, as gRPC takes them.
            found: The member for it.
        """
        self.pool = pool
        self.method = method
        self._request = request
        self._ends_at = None if timeout is None else now + timeout
        self._options = options
        self._context = copy_context()
        member, ready = found
        if ready is READY:
            self._launch(member, timeout, telling=timeout is None or timeout > 0)
        else:
            self._hold()

    # -- Attempts.

    def _remaining(self) -> float | None:
        ends_at = self._ends_at
        return None if ends_at is None else max(0.0, ends_at - self.pool.now())

    def _launch(self, member: Member, timeout: float | None, *, telling: bool) -> None:
        attempt = _Tried(self, member, telling)
        try:
            native = member.native(self.method)(self._request, timeout=timeout, **self._options)
        except BaseException:
            self.pool.give_back(member)
            raise
        self._made += 1
        self._native = native
        attempt.on(native)
        if self.method.streams_answers:
            self._commit = asyncio.get_running_loop().create_task(self._committed(native))
        if self._waiters:
            self._wake()

    async def _committed(self, native: Any) -> None:
        """Settle when initial metadata has come. Of a failed native call it comes too, but after its end."""
        try:
            await native.initial_metadata()
        except (grpc.RpcError, asyncio.CancelledError):
            return
        if self._native is native and not self._over:
            self._settle()

    def _hold(self) -> None:
        """Wait for a connection, until the deadline."""
        left = self._remaining()
        self.is_held = True
        if left is not None:
            self._wait(left)
        self.pool.hold(self)  # last: a task that begins where it is made may have us go on, and end, in here

    def _wait(self, seconds: float) -> None:
        self._timer = asyncio.get_running_loop().call_later(seconds, self._go, context=self._context)

    def look_again(self) -> None:
        """Some connection has changed."""
        member, ready = self.pool.pick(self.pool.now(), self._tried)
        if ready is READY or (ready is not Readiness.CONNECTING and not self._options["wait_for_ready"]):
            self._context.run(self._start, member, ready)

    def _go(self) -> None:
        """A wait is over: go on where it is best, or to the end."""
        now = self.pool.now()
        member, ready = self.pool.pick(now, self._tried)
        if ready is READY or self.is_held or self._remaining() == 0.0:
            self._start(member, ready)
        else:
            self._hold()

    def _start(self, member: Member, ready: Readiness) -> None:
        self._rest_no_more()
        try:
            left = self._remaining()
            has_time = left is None or left > 0
            self._launch(member, left if has_time else PAST_SECONDS, telling=has_time and ready is READY)
        except Exception as error:  # noqa: BLE001 -- it raised nothing the first time; the caller is told when they ask; until=never
            self.pool.counts.requests["INTERNAL"] += 1
            self._end_here(grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}")

    def _rest_no_more(self) -> None:
        self.is_held = False
        self.pool.forget(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def ended(self, attempt: _Tried, outcome: Outcome) -> None:
        """An attempt has ended: it was the last, or there is another."""
        pool = self.pool
        if self._made > 1:
            pool.counts.retries[_retry_outcome(outcome)] += 1
        if outcome is OK or self._settled or (wait := self._wait_after(outcome)) is None:
            pool.counts.requests[outcome.code] += 1
            self._finish()
            return
        self._tried = (*self._tried, attempt.member)
        self._native = None
        self.pool.pending[self] = None
        self._wait(wait)

    def _wait_after(self, outcome: Outcome) -> float | None:
        """Seconds until the next attempt; `None`: there is none."""
        pool = self.pool
        if not self.method.retried or not pool.retries or self._left or outcome.here:
            return None
        now = pool.now()
        found = next_attempt(
            code=outcome.code,
            trailers=outcome.trailers,
            codes=self.method.policy.codes,
            made=self._made,
            rule=pool.rule,
            left_seconds=self._remaining(),
            budget=pool.budget,
            now=now,
            rng=pool.rng,
        )
        if isinstance(found, Stop):
            pool.counts.budget_denied += found is Stop.BUDGET
            return None
        return found

    # -- Its end.

    def _settle(self) -> None:
        self._settled = True
        if self._waiters:
            self._wake()

    def _finish(self) -> None:
        self._over = self._settled = True
        if self._waiters:
            self._wake()
        if self._callbacks:
            callbacks, self._callbacks = self._callbacks, ()
            for callback in callbacks:
                self._call(callback)

    def _call(self, callback: Callable[[Any], None]) -> None:
        try:
            callback(self)
        except Exception as error:  # noqa: BLE001 -- the caller's own, and no other callback's affair; until=never
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"a done callback of {self.method.path} has failed", "exception": error}
            )

    def _end_here(self, code: grpc.StatusCode, details: str) -> None:
        """End without a native call."""
        self._native = Ended(code, details)
        self._finish()

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, ()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _turn(self) -> None:
        """Until there is a native call, or another one."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters = (*self._waiters, waiter)
        await waiter

    async def _final(self) -> Any:
        """The native call that stays. Who is cancelled meanwhile only wanted to know."""
        while not self._settled:
            await self._turn()
        return self._native

    async def _mine(self, ready: Callable[[], bool]) -> Any:
        """The native call, to read, write or await: those who are cancelled at that cancel the call, as in gRPC."""
        try:
            while not ready():
                await self._turn()
        except asyncio.CancelledError:
            self.cancel()
            raise
        return self._native

    def _is_settled(self) -> bool:
        return self._settled

    def _is_there(self) -> bool:
        return self._native is not None

    # -- What gRPC's calls have.

    def __repr__(self) -> str:
        state = "over" if self._over else "held" if self.is_held else f"attempt {self._made}"
        return f"<{type(self).__name__} {self.method.path}: {state}>"

    def cancel(self) -> bool:
        """As in gRPC: whether it was still under way. It is not tried again."""
        if self._over:
            return False
        self._left = True
        if self._native is not None:
            return bool(self._native.cancel())
        self._rest_no_more()
        self.pool.counts.requests[CANCELLED] += 1
        self._end_here(grpc.StatusCode.CANCELLED, LOCALLY_CANCELLED)
        return True

    def cancelled(self) -> bool:
        """As in gRPC."""
        return self._over and bool(self._native.cancelled())

    def done(self) -> bool:
        """As in gRPC: whether it has ended, all attempts considered."""
        # What an interceptor answered by itself is there before gRPC tells anybody that the call has ended.
        return self._over or (self._settled and bool(self._native.done()))

    def time_remaining(self) -> float | None:
        """Seconds until its deadline, over all attempts; `None`: there is none."""
        return self._remaining()

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """As in gRPC; it is called once, when no attempt follows."""
        if self._over:
            callback(self)
        else:
            self._callbacks = (*self._callbacks, callback)

    async def initial_metadata(self) -> Any:
        """As in gRPC: of the attempt that stays."""
        return await (await self._final()).initial_metadata()

    async def trailing_metadata(self) -> Any:
        """As in gRPC: of the last attempt."""
        return await (await self._final()).trailing_metadata()

    async def code(self) -> Any:
        """As in gRPC: of the last attempt."""
        return await (await self._final()).code()

    async def details(self) -> Any:
        """As in gRPC: of the last attempt."""
        return await (await self._final()).details()

    async def debug_error_string(self) -> Any:
        """As in gRPC: of the last attempt."""
        return await (await self._final()).debug_error_string()

    async def wait_for_connection(self) -> None:
        """As in gRPC: until an attempt that stays is connected."""
        await (await self._final()).wait_for_connection()

    # -- One answer.

    def _answer(self) -> Any:
        """Await the one answer, whichever attempt brings it."""
        while True:
            if self._native is None:
                yield from self._mine(self._is_there).__await__()
            native = self._native
            try:
                answer = yield from native.__await__()
            except BaseException as error:
                if native is self._native or isinstance(error, asyncio.CancelledError):
                    raise
            else:
                self._settled = True
                return answer


def _retry_outcome(outcome: Outcome) -> RetryOutcome:
    if outcome is OK:
        return RetryOutcome.RECOVERED
    return RetryOutcome.CANCELLED if outcome is LEFT or outcome.here else RetryOutcome.FAILED
