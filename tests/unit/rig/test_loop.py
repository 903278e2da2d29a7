"""The loop that load runs on."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

import pytest

from quickwins.rig import fine_loop


def test_it_is_an_ordinary_loop_that_waits_for_parts_of_a_millisecond(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked: list[float | None] = []
    waiting = selectors.SelectSelector.select

    def select(self: selectors.SelectSelector, timeout: float | None = None) -> Any:
        asked.append(timeout)
        return waiting(self, timeout)

    monkeypatch.setattr(selectors.SelectSelector, "select", select)
    with asyncio.Runner(loop_factory=fine_loop) as runner:
        assert runner.run(asyncio.sleep(0.0001, "answer")) == "answer"
    assert any(timeout is not None and 0 < timeout < 0.001 for timeout in asked)
