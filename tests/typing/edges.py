"""What is beneath every room, as the author of an adapter or of a room writes it: errors, time, events and ASGI."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, assert_type

from quickwins.core.asgi import EXEMPT, App, Message, Receive, Scope, Send, below, header, plain
from quickwins.core.clock import Clock, Deadline, FakeClock, SystemClock, backoff_seconds
from quickwins.core.deadline import NEVER, begin, current, deadline, earliest, within
from quickwins.core.edge import REQUEST, Refused, known
from quickwins.core.errors import (
    PUSHBACK,
    Answer,
    ConfigError,
    DeadlineExceeded,
    MissingExtraError,
    QuickWinsError,
    Rejected,
    answer,
    needs_extra,
    refusal_in,
)
from quickwins.core.events import (
    AUDIT_FAILED,
    AUTH_DENIED,
    AUTH_FAILURE,
    CACHE_ACCESS,
    CONFIG_UNUSED,
    CONNECTION_SWITCHED,
    DUPLICATE_SKIPPED,
    FLAG_CHANGED,
    FLAG_KEY_MISSING,
    FLAG_SOURCE_FAILED,
    FLAG_SOURCE_RECOVERED,
    FLAG_SUBSCRIBER_FAILED,
    FLAG_WRITTEN,
    LOGGER,
    POOL_REJECTED,
    PYTHON_WARNING,
    QUERY_SLOW,
    QUIET_SECONDS,
    RATE_LIMITED,
    Event,
    Reporter,
    Seldom,
    declared,
)
from quickwins.core.metrics.endpoint import MAX_SCRAPES, SCRAPE_SECONDS

if TYPE_CHECKING:
    import logging

OF_CONFIGURATION: tuple[Event, ...] = (
    AUDIT_FAILED,
    CONFIG_UNUSED,
    FLAG_CHANGED,
    FLAG_KEY_MISSING,
    FLAG_SOURCE_FAILED,
    FLAG_SOURCE_RECOVERED,
    FLAG_SUBSCRIBER_FAILED,
    FLAG_WRITTEN,
)
OF_SERVICES: tuple[Event, ...] = (
    AUTH_DENIED,
    AUTH_FAILURE,
    CACHE_ACCESS,
    CONNECTION_SWITCHED,
    DUPLICATE_SKIPPED,
    POOL_REJECTED,
    PYTHON_WARNING,
    QUERY_SLOW,
    RATE_LIMITED,
)


class Edge:
    """Gives each request as long as its client waits, and answers what the library refuses."""

    def __init__(self, app: App) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        seconds = float(header(scope, b"x-seconds-left") or 1.0)
        try:
            async with deadline(seconds):
                await self._app(scope, receive, send)
        except QuickWinsError as error:
            await send(start(answer(error)))


def start(said: Answer) -> Message:
    headers = [(name.encode(), value.encode()) for name, value in said.http_headers]
    return {"type": "http.response.start", "status": said.http_status, "headers": headers}


def edge(app: App) -> App:
    return Edge(app)


def is_exempt(scope: Scope) -> bool:
    return plain(scope["path"], scope["root_path"]) in EXEMPT or below(scope["path"], "/v1") in EXEMPT


def refused(raised: Exception) -> Rejected | None:
    """What a framework has made a 500 of."""
    mine = refusal_in(raised)
    edge_of_this_request: Refused | None = REQUEST.get()
    if mine is not None:
        return known(mine)
    return None if edge_of_this_request is None else edge_of_this_request.error


def pushback(error: Rejected) -> str | None:
    return dict(answer(error).grpc_trailers).get(PUSHBACK)


def without_an_extra() -> str:
    try:
        with needs_extra("graphql"):
            import strawberry
    except MissingExtraError as error:
        raise ConfigError(str(error)) from error
    return strawberry.__name__


async def time_left(clock: Clock, rng: Random) -> float | None:
    own = earliest(0.5, clock.monotonic())
    assert_type(own, Deadline)
    if own is NEVER or current() is None:
        begin(1.0, clock=clock)
    with within(0.2) as request:
        await clock.sleep(backoff_seconds(2, base_seconds=0.1, cap_seconds=1.0, rng=rng))
        if request.passed(clock.monotonic()):
            raise DeadlineExceeded("not done in time")
        return request.remaining(clock.monotonic())


async def a_test_of_it() -> bool:
    clock = FakeClock()
    await clock.advance(1.0)
    clocks: list[Clock] = [clock, SystemClock()]
    return all(one.wall() > 0 for one in clocks)


def told(clock: Clock) -> float:
    reporter = Reporter(service="feed", name="main")
    assert_type(declared(), tuple[Event, ...])

    def report(reason: str, count: int) -> None:
        reporter.report(DUPLICATE_SKIPPED, **{"messaging.destination.name": reason, "count": count})

    seldom = Seldom({"posts": 0}, report, lambda: None)
    seldom.note("posts", clock.monotonic())
    seldom.rest(clock.monotonic() + QUIET_SECONDS)
    return QUIET_SECONDS


def ours(record: logging.LogRecord) -> bool:
    return record.name == LOGGER and record.levelno >= min(
        one.level for one in OF_CONFIGURATION + OF_SERVICES
    )


def scrapes() -> float:
    return MAX_SCRAPES * SCRAPE_SECONDS
