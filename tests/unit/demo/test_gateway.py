from typing import Any

import grpc.aio
import pytest

from quickwins.demo.protocol import feed_pb2
from quickwins.demo.service.gateway import FeedClients, graphql_error, make_schema

ASK = "{ feed(userId: 3, first: 2) { id author body createdAt } }"


class Clients:
    """Instead of `FeedClients`: answers what it was given."""

    def __init__(self, answer: feed_pb2.FeedResponse | Exception) -> None:
        self.answer = answer
        self.asked: list[tuple[int, int]] = []

    async def feed(self, user_id: int, limit: int) -> feed_pb2.FeedResponse:
        self.asked.append((user_id, limit))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def rpc_error(code: grpc.StatusCode, *trailing: tuple[str, str]) -> grpc.aio.AioRpcError:
    return grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(*trailing), details="no")


async def ask(clients: Clients, query: str = ASK) -> Any:
    return await make_schema().execute(query, context_value={"clients": clients})


@pytest.mark.asyncio
async def test_a_feed_is_resolved_with_one_call() -> None:
    post = feed_pb2.Post(id=9, author="User 1", body="hello", created_at_ms=1_735_689_600_000)
    clients = Clients(feed_pb2.FeedResponse(posts=[post]))
    result = await ask(clients)
    assert result.errors is None
    assert result.data == {
        "feed": [{"id": "9", "author": "User 1", "body": "hello", "createdAt": "2025-01-01T00:00:00+00:00"}]
    }
    assert clients.asked == [(3, 2)]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(
            rpc_error(grpc.StatusCode.UNAVAILABLE, ("grpc-retry-pushback-ms", "1500")),
            {"code": "SERVICE_UNAVAILABLE", "retryAfter": 2},
            id="refused",
        ),
        pytest.param(
            rpc_error(grpc.StatusCode.UNAVAILABLE, ("other", "1")),
            {"code": "UPSTREAM_FAILED", "status": "UNAVAILABLE"},
            id="unreachable: no refusal without pushback",
        ),
        pytest.param(
            rpc_error(grpc.StatusCode.DEADLINE_EXCEEDED), {"code": "DEADLINE_EXCEEDED"}, id="too late"
        ),
        pytest.param(
            rpc_error(grpc.StatusCode.UNKNOWN), {"code": "UPSTREAM_FAILED", "status": "UNKNOWN"}, id="broken"
        ),
    ],
)
async def test_a_failed_call_has_a_code_that_says_why(
    error: grpc.aio.AioRpcError, code: dict[str, object], caplog: pytest.LogCaptureFixture
) -> None:
    result = await ask(Clients(graphql_error(error)))
    assert result.errors[0].extensions == code
    # Only what nobody expects gets a stack trace in the log.
    assert bool(caplog.records) == (code["code"] == "UPSTREAM_FAILED")


@pytest.mark.asyncio
async def test_backends_take_turns_and_calls_carry_the_deadline(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, float]] = []

    class Stub:
        def __init__(self, channel: str) -> None:
            self.channel = channel

        async def GetFeed(self, request: Any, *, timeout: float) -> feed_pb2.FeedResponse:  # noqa: N802 -- the protocol's; until=never
            asked.append((self.channel, timeout))
            if len(asked) == 3:
                raise rpc_error(grpc.StatusCode.DEADLINE_EXCEEDED)
            return feed_pb2.FeedResponse()

    monkeypatch.setattr(
        "quickwins.demo.service.gateway.grpc.aio.insecure_channel", lambda target, interceptors: target
    )
    monkeypatch.setattr("quickwins.demo.service.gateway.feed_pb2_grpc.FeedServiceStub", Stub)
    clients = FeedClients(["a:1", "b:2"], timeout_seconds=0.7)
    await clients.feed(1, 10)
    await clients.feed(1, 10)
    with pytest.raises(Exception, match="took too long"):
        await clients.feed(1, 10)
    assert asked == [("a:1", 0.7), ("b:2", 0.7), ("a:1", 0.7)]
