"""A gRPC server on a port of its own, with the handlers that a test gives it, and a channel to it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import Any

import grpc
import grpc.aio


class _Service(grpc.GenericRpcHandler):
    """Answers every method that ends with a name it knows, with bytes in and out."""

    def __init__(self, handlers: dict[str, grpc.RpcMethodHandler]) -> None:
        self._handlers = handlers

    def service(self, handler_call_details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler | None:
        return self._handlers.get(handler_call_details.method.rpartition("/")[2])


@asynccontextmanager
async def serving(
    *interceptors: Any,
    client: Sequence[Any] = (),
    options: Sequence[tuple[str, str]] = (),
    executor: ThreadPoolExecutor | None = None,
    **handlers: grpc.RpcMethodHandler,
) -> AsyncIterator[grpc.aio.Channel]:
    """`interceptors` and `executor` are the server's, `client` and `options` the channel's."""
    async with (
        listening(*interceptors, executor=executor, **handlers) as port,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}", interceptors=client, options=options) as channel,
    ):
        yield channel


@asynccontextmanager
async def listening(
    *interceptors: Any, executor: ThreadPoolExecutor | None = None, **handlers: grpc.RpcMethodHandler
) -> AsyncIterator[int]:
    """The same without a channel: its port."""
    server = grpc.aio.server(executor, interceptors=interceptors)
    server.add_generic_rpc_handlers((_Service(handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)
