"""The stock channel: what a call goes to while the flag is off, and the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import grpc

    from quickwins.channels._calls.method import Method
    from quickwins.channels._native import Recipe


class Stock:
    """One channel as gRPC makes it, untouched; made when the first call needs it."""

    __slots__ = ("_channel", "_natives", "_recipe")

    def __init__(self, recipe: Recipe) -> None:
        self._recipe = recipe
        self._channel: grpc.aio.Channel | None = None
        self._natives: dict[Method, Any] = {}

    @property
    def channel(self) -> grpc.aio.Channel:
        """The native one."""
        if self._channel is None:
            self._channel = self._recipe.channel()
        return self._channel

    def native(self, method: Method) -> Any:
        """The native multicallable of `method`, made once."""
        found = self._natives.get(method)
        if found is None:
            found = self._natives[method] = method.on(self.channel)
        return found

    async def close(self, grace: float | None) -> None:
        """Let its calls end for `grace` seconds, and close it; new ones get another one meanwhile."""
        channel, self._channel = self._channel, None
        self._natives = {}
        if channel is not None:
            await channel.close(grace)
