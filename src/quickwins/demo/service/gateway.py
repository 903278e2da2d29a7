"""The gateway: GraphQL over HTTP in front, gRPC to the feed backends behind.

Started by `processes.py` as `python -m quickwins.demo.service.gateway`. It does what any good gateway does: channels stay
open, backends take turns, every call carries a deadline, documents are parsed and validated once. What this library adds
is in `serve`, and does nothing while its flags are off.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import os
import socket
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from prometheus_client import CollectorRegistry

from quickwins.core.errors import PUSHBACK, Rejected, answer, needs_extra
from quickwins.demo.protocol.graphql import TIMED_OUT_CODE
from quickwins.demo.service.ready import write_ready_file
from quickwins.facade import QuickWins

with needs_extra("demo"):
    import grpc.aio
    import strawberry
    import uvicorn
    from graphql import GraphQLError
    from starlette.applications import Starlette
    from starlette.routing import Mount
    from strawberry.asgi import GraphQL
    from strawberry.extensions import ParserCache, ValidationCache

    from quickwins.demo.protocol import feed_pb2, feed_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.websockets import WebSocket
    from strawberry.types import ExecutionContext

FAILED_CODE = "UPSTREAM_FAILED"
_EXPECTED_CODES = {Rejected.graphql_code, TIMED_OUT_CODE}


class FeedClients:
    """The channels to the backends, which take turns.

    Args:
        targets: `host:port` of each backend.
        timeout_seconds: The deadline of every call.
        interceptors: What every call passes through.
    """

    def __init__(
        self,
        targets: Sequence[str],
        *,
        timeout_seconds: float,
        interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
    ) -> None:
        self._channels = [grpc.aio.insecure_channel(target, interceptors=interceptors) for target in targets]
        self._turns = itertools.cycle([feed_pb2_grpc.FeedServiceStub(channel) for channel in self._channels])
        self._timeout_seconds = timeout_seconds

    async def feed(self, user_id: int, limit: int) -> feed_pb2.FeedResponse:
        """Ask the next backend.

        Raises:
            GraphQLError: Its code tells a refusal, a passed deadline and a failure apart.
        """
        request = feed_pb2.FeedRequest(user_id=user_id, limit=limit)
        try:
            response: feed_pb2.FeedResponse = await next(self._turns).GetFeed(
                request, timeout=self._timeout_seconds
            )
        except grpc.aio.AioRpcError as error:
            raise graphql_error(error) from error
        return response

    async def close(self) -> None:
        """Close all channels."""
        for channel in self._channels:
            await channel.close()


def graphql_error(error: grpc.aio.AioRpcError) -> GraphQLError:
    """What a GraphQL client is told of a failed call: a refusal, a passed deadline, or a failure."""
    pushback = next((value for key, value in error.trailing_metadata() or () if key == PUSHBACK), None)
    if error.code() is grpc.StatusCode.UNAVAILABLE and pushback is not None:
        # Without the pushback, UNAVAILABLE means a broken connection: a failure, not a refusal.
        told = answer(Rejected("a backend is full", retry_after_seconds=int(pushback) / 1000))
        return GraphQLError(told.sentence, extensions=dict(told.extensions))
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return GraphQLError("The feed took too long.", extensions={"code": TIMED_OUT_CODE})
    return GraphQLError("The feed is broken.", extensions={"code": FAILED_CODE, "status": error.code().name})


@strawberry.type
class Post:
    """A post in a feed."""

    id: strawberry.ID
    author: str
    body: str
    created_at: datetime


@strawberry.type
class Query:
    """What can be asked."""

    @strawberry.field(description="The newest posts of everyone the user follows.")  # type: ignore[untyped-decorator]  # -- as strawberry types it; until=2028-01-31
    async def feed(
        self,
        info: strawberry.Info[dict[str, Any], None],
        user_id: Annotated[int, strawberry.argument(description="Whose feed.")],
        first: Annotated[int, strawberry.argument(description="How many posts at most.")] = 10,
    ) -> list[Post]:
        """Resolve a feed with one call to one backend."""
        response = await info.context["clients"].feed(user_id, first)
        return [
            Post(
                id=strawberry.ID(str(post.id)),
                author=post.author,
                body=post.body,
                created_at=datetime.fromtimestamp(post.created_at_ms / 1000, UTC),
            )
            for post in response.posts
        ]


class FeedSchema(strawberry.Schema):
    """The schema. Refusals and passed deadlines are answers, not incidents: they leave no stack trace in the log."""

    def process_errors(
        self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None
    ) -> None:
        """Log only the unexpected."""
        unexpected = [
            error for error in errors if (error.extensions or {}).get("code") not in _EXPECTED_CODES
        ]
        super().process_errors(unexpected, execution_context)


class FeedGraphQL(GraphQL[dict[str, Any], None]):
    """The GraphQL endpoint, which hands the channels to the resolvers."""

    async def get_context(
        self, request: Request | WebSocket, response: Response | WebSocket
    ) -> dict[str, Any]:
        """What `info.context` is."""
        return {"request": request, "response": response, "clients": request.app.state.clients}


def make_schema(extensions: Sequence[Any] = ()) -> FeedSchema:
    """The schema, with documents parsed and validated once for all requests that send the same."""
    return FeedSchema(query=Query, extensions=[ParserCache, ValidationCache, *extensions])


def make_app(
    targets: Sequence[str],
    *,
    timeout_seconds: float,
    extensions: Sequence[Any] = (),
    interceptors: Sequence[grpc.aio.ClientInterceptor] = (),
) -> Starlette:
    """The gateway as an ASGI application, its GraphQL endpoint at `/graphql/`.

    Args:
        targets: `host:port` of each backend.
        timeout_seconds: The deadline of every call to a backend.
        extensions: What the schema has besides its caches.
        interceptors: What every call to a backend passes through.
    """

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.clients = FeedClients(targets, timeout_seconds=timeout_seconds, interceptors=interceptors)
        try:
            yield
        finally:
            await app.state.clients.close()

    endpoint = FeedGraphQL(make_schema(extensions), graphql_ide=None)
    return Starlette(routes=[Mount("/graphql", endpoint)], lifespan=lifespan)


async def serve(*, config: Path, backends: Sequence[str], timeout_seconds: float, ready_file: Path) -> None:
    """Serve on a free port of 127.0.0.1 until SIGTERM or SIGINT; write `ready_file` once it listens."""
    # asyncio turns Nagle's algorithm off only for sockets that say they are TCP, and an accepted socket says what its
    # listener does. Without this, each answer waits 40 ms for the client's delayed acknowledgement.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    async with QuickWins.load(config, env=os.environ, registry=CollectorRegistry()) as qw:
        app = make_app(
            backends,
            timeout_seconds=timeout_seconds,
            extensions=qw.strawberry_extensions(),
            interceptors=qw.grpc_client_interceptors(),
        )
        server = uvicorn.Server(
            uvicorn.Config(qw.asgi(app), access_log=False, log_level="warning", timeout_graceful_shutdown=1)
        )
        write_ready_file(ready_file, name="gateway", port=listener.getsockname()[1])
        await server.serve(sockets=[listener])


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and serve."""
    parser = argparse.ArgumentParser(prog="python -m quickwins.demo.service.gateway", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--backends", nargs="+", required=True, metavar="HOST:PORT")
    parser.add_argument("--timeout-seconds", type=float, required=True)
    parser.add_argument("--ready-file", type=Path, required=True)
    asyncio.run(serve(**vars(parser.parse_args(arguments))))


if __name__ == "__main__":
    main()
