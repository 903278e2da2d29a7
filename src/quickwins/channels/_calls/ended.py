"""A call that ended before there was a native one: it was cancelled while it waited, or the channel was closed."""

from __future__ import annotations

import asyncio
from typing import Any

from quickwins.channels._native import grpc


class Ended:
    """What stands for its native call: the methods of all four kinds."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        self._code = code
        self._details = details

    def cancelled(self) -> bool:
        return self._code is grpc.StatusCode.CANCELLED

    def cancel(self) -> bool:
        return False

    async def code(self) -> grpc.StatusCode:
        return self._code

    async def details(self) -> str:
        return self._details

    async def debug_error_string(self) -> str:
        return ""

    async def initial_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata()

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata()

    async def wait_for_connection(self) -> None:
        self._raise()

    async def read(self) -> Any:
        self._raise()

    async def write(self, request: Any) -> None:  # noqa: ARG002 -- as gRPC's; until=never
        raise asyncio.InvalidStateError("RPC already finished.")

    async def done_writing(self) -> None:
        return

    def __await__(self) -> Any:
        self._raise()
        yield  # a generator, as gRPC's

    def __aiter__(self) -> Any:
        return self

    async def __anext__(self) -> Any:
        self._raise()

    def _raise(self) -> None:
        if self.cancelled():
            raise asyncio.CancelledError
        raise grpc.aio.AioRpcError(
            self._code, grpc.aio.Metadata(), grpc.aio.Metadata(), details=self._details
        )
