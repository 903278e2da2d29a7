"""Where a log ends is believed when it was asked for, and not what a fetch has told."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka import TopicPartition

from quickwins.dedup._log import bounds_if_cut

pytestmark = pytest.mark.asyncio
AT = TopicPartition("posts", 0)


class Broker:
    """Knows where one log begins and ends."""

    def __init__(self, first: int, end: int) -> None:
        self._first = first
        self._end = end

    async def end_offsets(self, _: Any) -> dict[TopicPartition, int]:
        return {AT: self._end}

    async def beginning_offsets(self, _: Any) -> dict[TopicPartition, int]:
        return {AT: self._first}


@pytest.mark.parametrize(
    ("end", "found"),
    [
        pytest.param(9, (2, 9), id="cut"),
        pytest.param(10, None, id="whole"),
        pytest.param(11, None, id="grown"),
    ],
)
async def test_a_log_is_cut_when_it_ends_before_what_had_its_effect(
    end: int, found: tuple[int, int] | None
) -> None:
    assert await bounds_if_cut(Broker(2, end), AT, 10) == found
