"""The demo's gateway several times in one process, from bare to all of the logging and five lines a request.

`/bare/graphql/` and the others (`WAYS`) do the same work; `/cpu` says how many nanoseconds of processor time the process has
used, the thread that writes lines included. Started by `request.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import time
import uuid
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING, Any

import grpc.aio
import structlog
import uvicorn
from strawberry.extensions import SchemaExtension
from uvicorn.logging import AccessFormatter
from uvicorn.protocols.utils import get_client_addr, get_path_with_query_string

from benchmarks.logs import peers
from quickwins.demo.service.gateway import make_app
from quickwins.logs import Pipeline, Sink, _logger, annotate, get_logger
from quickwins.logs.asgi import LogMiddleware
from quickwins.logs.grpc import LogClientInterceptor
from quickwins.logs.strawberry import LogExtension

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WAYS = {
    "bare": "no logging",
    "entered": "the floor of one line: an empty middleware that adds a header",
    "hooks": "the floor of `all`: the same hooks, with nothing in them, and five calls of an empty function",
    "context": "the middleware, which sets the context, and no line",
    "lines": "its line, and four of the handler's",
    "all": "the operation's name, and the trace that goes on to the backend",
    "one": "the middleware's line alone, with what the handler has to say in it, by `annotate`",
    "structlog": "structlog's fastest, without redaction: a middleware that binds an id, its line, and the handler's four",
    "stdlib": "python-json-logger for the handler's four, and uvicorn's access log",
}
"""What there is; from `context` to `all` each has all before it. A floor is what anything in its place costs at least."""

log = get_logger()


class Handler:
    """Logs as a handler does, before the application; the fifth line is the middleware's."""

    def __init__(self, app: Any, say: Callable[..., None] | None) -> None:
        self.app = app
        self.say = say
        self.count = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.count = count = self.count + 1
        say = self.say
        if say is not None:
            say("cache.access", cache="session", hit=count % 3 == 0)
            say("cache.access", cache="feed", hit=False)
            say("feed.asked", first=10, shard=count % 7, page=count)
            say("feed.ranked", model="newest", candidates=count % 97, seconds=0.25)
        await self.app(scope, receive, send)


class Annotating:
    """Says what `Handler` says, on the request's one line."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.count = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.count = count = self.count + 1
        annotate(
            session_hit=count % 3 == 0, feed_hit=False, first=10, shard=count % 7, page=count, model="newest",
            candidates=count % 97, rank_seconds=0.25,
        )  # fmt: skip
        await self.app(scope, receive, send)


class StructlogMiddleware:
    """What a service writes itself: an id for each request, and its line."""

    def __init__(self, app: Any, logger: Any) -> None:
        self.app = app
        self.logger = logger

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(correlation_id=uuid.uuid4().hex, service="gateway")
        began, status = time.monotonic(), 0

        def sending(message: Any) -> Any:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            return send(message)

        await self.app(scope, receive, sending)
        seconds = time.monotonic() - began
        self.logger.info("http.request", method=scope["method"], status=status, duration=seconds)


class AccessLog:
    """uvicorn's own line, as its protocols write it: here for the requests of one way alone."""

    def __init__(self, app: Any) -> None:
        self.app = app
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(AccessFormatter('%(client_addr)s - "%(request_line)s" %(status_code)s'))
        self.logger = logging.getLogger("benchmark.access")
        self.logger.handlers[:], self.logger.propagate = [handler], False
        self.logger.setLevel(logging.INFO)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        def sending(message: Any) -> Any:
            if message["type"] == "http.response.start":
                self.logger.info(
                    '%s - "%s %s HTTP/%s" %d',
                    get_client_addr(scope),
                    scope["method"],
                    get_path_with_query_string(scope),
                    scope["http_version"],
                    message["status"],
                )
            return send(message)

        await self.app(scope, receive, sending)


def nothing(event: str, /, **fields: object) -> None:
    """What a line that costs nothing would be."""


class EmptyMiddleware:
    """Adds a header, and ends in an empty line."""

    def __init__(self, app: Any) -> None:
        self.app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        def sending(message: Any) -> Any:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], (b"x-correlation-id", b"0" * 32)]}
            return send(message)

        await self.app(scope, receive, sending)
        nothing("http.request", method=scope["method"], status=200, milliseconds=1.0)


class EmptyExtension(SchemaExtension):
    """Sees an operation begin and end."""

    def on_operation(self) -> Iterator[None]:
        """See `SchemaExtension`."""
        yield


class EmptyInterceptor(grpc.aio.UnaryUnaryClientInterceptor):
    """Passes each call on as it is."""

    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        """See `UnaryUnaryClientInterceptor`."""
        return await continuation(client_call_details, request)


class Gateways:
    """Sends each request to the one that its path names."""

    def __init__(self, targets: list[str]) -> None:
        bare = make_app(targets, timeout_seconds=5.0)
        hooked = make_app(
            targets, timeout_seconds=5.0, extensions=[EmptyExtension], interceptors=[EmptyInterceptor()]
        )
        everything = make_app(
            targets, timeout_seconds=5.0, extensions=[LogExtension], interceptors=[*LogClientInterceptor()]
        )
        self.apps = (bare, hooked, everything)
        _, structlogs = peers.structlogs(sys.stdout.buffer)
        json = peers.json_loggers(sys.stdout)

        def by_stdlib(event: str, /, **fields: object) -> None:
            json.info(event, extra=fields)

        self.entries: dict[str, Any] = {
            "bare": Handler(bare, None),
            "entered": EmptyMiddleware(Handler(bare, None)),
            "hooks": EmptyMiddleware(Handler(hooked, nothing)),
            "context": LogMiddleware(Handler(bare, None), exempt={"/graphql/"}),
            "lines": LogMiddleware(Handler(bare, log.info)),
            "all": LogMiddleware(Handler(everything, log.info)),
            "one": LogMiddleware(Annotating(bare)),
            "structlog": StructlogMiddleware(Handler(bare, structlogs.info), structlogs),
            "stdlib": AccessLog(Handler(bare, by_stdlib)),
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        if path == "/cpu":
            assert isinstance(_logger.current, Pipeline)
            _logger.current.sink.flush(1)  # the lines so far belong to the requests so far
            body = str(time.process_time_ns()).encode()
            headers = [(b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        way, _, rest = path[1:].partition("/")
        await self.entries[way]({**scope, "path": f"/{rest}", "raw_path": f"/{rest}".encode()}, receive, send)


async def serve(port: int, targets: list[str]) -> None:
    """Serve until SIGTERM."""
    gateways = Gateways(targets)
    async with AsyncExitStack() as stack:
        for app in gateways.apps:
            await stack.enter_async_context(app.router.lifespan_context(app))
        config = uvicorn.Config(gateways, port=port, access_log=False, lifespan="off", log_config=None)
        with peers.our_pipeline(sink=Sink.stdout()):
            await uvicorn.Server(config).serve()


def main() -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("targets", nargs="+")
    options = parser.parse_args()
    asyncio.run(serve(options.port, options.targets))


if __name__ == "__main__":
    main()
