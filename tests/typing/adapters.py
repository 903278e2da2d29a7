"""The adapters and fakes of backpressure and logs as a caller writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

import grpc.aio
import strawberry

from quickwins import QuickWins
from quickwins.backpressure import Gate, GatedPool, Priority
from quickwins.backpressure.asgi import (
    EXEMPT,
    KEPT_BYTES,
    LONGEST_DEADLINE_SECONDS,
    MESSAGE_BYTES,
    TRY_AGAIN_LATER,
    BackpressureMiddleware,
)
from quickwins.backpressure.grpc import DETAILS, BackpressureInterceptor
from quickwins.backpressure.grpc import EXEMPT as EXEMPT_CALLS
from quickwins.backpressure.strawberry import BackpressureExtension
from quickwins.backpressure.testing import FakeConnection, FakePool
from quickwins.logs.events import (
    auth_denied,
    auth_failure,
    cache_access,
    connection_switched,
    duplicate_skipped,
    pool_rejected,
    python_warning,
    query_slow,
    rate_limited,
)
from quickwins.logs.strawberry import MAX_ERRORS, LogExtension

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickwins.core.asgi import App
    from quickwins.core.flags import Flag


@strawberry.type
class Query:
    hello: str


def http(app: App) -> App:
    return BackpressureMiddleware(
        app,
        gate=Gate.queue(size=50, name="http"),
        exempt=[*EXEMPT, "/status"],
        deadline_header="x-seconds-left",
        priority=lambda scope: Priority.CRITICAL if scope["path"] == "/pay" else Priority.NORMAL,
        tenant=lambda scope: scope["state"].get("tenant"),
    )


def limits() -> tuple[int, float, int]:
    return KEPT_BYTES // MESSAGE_BYTES, LONGEST_DEADLINE_SECONDS, TRY_AGAIN_LATER


def calls(trailers: Mapping[str, bytes]) -> bytes | None:
    interceptor = BackpressureInterceptor(
        gate=Gate.threshold(size=50),
        status=grpc.StatusCode.RESOURCE_EXHAUSTED,
        exempt=EXEMPT_CALLS,
    )
    grpc.aio.server(interceptors=[interceptor])
    return trailers.get(DETAILS)


def graphql(flag: Flag) -> int:
    strawberry.Schema(Query, extensions=[BackpressureExtension, lambda: LogExtension(flag=flag)])
    return MAX_ERRORS


async def without_a_server(qw: QuickWins) -> object:
    async def answer(query: str, *args: object) -> list[dict[str, int]]:
        return [{query: len(args)}]

    raw = FakePool(2, answer=answer)
    connection = await raw.acquire(timeout=1.0)
    assert_type(connection, FakeConnection)
    await raw.release(connection)
    assert_type(qw.pool(FakePool(), name="feed"), GatedPool)
    async with GatedPool(raw).acquire() as gated:
        return await gated.fetch("select 1", timeout=1.0)


def facts() -> None:
    auth_failure(mechanism="bearer", reason="expired")
    auth_denied(action="delete", resource="post", reason="not theirs")
    rate_limited(scope="tenant", limit=100, window_seconds=60.0)
    query_slow(summary="SELECT posts", duration_ms=812.5)
    cache_access(cache="feed", hit=False)
    pool_rejected(reason="limit", limit=20, inflight=20, count=3)
    duplicate_skipped(destination="posts")
    connection_switched(member="2", reason="rotated")
    python_warning(kind="warning", category="DeprecationWarning", file="app.py", line=7)
