"""Structured logging as a caller writes it."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_type

import grpc.aio

from quickwins.logs import (
    Logger,
    LogsSettings,
    Pipeline,
    Redaction,
    RedactionRule,
    Sampling,
    Sink,
    annotate,
    bound,
    close_on_sigterm,
    configure_logging,
    events,
    get_logger,
    in_context,
)
from quickwins.logs.asgi import EXEMPT, METHODS, LogMiddleware
from quickwins.logs.grpc import EXEMPT as EXEMPT_CALLS
from quickwins.logs.grpc import LogClientInterceptor, LogServerInterceptor
from quickwins.logs.kafka import extract, inject
from quickwins.logs.redaction import MAX_NAMES, MIN_KEY_BYTES
from quickwins.logs.sentry import Hooks
from quickwins.logs.sink import DropReason, Outage, SinkOptions, SinkState, SinkStats
from quickwins.logs.testing import (
    Canaries,
    Canary,
    Encoding,
    Leak,
    LeakError,
    Line,
    Shape,
    Watched,
    canaries,
    capture_logs,
    recording,
)
from quickwins.logs.timeline import (
    MAX_BYTES,
    MAX_GROUPS,
    MAX_LINE_BYTES,
    MAX_PIECES,
    MAX_TRACES,
    Book,
    Earliest,
    Entry,
    FirstError,
    FirstErrors,
    Flaw,
    Found,
    Gap,
    Log,
    Parsed,
    Query,
    Severity,
    earliest,
    first_errors,
    moment_of,
    read,
    severity,
    trace_of,
    written,
)
from quickwins.logs.trial import Finding, tried

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quickwins import QuickWins
    from quickwins.core.asgi import App


def configured(key: bytes) -> Pipeline:
    options: SinkOptions = {"max_bytes": 1 << 20}
    redaction = Redaction.strict(keys=["nickname"], pseudonym_key=key if len(key) >= MIN_KEY_BYTES else None)
    assert_type(redaction.rules, frozenset[RedactionRule])
    close_on_sigterm(timeout_seconds=1.0)
    assert_type(Hooks(redaction), Hooks)
    assert_type(Hooks().before_send_transaction({}, {}), Any)
    assert_type(Hooks().before_send_metric({}, {}), Any)
    return configure_logging(
        service="feed",
        level="debug",
        sink=Sink.file("feed.log", **options),
        redaction=redaction if len(redaction.keys) < MAX_NAMES else Redaction.none(),
        sampling=Sampling(first=100, every=10),
        instance="{host}:{pid}",
    )


async def lines() -> int:
    log = get_logger(__name__)
    assert_type(log, Logger)
    with bound(tenant="t1"):
        log.info("cache.access", cache="feed", hit=True)
        log.bind(user=7).warning("slow", duration_ms=12.5)
        annotate(posts=10)
        events.query_slow(summary="SELECT posts", duration_ms=812.5)
        logging.getLogger("mine").warning("also a line")
    return await asyncio.get_running_loop().run_in_executor(None, in_context(len), "work")


def sink(stats: SinkStats) -> str:
    def recovered(outage: Outage) -> bytes:
        return f"{outage.errors} errors in {outage.seconds} s".encode()

    made = Sink.stdout()
    made.start(recovered)
    if stats.state is not SinkState.UP:
        assert_type(made.flush(1.0), bool)
    return f"{stats.dropped[DropReason.QUEUE_FULL]} dropped"


def adapters(app: App) -> App:
    server = grpc.aio.server(interceptors=[LogServerInterceptor(trusted=True, exempt=EXEMPT_CALLS)])
    channel = grpc.aio.insecure_channel("feed:50051", interceptors=[*LogClientInterceptor()])
    del server, channel
    with extract(inject(), topic="posts"):
        get_logger().info("post.indexed", methods=len(METHODS))
    return LogMiddleware(app, trusted=lambda scope: False, exempt=EXEMPT)


def settings(qw: QuickWins) -> str:
    return qw.settings.section("logs", LogsSettings).level


def fixture() -> object:
    return canaries


def what_was_said() -> list[Line]:
    with recording(level="info") as lines:
        get_logger().info("order.placed", items=3)
    assert_type(lines[0].fields["items"], object)
    return lines


def as_structlog_has_it() -> list[dict[str, object]]:
    with capture_logs(level="info") as logs:
        get_logger().info("order.placed", items=3)
    assert_type(logs[0]["items"], object)
    return logs


def leaks(planted: Canaries) -> str:
    try:
        with planted.watching(1) as watched:
            assert_type(watched, Watched)
        planted.assert_clean(b"...")
    except LeakError as error:
        return str(error)
    for leak in planted.leaks(watched.data):
        assert_type(leak, Leak)
        assert_type(leak.canary, Canary)
        if leak.encoding is Encoding.PLAIN and leak.canary.shape is Shape.EMAIL:
            return leak.canary.place
    return ""


def timeline(path: Path) -> list[str]:
    query = Query(trace=trace_of("4bf92f3577b34da6a3ce929d0e0e4736"), since=moment_of("2026-11-26T01:21:49Z"))
    story = read([Log.file(path)], query, lambda found: earliest(found, limit=100, max_bytes=MAX_BYTES))
    assert_type(story, Found[Earliest])
    assert_type(story.gaps, tuple[Gap, ...])
    assert len(story.gaps) < MAX_PIECES
    for entry in story.result.entries:
        assert_type(entry, Entry)
    begun = read([Log.stdin()], Query(severity=Severity.ERROR), beginnings)
    assert_type(begun.result, FirstErrors)
    for error in begun.result.errors:
        assert_type(error, FirstError)
    books = [book for book in story.books if assert_type(book, Book).flaw is not Flaw.TOO_LONG]
    return [written(book.begins or 0) for book in books[:MAX_TRACES]]


def beginnings(found: Iterable[tuple[Entry, Parsed]]) -> FirstErrors:
    errors = (
        one
        for one in found
        if severity(one[1].fields) >= Severity.ERROR and len(one[0].line) < MAX_LINE_BYTES
    )
    return first_errors(errors, max_groups=MAX_GROUPS)


def trial(lines: list[bytes]) -> list[str]:
    findings = list(tried(lines, Redaction.relaxed()))
    assert_type(findings, list[Finding])
    return [f"{one.number}: {one.rules.total()} {one.shown}" for one in findings]
