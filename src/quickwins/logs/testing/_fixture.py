"""The pytest fixture. A file of its own, since `Canaries` alone needs no pytest."""

from __future__ import annotations

import pytest

from quickwins.logs.testing._canaries import Canaries


@pytest.fixture
def canaries() -> Canaries:
    """Secrets of this test's own."""
    return Canaries()
