"""Fixtures that pytest finds by itself. Nothing of ours is imported before a test asks for one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickwins.logs.testing import Canaries


@pytest.fixture
def quickwins_logs() -> Iterator[list[dict[str, object]]]:
    """What our loggers say in the test, as `quickwins.testing.capture_logs` has it."""
    from quickwins.logs.testing import capture_logs

    with capture_logs() as logs:
        yield logs


@pytest.fixture
def quickwins_canaries() -> Canaries:
    """Secrets of this test's own: see `quickwins.logs.testing`."""
    from quickwins.logs.testing import Canaries

    return Canaries()
