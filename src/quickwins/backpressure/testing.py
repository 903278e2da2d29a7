"""Tests of a service without a server: a pool in memory, for a `GatedPool` to guard, and a gate that refuses as a test says.

    gated = GatedPool(FakePool(2, answer=lambda query, *args: [{"id": 1}]), gate=Gate.threshold(0.5))
    async with gated.acquire() as connection:
        assert await connection.fetch("select id from feed") == [{"id": 1}]
        with pytest.raises(PoolExhausted):
            await the_code_under_test(gated)

Each statement is answered by `answer`; nothing is parsed or kept.
"""

from __future__ import annotations

import asyncio
from collections import deque
from inspect import isawaitable
from typing import TYPE_CHECKING, Any

from quickwins.backpressure._core.gate import GateCore
from quickwins.backpressure._gate import Gate
from quickwins.backpressure.rule import GateKind, Priority, RejectReason, Rule
from quickwins.core.errors import ConfigError
from quickwins.core.lazy import shows

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Unpack

    from quickwins.backpressure._core.line import Waiter
    from quickwins.backpressure._core.tenants import Tenant
    from quickwins.backpressure._gate import ShellOptions

__all__ = ["FakeConnection", "FakePool", "ScriptedGate"]
__dir__ = shows(__name__)


class FakeConnection:
    """As much of `asyncpg.Connection` as runs statements. Each is answered by its pool's `answer`."""

    def __init__(self, answer: Callable[..., Any]) -> None:
        self._answer = answer
        self._closed = False

    def __repr__(self) -> str:
        return f"<FakeConnection, {'lost' if self._closed else 'open'}>"

    def is_closed(self) -> bool:
        """Whether `terminate` was called."""
        return self._closed

    def terminate(self) -> None:
        """Lose the connection, as when the server goes away."""
        self._closed = True

    async def fetch(self, query: str, *args: object, timeout: float | None = None) -> Any:
        """What `answer` returns, or what that gives when awaited; `timeout` bounds the waiting.

        Raises:
            ConnectionError: The connection was lost.
            TimeoutError: It took longer than `timeout` seconds.
        """
        if self._closed:
            raise ConnectionResetError("this connection was terminated")
        async with asyncio.timeout(timeout):
            answered = self._answer(query, *args)
            return await answered if isawaitable(answered) else answered

    fetchrow = fetchval = execute = executemany = fetchmany = fetch


class FakePool:
    """As much of `asyncpg.Pool` as a `GatedPool` uses. Belongs to one event loop.

    Connections are made when they are first wanted. Callers that find none free are served in the order of their coming.
    """

    def __init__(self, max_size: int = 10, *, answer: Callable[..., Any] = lambda query, *args: None) -> None:  # noqa: ARG005 -- what every answer is given; until=never
        """Make a pool of `max_size` connections.

        Args:
            max_size: At least 1.
            answer: Called with each query and its arguments. What it returns is the answer, awaited if it can be: an
                `async` function holds the connection as long as a statement would. What it raises, the caller gets.
        """
        self._max_size = max_size
        self._answer = answer
        self._free: deque[FakeConnection] = deque()
        self._held: set[FakeConnection] = set()
        self._places = asyncio.Semaphore(max_size)
        self._closed = False

    def __repr__(self) -> str:
        state = "closed" if self._closed else "open"
        return f"<FakePool, {state}, {len(self._held)} of {self._max_size} connections in use>"

    def get_max_size(self) -> int:
        """The number of connections."""
        return self._max_size

    def acquire(self, *, timeout: float | None = None) -> Awaitable[FakeConnection]:
        """A connection, when one is free.

        Raises (when awaited):
            asyncpg.InterfaceError: The pool is closed.
            TimeoutError: None was free within `timeout` seconds.
        """
        return self._acquire(timeout)

    async def _acquire(self, timeout: float | None) -> FakeConnection:
        if self._closed:
            from asyncpg import InterfaceError

            raise InterfaceError("pool is closed")
        async with asyncio.timeout(timeout):
            await self._places.acquire()
        connection = self._free.pop() if self._free else FakeConnection(self._answer)
        self._held.add(connection)
        return connection

    async def release(self, connection: FakeConnection, *, timeout: float | None = None) -> None:  # noqa: ARG002 -- as asyncpg has it; until=never
        """Take `connection` back; a second time does nothing."""
        if connection in self._held:
            self._held.remove(connection)
            if not connection.is_closed():
                self._free.append(connection)
            self._places.release()

    async def close(self) -> None:
        """Wait until all are back; nobody gets one afterwards. Cancelled, it loses those that are out."""
        if self._closed:
            return
        self._closed = True
        try:
            for _ in range(self._max_size):
                await self._places.acquire()
        except asyncio.CancelledError:
            self.terminate()
            raise

    def terminate(self) -> None:
        """Lose all connections at once."""
        self._closed = True
        for connection in self._held:
            connection.terminate()


class ScriptedGate(Gate):
    """A gate whose first answers a test has chosen, so that the code under test meets each refusal.

    It stands wherever a gate does: before a pool, at a door, alone with `size=`. After the script it is a patient queue.

    Example:
        gate = ScriptedGate(RejectReason.QUEUE_FULL, None, RejectReason.TENANT)  # the second is let in
        gated = GatedPool(FakePool(2), gate=gate)
    """

    __slots__ = ("_script",)

    def __init__(
        self, *script: RejectReason | str | None, size: int | None = None, **options: Unpack[ShellOptions]
    ) -> None:
        """Make one.

        Args:
            script: Of each of the first callers: why it is refused, `RejectReason.TENANT` or `"tenant"`; `None`: it is not.
            size: How many permits there are; leave it out for a gate that a pool will bind.
            options: With a size: see `ShellOptions`.

        Raises:
            ConfigError: Nobody is refused for such a reason.
        """
        super().__init__(Rule(GateKind.QUEUE, target_seconds=1.0, interval_seconds=10.0))
        self._script = deque(_reason(one) for one in script)
        if size is not None:
            self.bind(size, **options)

    def _core_for(self, max_size: int) -> GateCore:
        return _ScriptedCore(self._script, self._rule, max_size)


def _reason(given: RejectReason | str | None) -> RejectReason | None:
    if given is None:
        return None
    try:
        return RejectReason(given)
    except ValueError:
        allowed = ", ".join(RejectReason)
        raise ConfigError(f"ScriptedGate({given!r}) is not allowed: None, or one of {allowed}") from None


class _ScriptedCore(GateCore):
    __slots__ = ("_reason", "_script")

    def __init__(self, script: deque[RejectReason | None], rule: Rule, max_size: int) -> None:
        super().__init__(rule, max_size)
        self._script = script
        self._reason: RejectReason | None = None  # for `line_up`, which is called right after `take`

    def take(self, priority: Priority = Priority.NORMAL, tenant: Tenant | None = None) -> bool:
        self._reason = self._script.popleft() if self._script else None
        return self._reason is None and super().take(priority, tenant)

    def line_up(
        self, now: float, deadline_at: float, priority: Priority, tenant: Tenant | None
    ) -> RejectReason | Waiter:
        return self._reason or super().line_up(now, deadline_at, priority, tenant)
