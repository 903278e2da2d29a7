"""What stands in every ASGI adapter: the names of the interface's types, and how a request's headers are read.

Source: the ASGI specification 3.0 and its HTTP & WebSocket message format.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, TypeAlias

from quickwins.core.lazy import shows

__all__ = ["EXEMPT", "App", "Message", "Receive", "Scope", "Send", "below", "header", "plain"]
__dir__ = shows(__name__)

Scope: TypeAlias = MutableMapping[str, Any]
Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
App: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

EXEMPT = ("/health", "/healthz", "/livez", "/readyz", "/metrics")
"""Paths that monitors ask every few seconds, to see whether the service is alive."""


REFUSED = "quickwins.refused"
"""In the scope of a request that was answered with a refusal: for its line that is policy, and no failure."""


def below(path: str, root: str) -> str:
    """`path` below `root`, a scope's `root_path`: some servers and frameworks put it before the path, some don't."""
    rest = path[len(root) :]
    return rest if root and path.startswith(root) and rest[:1] in {"", "/"} else path


def plain(path: str, root: str) -> str:
    """`path` as lists of paths have it: below `root`, and without a slash at its end, which mounts redirect to."""
    if root:
        path = below(path, root)
    return path.rstrip("/") or "/"


def header(scope: Scope, name: bytes) -> bytes | None:
    """The last header called `name` (lower case, as ASGI has it); `None` when there is none.

    A scope need not have `headers`: then there is none either.
    """
    found: bytes | None = None
    for key, value in scope.get("headers") or ():
        if key == name:
            found = value
    return found
