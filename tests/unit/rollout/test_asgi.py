"""Requests of an ASGI service are counted in the cohort that they came in with, by what their client got."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins.core.asgi import REFUSED, Receive, Scope, Send
from quickwins.core.clock import FakeClock
from quickwins.core.errors import ConfigError, Rejected
from quickwins.rollout.asgi import RolloutMiddleware
from quickwins.rollout.metrics import SECONDS, STEP
from tests.unit.rollout.service import counted, flags_at, timed


async def receive() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


async def ask(app: Any, path: str = "/feed", kind: str = "http") -> list[Any]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": kind, "path": path, "headers": []}, receive, send)
    return sent


def answering(status: int, *headers: tuple[bytes, bytes]) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b""})

    return app


def raising(error: BaseException) -> Any:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise error

    return app


def around(app: Any, *, percent: float = 100) -> tuple[RolloutMiddleware, CollectorRegistry]:
    registry = CollectorRegistry()
    made = RolloutMiddleware(app, flags_at(percent, registry), features=["feed"], registry=registry)
    return made, registry


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("app", "outcome"),
    [
        pytest.param(answering(200), "ok", id="200"),
        pytest.param(answering(404), "ok", id="the client's mistake"),
        pytest.param(answering(500), "error", id="500"),
        pytest.param(answering(503), "error", id="503"),
        pytest.param(answering(503, (b"Retry-After", b"1")), "refused", id="503 that says when to come back"),
        pytest.param(answering(429), "refused", id="429"),
        pytest.param(answering(504), "timeout", id="504"),
    ],
)
async def test_a_request_is_counted_by_its_status(app: Any, outcome: str) -> None:
    middleware, registry = around(app)
    await ask(middleware)
    assert counted(registry) == {("on", outcome): 1}


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        pytest.param(ValueError(), "error", id="anything"),
        pytest.param(TimeoutError(), "timeout", id="a time-out"),
        pytest.param(Rejected("no"), "refused", id="a refusal that nobody answered"),
    ],
)
async def test_a_request_that_raises_is_counted_and_raises(error: Exception, outcome: str) -> None:
    middleware, registry = around(raising(error), percent=0)
    with pytest.raises(type(error)):
        await ask(middleware)
    assert counted(registry) == {("off", outcome): 1}


@pytest.mark.asyncio
async def test_a_refusal_of_backpressure_is_no_error_and_its_time_is_not_measured() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        scope[REFUSED] = True
        await answering(503)(scope, receive, send)

    middleware, registry = around(app)
    await ask(middleware)
    assert counted(registry) == {("on", "refused"): 1}
    assert timed(registry, "on") == 0


@pytest.mark.asyncio
async def test_a_client_that_goes_away_is_not_counted() -> None:
    middleware, registry = around(raising(asyncio.CancelledError()))
    with pytest.raises(asyncio.CancelledError):
        await ask(middleware)
    assert counted(registry) == {}


@pytest.mark.asyncio
async def test_the_time_ends_with_the_last_part_of_the_body() -> None:
    clock = FakeClock()
    registry = CollectorRegistry()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        clock.now += 0.2
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        clock.now += 0.3
        await send({"type": "http.response.body", "body": b""})
        clock.now += 60

    flags = flags_at(100, registry)
    await ask(RolloutMiddleware(app, flags, features=["feed"], registry=registry, clock=clock))
    labels = {"service": "api", "name": "", "feature": "feed", "cohort": "on"}
    assert registry.get_sample_value("quickwins_request_seconds_sum", labels) == pytest.approx(0.5)


@pytest.mark.asyncio
async def test_each_request_draws_a_cohort_and_stays_in_it() -> None:
    registry = CollectorRegistry()
    flags = flags_at(50, registry)
    seen = {True: 0, False: 0}

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        feed = flags.flag("feed")
        active = feed.active()
        seen[active] += 1
        assert feed.active() is active
        await answering(200)(scope, receive, send)

    middleware = RolloutMiddleware(app, flags, features=["feed"], registry=registry)
    for _ in range(200):
        await ask(middleware)
    assert counted(registry) == {("on", "ok"): seen[True], ("off", "ok"): seen[False]}
    assert min(seen.values()) > 50


@pytest.mark.asyncio
@pytest.mark.parametrize(("path", "kind"), [("/healthz", "http"), ("/metrics/", "http"), ("/", "websocket")])
async def test_monitors_and_websockets_are_not_counted(path: str, kind: str) -> None:
    middleware, registry = around(answering(200))
    assert await ask(middleware, path, kind)
    assert counted(registry) == {}


@pytest.mark.parametrize("features", [[], ["nope"]])
def test_what_ramps_has_to_be_named_and_to_have_a_flag(features: list[str]) -> None:
    registry = CollectorRegistry()
    with pytest.raises(ConfigError):
        RolloutMiddleware(answering(200), flags_at(1, registry), features=features, registry=registry)


def test_ten_percent_more_is_the_next_bucket_over_the_whole_range() -> None:
    bounds = SECONDS.buckets or ()
    assert bounds[0] == 0.001
    assert bounds[-1] > 60
    assert all(high / low == pytest.approx(STEP, rel=2e-3) for low, high in pairwise(bounds))
