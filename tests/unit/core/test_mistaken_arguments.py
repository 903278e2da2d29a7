"""Arguments that are easily mistaken are refused where they are given."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from quickwins.backpressure import Gate, GatedPool, Priority
from quickwins.backpressure.asgi import BackpressureMiddleware
from quickwins.backpressure.grpc import BackpressureInterceptor
from quickwins.backpressure.testing import FakePool
from quickwins.channels import MethodPolicy, rotating_channel
from quickwins.core.errors import ConfigError
from quickwins.core.flags import Flags, FlagSettings, MemorySource
from quickwins.core.flags.asgi import PinMiddleware
from quickwins.core.given import between, positive
from quickwins.core.metrics import MetricsServer, metrics_app
from quickwins.dedup import DeadLetterTable, Deduplicator, MemoryWindow, PostgresInbox
from quickwins.dedup.identity import HeaderId
from quickwins.indexes import Runner
from quickwins.logs.asgi import LogMiddleware
from quickwins.logs.grpc import LogClientInterceptor, LogServerInterceptor
from quickwins.logs.kafka import inject
from quickwins.query_cache import QueryCache, Valkey, invalidates
from quickwins.rollout import PrometheusSource, ScrapeSource
from quickwins.rollout.asgi import RolloutMiddleware
from quickwins.rollout.grpc import RolloutInterceptor
from quickwins.rollout.soak import Criteria, Soak
from quickwins.suppressions import audit, bridge, rendered

if TYPE_CHECKING:
    from collections.abc import Callable

PAGE = "http://127.0.0.1:9100/metrics"
SECRET_ADDRESS = "postgresql://feed:hunter2@db/feed"


async def app(*_: object) -> None: ...


def wrong(given: object) -> Any:
    """What no type checker would let pass."""
    return given


def flags() -> Flags:
    return Flags({"feed": FlagSettings}, [MemorySource()], registry=CollectorRegistry())


def a_gate() -> Gate:
    return Gate.queue(size=1, registry=CollectorRegistry())


def dedup(**options: Any) -> Deduplicator:
    given = {"identity": HeaderId("id"), "store": MemoryWindow(ttl_seconds=60, max_entries=1_000), **options}
    return Deduplicator(group="g", registry=CollectorRegistry(), **given)


def cache(**options: Any) -> QueryCache:
    return QueryCache(registry=CollectorRegistry(), **options)


@pytest.mark.parametrize(
    ("name", "give"),
    [
        ("exempt", lambda: LogMiddleware(app, exempt="/health")),
        ("exempt", lambda: LogServerInterceptor(exempt="/a/b")),
        ("exempt", lambda: BackpressureMiddleware(app, exempt="/health")),
        ("graphql", lambda: BackpressureMiddleware(app, graphql="/graphql")),
        ("exempt", lambda: BackpressureInterceptor(exempt="/a/b")),
        ("exempt", lambda: RolloutMiddleware(app, flags(), features=["feed"], exempt="/health", registry=CollectorRegistry())),
        ("features", lambda: RolloutMiddleware(app, flags(), features="feed")),
        ("features", lambda: RolloutInterceptor(flags(), features="feed")),
        ("exempt", lambda: RolloutInterceptor(flags(), features=["feed"], exempt="/a/b", registry=CollectorRegistry())),
        ("targets", lambda: ScrapeSource(PAGE)),
        ("targets", lambda: Soak(Criteria(), targets=PAGE)),
        ("codes", lambda: MethodPolicy(codes=wrong("UNAVAILABLE"))),
        ("overrides", lambda: Runner(overrides="window")),
        ("terminate", lambda: Runner(terminate="psql")),
        ("paths", lambda: audit("src")),
        ("shared_context", lambda: cache(shared_context="db")),
        ("lists", lambda: invalidates("User", lists="Query.users")),
        ("tags", lambda: invalidates("User", tags="a")),
    ],
)  # fmt: skip
def test_one_text_is_not_taken_for_several(name: str, give: Callable[[], Any]) -> None:
    with pytest.raises(ConfigError, match=rf"^{name}='.*' is not allowed: a list.*, such as \['"):
        give()


@pytest.mark.parametrize(
    "given",
    [
        {"types": "User"},
        {"lists": "Query.users"},
        {"tags": "cart"},
        {"entities": ["User"]},
        {"entities": ("User", 7)},
        {"entities": ["ab"]},
        {"entities": [(7, "User")]},
    ],
    ids=str,
)
@pytest.mark.asyncio
async def test_an_invalidation_that_would_void_nothing_that_was_meant_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match="is not allowed"):
        await cache().invalidate(**given)


def test_a_mutation_that_forgot_to_call_the_decorator_is_told() -> None:
    with pytest.raises(ConfigError, match=re.escape("@invalidates('User')")):
        invalidates(wrong(app))

    with pytest.raises(ConfigError, match="voids nothing"):
        invalidates()


@pytest.mark.parametrize(
    "give",
    [
        lambda: GatedPool(FakePool(), flag=wrong(True)),
        lambda: rotating_channel("host:1", flag=wrong(True), registry=CollectorRegistry()),
        lambda: dedup(flag=True),
        lambda: cache(flag=True),
        lambda: LogMiddleware(app, flag=wrong(True)),
        lambda: LogServerInterceptor(flag=wrong(True)),
        lambda: LogClientInterceptor(flag=wrong(True)),
        lambda: Runner(flag=wrong(True)),
        lambda: bridge.install(flag=wrong(True), registry=CollectorRegistry()),
    ],
)
def test_true_is_no_flag(give: Callable[[], Any]) -> None:
    with pytest.raises(ConfigError, match=r"flag=True is not allowed: a Flag, such as .*; None: always on"):
        give()


@pytest.mark.parametrize(
    ("give", "told"),
    [
        (lambda: cache(l2=Valkey(wrong(None)), secret="s"), "the URL of a shared store of type NoneType"),
        (lambda: dedup(store=SECRET_ADDRESS), "store of type str is not allowed: a store"),
        (lambda: dedup(identity=HeaderId), "identity of type type is not allowed: an identity"),
        (lambda: PostgresInbox(SECRET_ADDRESS), "PostgresInbox's pool of type str is not allowed: an asyncpg pool"),
        (lambda: DeadLetterTable(None), "DeadLetterTable's pool of type NoneType is not allowed"),
        (lambda: rendered([], wrong("xml")), "form='xml' is not allowed: one of text, json, sarif, github"),
        (lambda: metrics_app(token=wrong("word")), "token is not allowed: a SecretStr that is not empty"),
        (lambda: metrics_app(token=SecretStr("")), "token is not allowed: a SecretStr that is not empty"),
        (lambda: MetricsServer(token=SecretStr("")), "token is not allowed: a SecretStr that is not empty"),
        (lambda: LogMiddleware(wrong(None)), "app of type NoneType is not allowed: an ASGI application"),
        (lambda: BackpressureMiddleware(wrong(None)), "app of type NoneType is not allowed"),
        (lambda: PinMiddleware(wrong("main:app"), flags()), "app of type str is not allowed"),
        (lambda: RolloutMiddleware(wrong(None), flags(), features=["feed"]), "app of type NoneType is not allowed"),
        (lambda: MetricsServer(wrong("9000")), "port='9000' is not allowed: 0 to 65,535"),
        (lambda: MetricsServer(99_999), "port=99999 is not allowed: 0 to 65,535"),
        (lambda: MemoryWindow(ttl_seconds=60, max_entries=wrong(1e6)), "max_entries=1000000.0 is not allowed: a whole number, such as 1_000_000"),
        (lambda: dedup().batch(max_records=wrong(10.0)), "max_records=10.0 is not allowed: a whole number, such as 10"),
        (lambda: GatedPool(FakePool()).acquire(timeout=wrong("5")), "timeout='5' is not allowed: a number of seconds, or None"),
        (lambda: GatedPool(FakePool()).acquire(priority=wrong("high")), "priority='high' is not allowed: a Priority, such as Priority.CRITICAL"),
        (lambda: a_gate().permit(timeout=wrong(True)), "timeout=True is not allowed: a number of seconds"),
        (lambda: a_gate().permit(priority=wrong(3)), "priority=3 is not allowed: a Priority"),
        (lambda: inject(wrong("a")), "headers='a' is not allowed: pairs of a name and bytes, or a dictionary"),
        (lambda: PrometheusSource("http://127.0.0.1:1", timeout_seconds=-1), "timeout_seconds=-1 is not allowed"),
        (lambda: Soak(Criteria(), targets=[PAGE], interval_seconds=0), "interval_seconds=0 is not allowed"),
    ],
)  # fmt: skip
def test_what_is_of_a_wrong_kind_is_named_with_what_is_allowed(give: Callable[[], Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        give()
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize("given", [0, -1, math.nan, math.inf, True, "1", None])
def test_a_positive_number_is_finite_and_above_zero(given: Any) -> None:
    assert positive("seconds", 0.5) == 0.5
    with pytest.raises(ConfigError, match=r"^seconds=.* is not allowed: a number above 0$"):
        positive("seconds", given)


@pytest.mark.parametrize("given", [0, 1_001, math.nan, True, "5", None])
def test_a_bounded_number_is_within_its_bounds(given: Any) -> None:
    assert [between("size", size, 1, 1_000) for size in (1, 1_000)] == [1, 1_000]
    with pytest.raises(ConfigError, match=r"^size=.* is not allowed: 1 to 1,000$"):
        between("size", given, 1, 1_000)


@pytest.mark.asyncio
async def test_a_shortcut_is_told_the_same() -> None:
    with pytest.raises(ConfigError, match="timeout='5' is not allowed: a number of seconds"):
        await GatedPool(FakePool()).fetch("SELECT 1", timeout=wrong("5"))


@pytest.mark.parametrize(
    "given", [{"timeout": 5}, {"timeout": 0.5}, {"priority": 0}, {"priority": Priority.CRITICAL}], ids=str
)
@pytest.mark.asyncio
async def test_whole_seconds_and_a_priority_by_its_place_are_what_they_say(given: Any) -> None:
    gate = a_gate()
    async with gate.permit(**given), GatedPool(FakePool()).acquire(**given) as connection:
        assert connection is not None
        assert gate.stats().inflight == 1


def test_headers_may_be_a_dictionary_as_some_clients_have_them() -> None:
    assert inject({"a": b"x"}) == [("a", b"x")]
