"""What stands in every ASGI adapter: the names of the interface's types, and how a request's path and headers are read.

`Lifespan` gives one to applications that have none, such as Django's:

    application = Lifespan(qw.asgi(get_asgi_application()), lambda: qw)

Source: the ASGI specification 3.0, its HTTP & WebSocket message format and its lifespan protocol.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any, TypeAlias

from quickwins.core.given import texts
from quickwins.core.lazy import shows

if TYPE_CHECKING:
    from collections.abc import Collection
    from contextlib import AbstractAsyncContextManager

__all__ = ["EXEMPT", "App", "Lifespan", "Message", "Receive", "Scope", "Send", "below", "header", "plain"]
__dir__ = shows(__name__)

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[..., Awaitable[None]]
"""Of the three arguments, for which every framework has types of its own, with Litestar's among those that fit no others."""

EXEMPT = ("/health", "/healthz", "/livez", "/readyz", "/metrics")
"""Paths that monitors ask every few seconds, to see whether the service is alive."""


REFUSED = "quickwins.refused"
"""In the scope of a request that was answered with a refusal: for its line that is policy, and no failure."""


class Lifespan:
    """Runs a context manager for as long as the server does: entered before the first request, left after the last one.

    For an application without a lifespan of its own; it is not told of this one. What is raised at the start keeps the server
    from starting.
    """

    def __init__(self, app: App, running: Callable[[], AbstractAsyncContextManager[object]]) -> None:
        """Put `app` behind it.

        Args:
            app: The service.
            running: What runs, made anew for each start: a `QuickWins`, or a function with pools in it that is an
                `asynccontextmanager`.
        """
        self._app = app
        self._running = running

    def __repr__(self) -> str:
        return f"<Lifespan around {type(self._app).__name__}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        said = "startup"
        try:
            await receive()
            async with self._running():
                await send({"type": "lifespan.startup.complete"})
                said = "shutdown"
                await receive()
        except Exception:
            # Servers take an exception alone for "there is no lifespan here", and go on.
            await send({"type": f"lifespan.{said}.failed"})
            raise
        await send({"type": "lifespan.shutdown.complete"})


def below(path: str, root: str) -> str:
    """`path` below `root`, a scope's `root_path`: some servers and frameworks put it before the path, some don't."""
    rest = path[len(root) :]
    return rest if root and path.startswith(root) and rest[:1] in {"", "/"} else path


def plain(path: str, root: str) -> str:
    """`path` as lists of paths have it: below `root`, and without a slash at its end, which mounts redirect to."""
    if root:
        path = below(path, root)
    return path.rstrip("/") or "/"


def plainly(name: str, paths: Collection[str]) -> frozenset[str]:
    """The argument `name` of an adapter: `paths` as `plain` has them.

    Raises:
        ConfigError: It is no list of texts.
    """
    return frozenset(plain(path, "") for path in texts(name, paths, such_as="/health"))


def header(scope: Scope, name: bytes) -> bytes | None:
    """The last header called `name` (lower case, as ASGI has it); `None` when there is none.

    A scope need not have `headers`: then there is none either.
    """
    found: bytes | None = None
    for key, value in scope.get("headers") or ():
        if key == name:
            found = value
    return found
