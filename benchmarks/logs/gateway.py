"""The demo's gateway twice in one process: bare, and with everything of the logging and five lines a request.

`/bare/graphql/` and `/logged/graphql/` do the same work; `/cpu` says how many nanoseconds of processor time the process has
used, the thread that writes lines included. Started by `request.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import time
from typing import TYPE_CHECKING, Any

import uvicorn

from quickwins.demo.service.gateway import make_app
from quickwins.logs import Sink, configure_logging, get_logger
from quickwins.logs.asgi import LogMiddleware
from quickwins.logs.events import cache_access

if TYPE_CHECKING:
    from starlette.applications import Starlette

log = get_logger()


class FourLines:
    """Logs as a handler does, before the application; the fifth line is the middleware's."""

    def __init__(self, app: Any) -> None:
        self.app = app
        self.count = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.count = count = self.count + 1
        cache_access(cache="session", hit=count % 3 == 0)
        cache_access(cache="feed", hit=False)
        log.info("feed.asked", first=10, shard=count % 7, page=count)
        log.info("feed.ranked", model="newest", candidates=count % 97, seconds=0.25)
        await self.app(scope, receive, send)


class Both:
    """Sends each request to the one that its path names."""

    def __init__(self, targets: list[str]) -> None:
        self.apps: list[Starlette] = [
            make_app(targets, timeout_seconds=5.0, logs=logs) for logs in (False, True)
        ]
        self.entries: dict[str, Any] = {
            "/bare": self.apps[0],
            "/logged": LogMiddleware(FourLines(self.apps[1])),
        }

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        path = scope["path"]
        if path == "/cpu":
            body = str(time.process_time_ns()).encode()
            headers = [(b"content-length", str(len(body)).encode())]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": body})
            return
        prefix = "/bare" if path.startswith("/bare") else "/logged"
        inner = {**scope, "path": path.removeprefix(prefix), "raw_path": path.removeprefix(prefix).encode()}
        await self.entries[prefix](inner, receive, send)


async def serve(port: int, targets: list[str]) -> None:
    """Serve until SIGTERM."""
    both = Both(targets)
    async with (
        both.apps[0].router.lifespan_context(both.apps[0]),
        both.apps[1].router.lifespan_context(both.apps[1]),
    ):
        config = uvicorn.Config(both, port=port, access_log=False, lifespan="off", log_config=None)
        with configure_logging(service="gateway", sink=Sink.stdout()):
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
