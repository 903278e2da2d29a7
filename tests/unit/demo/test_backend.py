import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from quickwins.demo.protocol import feed_pb2
from quickwins.demo.service.backend import FeedBackend
from quickwins.demo.service.database import FEED_QUERY
from quickwins.demo.service.ready import write_ready_file


class Pool:
    """Remembers what it was asked."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows
        self.asked: list[tuple[Any, ...]] = []

    def get_max_size(self) -> int:
        return 3

    async def fetch(self, *asked: Any) -> list[dict[str, Any]]:
        self.asked.append(asked)
        return self.rows


@pytest.mark.asyncio
async def test_a_feed_is_one_query_on_the_gated_pool() -> None:
    row = {"id": 1, "author": "A", "body": "B", "created_at": datetime(2025, 1, 1, tzinfo=UTC)}
    bare, gated = Pool([]), Pool([row])
    backend = FeedBackend(bare=bare, gated=gated, service_seconds=0.25)  # type: ignore[arg-type]  # -- a stand-in; until=never
    response = await backend.GetFeed(feed_pb2.FeedRequest(user_id=5, limit=2), None)
    assert gated.asked == [(FEED_QUERY, 5, 2, 0.25)]
    assert bare.asked == []
    assert [(post.id, post.created_at_ms) for post in response.posts] == [(1, 1_735_689_600_000)]


@pytest.mark.asyncio
async def test_capacity_is_measured_past_the_gate_with_a_worker_for_each_connection() -> None:
    bare, gated = Pool([]), Pool([])
    backend = FeedBackend(bare=bare, gated=gated, service_seconds=0.25)  # type: ignore[arg-type]  # -- a stand-in; until=never
    reached = await backend.MeasureCapacity(feed_pb2.CapacityRequest(seconds=0.25), None)
    assert reached.workers == 3
    assert reached.queries == len(bare.asked) > 0
    assert reached.queries_per_second > 0
    assert gated.asked == []


def test_a_ready_file_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "backend1.ready"
    write_ready_file(path, name="backend1", port=1)
    assert json.loads(path.read_text()) == {"name": "backend1", "port": 1}
    assert [each.name for each in tmp_path.iterdir()] == ["backend1.ready"]
