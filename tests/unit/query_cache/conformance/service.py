"""A small service whose resolvers count how often they run, behind a cache whose clock stands still."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import strawberry
from prometheus_client import CollectorRegistry
from strawberry.types import Info

from quickwins.core.clock import FakeClock
from quickwins.query_cache import CachedGraphQL, QueryCache
from tests.asgi_client import Client


class View(CachedGraphQL):
    """Knows who asks by a header."""

    async def get_context(self, request: Any, response: Any) -> dict[str, Any]:
        return {"request": request, "response": response, "session": request.headers.get("session-id")}


@dataclass
class Service:
    """A schema behind a cache.

    Attributes:
        runs: How often each resolver ran that says so.
    """

    client: Client
    cache: QueryCache
    clock: FakeClock
    runs: Counter[str] = field(default_factory=Counter)

    def ran(self) -> dict[str, int]:
        """What ran since this was last asked."""
        runs = dict(self.runs)
        self.runs.clear()
        return runs


RUNS: Counter[str] = Counter()


def count(info: Info[Any, Any]) -> None:
    """Note that the resolver of this field runs."""
    RUNS[info.field_name] += 1


def made(query: type, mutation: type | None = None, *, types: Iterable[type] = (), **options: Any) -> Service:
    """The service of a schema."""
    clock = FakeClock()
    given = {"principal": lambda context: context["session"], "rng": Random(1), **options}
    cache = QueryCache(clock=clock, registry=CollectorRegistry(), **given)
    schema = strawberry.Schema(query, mutation, types=types, extensions=[cache.extension])
    RUNS.clear()
    return Service(Client(View(schema, cache=cache)), cache, clock, RUNS)
