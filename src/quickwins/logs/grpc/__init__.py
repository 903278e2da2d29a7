"""A context for each call of a gRPC server and one line about it at its end; traces that clients take along.

    server = grpc.aio.server(interceptors=[LogServerInterceptor(trusted=True)])            # first, to be outermost
    channel = grpc.aio.insecure_channel(address, interceptors=[*LogClientInterceptor()])   # with the star

All four kinds of calls on both sides, and on the server handlers of every sort: coroutines, async generators, and plain
functions and generators, which grpc.aio runs in threads, where they have the context too.

`rotating_channel(..., metadata=trace_metadata)` of `quickwins.channels` takes traces along without interceptors.

The star: a channel uses each interceptor for one kind of call only, so the client's is really four. Without the star
the channel refuses it at once.

Sources: OpenTelemetry's semantic conventions for gRPC (names; which codes are a server's errors), W3C Trace Context.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.core.grpc_handlers import EXEMPT
    from quickwins.logs.grpc._client import LogClientInterceptor, trace_metadata
    from quickwins.logs.grpc._server import LogServerInterceptor

__all__ = [
    "EXEMPT",
    "LogClientInterceptor",
    "LogServerInterceptor",
    "trace_metadata",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "EXEMPT": "quickwins.core.grpc_handlers",
        "LogClientInterceptor": "_client",
        "LogServerInterceptor": "_server",
        "trace_metadata": "_client",
    },
)
