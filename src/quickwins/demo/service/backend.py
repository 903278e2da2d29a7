"""A feed backend: a process that answers `FeedService` from its own pool of database connections.

Started by `processes.py` as `python -m quickwins.demo.service.backend`. `qw.pool(...)` protects it, `qw.grpc_interceptors(...)`
tells callers of refusals and logs each call. Both do nothing while their flags are off.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prometheus_client import CollectorRegistry

from quickwins.core.errors import needs_extra
from quickwins.core.flags import pinned
from quickwins.demo.service.database import FEED_QUERY
from quickwins.demo.service.ready import serve_until_told, write_ready_file
from quickwins.facade import QuickWins
from quickwins.rig import closed_loop

with needs_extra("demo"):
    import asyncpg
    import grpc.aio

    from quickwins.demo.protocol import feed_pb2, feed_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickwins.backpressure import GatedPool

_GRACE_SECONDS = 1.0
_POSTS = 10


class FeedBackend(feed_pb2_grpc.FeedServiceServicer):
    """The service itself.

    Args:
        bare: The pool as asyncpg made it, to measure its capacity.
        gated: The same pool behind its gate, for callers.
        service_seconds: How long a query holds its connection on top of its own work.
    """

    def __init__(self, *, bare: asyncpg.Pool, gated: GatedPool, service_seconds: float) -> None:
        self._bare = bare
        self._gated = gated
        self._service_seconds = service_seconds

    async def GetFeed(  # noqa: N802 -- the name is the protocol's; until=never
        self, request: feed_pb2.FeedRequest, context: Any
    ) -> feed_pb2.FeedResponse:
        """Answer with one query. The caller's deadline cancels this coroutine, and the query with it."""
        del context
        with pinned(str(request.user_id)):
            rows = await self._gated.fetch(FEED_QUERY, request.user_id, request.limit, self._service_seconds)
        return feed_pb2.FeedResponse(
            posts=[
                feed_pb2.Post(
                    id=row["id"],
                    author=row["author"],
                    body=row["body"],
                    created_at_ms=round(row["created_at"].timestamp() * 1000),
                )
                for row in rows
            ]
        )

    async def MeasureCapacity(  # noqa: N802 -- the name is the protocol's; until=never
        self, request: feed_pb2.CapacityRequest, context: Any
    ) -> feed_pb2.CapacityResponse:
        """Count what one worker per connection completes on the bare pool, each asking again once answered."""
        del context

        async def query() -> None:
            await self._bare.fetch(FEED_QUERY, 1, _POSTS, self._service_seconds)

        reached = await closed_loop([query] * self._bare.get_max_size(), duration_seconds=request.seconds)
        return feed_pb2.CapacityResponse(
            workers=reached.workers, queries=reached.calls, queries_per_second=reached.per_second
        )


async def serve(
    *,
    config: Path,
    database_url: str,
    pool_size: int,
    service_seconds: float,
    name: str,
    ready_file: Path,
) -> None:
    """Serve until SIGTERM or SIGINT; write the ports to `ready_file` once everything answers."""
    registry = CollectorRegistry()
    async with QuickWins.load(config, env=os.environ, registry=registry) as qw:
        bare = await asyncpg.create_pool(database_url, min_size=pool_size, max_size=pool_size)
        gated = qw.pool(bare, name="feed")  # `qw` closes it
        server = grpc.aio.server(interceptors=qw.grpc_interceptors(trusted=True))
        backend = FeedBackend(bare=bare, gated=gated, service_seconds=service_seconds)
        feed_pb2_grpc.add_FeedServiceServicer_to_server(backend, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        with qw.metrics_server() as metrics:
            write_ready_file(ready_file, name=name, port=port, metrics_port=metrics.port)
            await serve_until_told()
            await server.stop(_GRACE_SECONDS)


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and serve. The database's URL comes from the environment: `FEED_DATABASE_URL`."""
    parser = argparse.ArgumentParser(prog="python -m quickwins.demo.service.backend", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--pool-size", type=int, required=True)
    parser.add_argument("--service-seconds", type=float, required=True)
    parser.add_argument("--name", required=True)
    parser.add_argument("--ready-file", type=Path, required=True)
    options = parser.parse_args(arguments)
    asyncio.run(serve(database_url=os.environ["FEED_DATABASE_URL"], **vars(options)))


if __name__ == "__main__":
    main()
