"""The calls of a pool that are not gRPC's own objects, one class for each kind."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickwins.channels._calls.method import Kind
from quickwins.channels._calls.retried import Retried
from quickwins.channels._native import grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Generator


class UnaryUnaryCall(Retried, grpc.aio.UnaryUnaryCall):  # type: ignore[misc]  # -- grpc ships no types; until=2027-05-31
    """One request, one answer."""

    def __await__(self) -> Generator[Any, None, Any]:
        return self._answer()  # type: ignore[no-any-return]  # -- a generator of whatever gRPC answers; until=never


class _Reading(Retried):
    """Answers that stream."""

    _iterator: AsyncIterator[Any] | None = None

    async def read(self) -> Any:
        """As in gRPC."""
        return await (await self._mine(self._is_settled)).read()

    def __aiter__(self) -> AsyncIterator[Any]:
        if self._iterator is None:
            self._iterator = self._messages()
        return self._iterator

    async def _messages(self) -> AsyncIterator[Any]:
        async for message in await self._mine(self._is_settled):
            yield message


class _Writing(Retried):
    """Requests that stream. They have one attempt: what was sent cannot be sent again."""

    async def write(self, request: Any) -> None:
        """As in gRPC."""
        await (await self._mine(self._is_there)).write(request)

    async def wait_for_connection(self) -> None:
        """As in gRPC: until it is connected. A server that waits for the first message has sent nothing then."""
        while self._native is None:
            await self._turn()
        await self._native.wait_for_connection()

    async def done_writing(self) -> None:
        """As in gRPC."""
        await (await self._mine(self._is_there)).done_writing()


class UnaryStreamCall(_Reading, grpc.aio.UnaryStreamCall):  # type: ignore[misc]  # -- grpc ships no types; until=2027-05-31
    """One request, a stream of answers."""


class StreamUnaryCall(_Writing, grpc.aio.StreamUnaryCall):  # type: ignore[misc]  # -- grpc ships no types; until=2027-05-31
    """A stream of requests, one answer."""

    def __await__(self) -> Generator[Any, None, Any]:
        return self._answer()  # type: ignore[no-any-return]  # -- as above; until=never


class StreamStreamCall(_Writing, _Reading, grpc.aio.StreamStreamCall):  # type: ignore[misc]  # -- grpc ships no types; until=2027-05-31
    """Streams both ways."""


CALLS: dict[Kind, type[Retried]] = {
    Kind.UNARY_UNARY: UnaryUnaryCall,
    Kind.UNARY_STREAM: UnaryStreamCall,
    Kind.STREAM_UNARY: StreamUnaryCall,
    Kind.STREAM_STREAM: StreamStreamCall,
}
