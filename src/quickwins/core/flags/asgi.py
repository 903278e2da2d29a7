"""A key for each request of any ASGI service, for flags that are on for a percentage of them.

    app = PinMiddleware(app, flags)                                            # 5 %: of the requests
    app = PinMiddleware(app, flags, key=lambda scope: scope["state"]["user"])  # 5 %: of the users

`QuickWins.asgi` has it outermost. While all flags are at 0 or 100 % it does nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.flags._requests import Requests
from quickwins.core.given import application
from quickwins.core.lazy import shows

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickwins.core.asgi import App, Receive, Scope, Send
    from quickwins.core.flags._requests import Bits
    from quickwins.core.flags.pin import Live

__all__ = ["PinMiddleware"]
__dir__ = shows(__name__)


class PinMiddleware:
    """Pins each request to a key, and an HTTP request also to the flags as they are when it first asks.

    A WebSocket lasts: it has one key, and sees changes. Pure ASGI; put it outside of everything that asks a flag.
    """

    def __init__(
        self,
        app: App,
        flags: Live,
        *,
        key: Callable[[Scope], str | None] | None = None,
        rng: Bits | None = None,
    ) -> None:
        """Put `app` behind it.

        Args:
            app: The service.
            flags: The service's.
            key: The key of a request, by its scope: whose it is, by what is authenticated already. `None` for one without
                a key, for which flags below 100 % are off. By default each request draws one, so that a percentage is
                one of requests.
            rng: For drawing; the module `random` when `None`.
        """
        self._app = application(app)
        self._requests = Requests(flags, key=key, rng=rng)

    def __repr__(self) -> str:
        return f"<PinMiddleware {self._requests} around {type(self._app).__name__}>"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See the ASGI specification."""
        kind = scope["type"]
        pin = None if kind == "lifespan" else self._requests.pin(scope, live=kind != "http")
        if pin is None:
            await self._app(scope, receive, send)
            return
        with pin:
            await self._app(scope, receive, send)
