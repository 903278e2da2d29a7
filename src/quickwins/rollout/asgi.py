"""Counts the requests of an ASGI service by cohort, for a ramp to be watched by.

    app = RolloutMiddleware(qw.asgi(app), qw.flags, features=["query_cache"])

A request belongs to the cohort that it came in with: it is pinned to one key and one snapshot of the flags, as `PinMiddleware`
does. Put it outermost, so that it sees what clients get.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from quickwins.core.asgi import EXEMPT, REFUSED, plain, plainly
from quickwins.core.errors import refusal_in
from quickwins.core.flags.asgi import PinMiddleware
from quickwins.core.given import application
from quickwins.core.lazy import shows
from quickwins.rollout._counts import Ended, counted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from prometheus_client import CollectorRegistry

    from quickwins.core.asgi import App, Message, Receive, Scope, Send
    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flags

__all__ = ["RolloutMiddleware"]
__dir__ = shows(__name__)

_FAILED, _UNAVAILABLE, _GATEWAY_TIMEOUT, _TOO_MANY = 500, 503, 504, 429


class RolloutMiddleware:
    """Pins each HTTP request to a key, and counts how it ended, by feature and cohort. Pure ASGI.

    `error` is a status of 500 and more, or an exception; `timeout` 504, or a `TimeoutError`; `refused` what backpressure
    answered, 429, and 503 with a `Retry-After`. A client that goes away is not counted. The time is that until the last
    part of the body was given to the server: slow readers, and background tasks, are not in it.
    """

    def __init__(
        self,
        app: App,
        flags: Flags,
        *,
        features: Collection[str],
        key: Callable[[Scope], str | None] | None = None,
        exempt: Collection[str] = EXEMPT,
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Put `app` behind it.

        Args:
            app: The service.
            flags: The service's.
            features: What ramps: for each, both cohorts are counted.
            key: What a percentage is one of, as for `PinMiddleware`; by default requests.
            exempt: Paths that are not counted: monitors ask them, and they are fast.
            registry: For the series; the default registry when `None`.
            clock: For durations.

        Raises:
            ConfigError: No feature is named, or one has no flag.
        """
        self._app = application(app)
        self._pinned = PinMiddleware(self._counting, flags, key=key)
        self._counts, self._series = counted(flags, features, registry=registry)
        self._exempt = plainly("exempt", exempt)
        self._monotonic = time.monotonic if clock is None else clock.monotonic

    def __repr__(self) -> str:
        features = ", ".join(one.feature for one in self._counts)
        return f"<RolloutMiddleware counting {features} around {type(self._app).__name__}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        await self._pinned(scope, receive, send)

    async def _counting(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or plain(scope["path"], scope.get("root_path", "")) in self._exempt:
            await self._app(scope, receive, send)
            return
        cohorts = [(one, one.cohort()) for one in self._counts]
        began = self._monotonic()
        seconds: float | None = None
        status: int | None = None
        again = False

        def sending(message: Message) -> Awaitable[None]:
            nonlocal seconds, status, again
            if message["type"] == "http.response.start":
                status = message["status"]
                again = any(name.lower() == b"retry-after" for name, _ in message.get("headers") or ())
            elif message["type"] == "http.response.body" and not message.get("more_body"):
                seconds = self._monotonic() - began
            return send(message)

        raised: BaseException | None = None
        try:
            await self._app(scope, receive, sending)
        except BaseException as error:
            raised = error
            raise
        finally:
            refused = REFUSED in scope or status == _TOO_MANY or (status == _UNAVAILABLE and again)
            ended = _ended(status, raised, refused=refused, whole=seconds is not None)
            if ended is not None:
                took = self._monotonic() - began if seconds is None else seconds
                for one, cohort in cohorts:
                    one.count(cohort, ended, took)


def _ended(status: int | None, raised: BaseException | None, *, refused: bool, whole: bool) -> Ended | None:
    """How a request ended; `None`: nobody waited for its end."""
    if raised is None or whole:
        if refused or status is None:
            return Ended.REFUSED if refused else None
        if status == _GATEWAY_TIMEOUT:
            return Ended.TIMEOUT
        return Ended.ERROR if status >= _FAILED else Ended.OK
    if refused or refusal_in(raised) is not None:
        return Ended.REFUSED
    if isinstance(raised, TimeoutError):
        return Ended.TIMEOUT
    # A server cancels what nobody waits for any more.
    return Ended.ERROR if isinstance(raised, Exception) else None
