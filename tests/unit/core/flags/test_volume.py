"""The volumes that percentages are promised for."""

from __future__ import annotations

import pytest

from quickwins.core.flags import FlagSettings, decide

KEYS = [f"user-{number}" for number in range(100_000)]


@pytest.mark.no_cover  # tracing every draw takes longer than drawing
@pytest.mark.parametrize("step", [20, pytest.param(1, marks=pytest.mark.volume)])
def test_raising_in_steps_only_ever_adds_keys(step: int) -> None:
    on: set[str] = set()
    for percent in range(0, 101, step):
        state = decide("backpressure", FlagSettings(enabled=True, percent=percent), 0)
        now_on = {key for key in KEYS if state.admits(key)}
        assert on <= now_on, f"{percent} %: {len(on - now_on)} keys lost"
        assert abs(100 * len(now_on) / len(KEYS) - percent) <= 0.5
        on = now_on
    assert len(on) == len(KEYS)
