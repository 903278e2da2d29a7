"""A feed of twenty posts as GraphQL, with the cache in front of it in each of its ways, and without; `serve` runs one of them.

As a program it serves one of `KINDS` on a free port of 127.0.0.1, pinned to one processor, prints the port, and ends when its
standard input does.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from random import Random
from typing import Any

import strawberry
import uvicorn
from prometheus_client import CollectorRegistry
from strawberry.asgi import GraphQL

from quickwins.query_cache import L1, CacheControl, CachedGraphQL, Policy, QueryCache, QueryCacheMiddleware

QUERY = "query Feed($user: Int!) { feed(userId: $user, first: 20) { id body createdAt author { id name } } }"
KINDS = ("bare", "uncached", "middleware", "view", "miss")
PATH = "/graphql"


def request(user: int) -> bytes:
    """The body of a request for a user's feed."""
    return json.dumps({"query": QUERY, "variables": {"user": user}}).encode()


@strawberry.type(directives=[CacheControl(inherit_max_age=True)])
class Author:
    id: strawberry.ID
    name: str


@strawberry.type
class Post:
    id: strawberry.ID
    body: str
    created_at: str
    author: Author


@strawberry.type
class Query:
    @strawberry.field(directives=[CacheControl(policy="FEED")])
    async def feed(self, user_id: int, first: int = 20) -> list[Post]:
        return [
            Post(
                id=strawberry.ID(str(user_id * 1000 + number)),
                body=f"Post {number} of {user_id}: " + "x" * 60,
                created_at="2025-01-01T00:00:00+00:00",
                author=Author(id=strawberry.ID(str(number)), name=f"User {number}"),
            )
            for number in range(first)
        ]


class Bare:
    """Reads the body, and answers with bytes that it has."""

    def __init__(self, answer: bytes) -> None:
        self._headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(answer)).encode()),
        ]
        self._answer = answer

    async def __call__(self, _: Any, receive: Any, send: Any) -> None:
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._answer})


def app(kind: str) -> Any:
    """One of `KINDS`."""
    if kind == "uncached":
        return GraphQL[None, None](strawberry.Schema(Query))
    if kind == "bare":
        schema = strawberry.Schema(Query)
        answer = asyncio.run(schema.execute(QUERY, {"user": 1}))
        return Bare(json.dumps({"data": answer.data}).encode())
    # Long enough that nothing is made again while it is measured.
    policies = {"FEED": Policy(ttl_seconds=3600.0)}
    cache = QueryCache(policies=policies, l1=L1(), registry=CollectorRegistry(), rng=Random(1))
    view = CachedGraphQL(strawberry.Schema(Query, extensions=[cache.extension]), cache=cache)
    if kind == "middleware":
        return QueryCacheMiddleware(view, cache=cache, path=PATH, anonymous_ok=True)
    return view


async def serve(made: Any) -> None:
    """Serve until standard input ends."""
    config = uvicorn.Config(
        made, port=0, loop="none", http="httptools", access_log=False, lifespan="off", log_level="warning"
    )
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110 -- uvicorn has no signal for it; until=never
        await asyncio.sleep(0.01)
    print(server.servers[0].sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    server.should_exit = True
    await serving


if __name__ == "__main__":
    import uvloop

    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    wanted = app(sys.argv[1])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(wanted))
