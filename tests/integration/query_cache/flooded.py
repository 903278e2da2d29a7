"""A process of a service with a cache over a shared store, to which many come at once with one question. Started by a test.

Prints how often it executed and how many got the right answer, as `runs answers`; waits for a line on standard input first.
"""

from __future__ import annotations

import asyncio
import sys
from random import Random
from typing import Any

import strawberry
from prometheus_client import CollectorRegistry

from quickwins.query_cache import CacheControl, CachedGraphQL, QueryCache, Valkey
from tests.asgi_client import Client

RUNS = [0]


@strawberry.type
class Query:
    @strawberry.field(directives=[CacheControl(max_age=600)])
    async def value(self) -> str:
        RUNS[0] += 1
        # As long as it takes until all of them are there.
        await asyncio.sleep(0.3)
        return "the answer"


async def flooded(url: str, name: str, count: int) -> None:
    async with QueryCache(
        l2=Valkey(url, timeout_seconds=5.0),
        name=name,
        secret="of all processes",
        registry=CollectorRegistry(),
        rng=Random(1),
    ) as cache:
        client = Client(CachedGraphQL(strawberry.Schema(Query, extensions=[cache.extension]), cache=cache))
        await cache.invalidate(tags=["connect"])
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        answers: list[Any] = await asyncio.gather(*(client.post("{ value }") for _ in range(count)))
        right = sum(answer.data == {"value": "the answer"} for answer in answers)
        print(RUNS[0], right, flush=True)


if __name__ == "__main__":
    asyncio.run(flooded(sys.argv[1], sys.argv[2], int(sys.argv[3])))
