"""Shows that a service writes none of its users' secrets: plants some everywhere, and looks for them in what it wrote.

    from quickwins.logs.testing import canaries                       # a pytest fixture

    def test_nothing_leaks(canaries):
        with canaries.watching(1, flush=lambda: pipeline.sink.flush(10)):   # standard output's descriptor
            client.post(canaries.path(), params=canaries.query(), headers=canaries.headers(), json=canaries.body())

Without pytest: `Canaries()` is the same object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickwins.logs.testing._canaries import Canaries, LeakError, Watched
from quickwins.logs.testing._finder import Canary, Encoding, Leak, Shape

if TYPE_CHECKING:
    from collections.abc import Callable

    canaries: Callable[[], Canaries]
    """A pytest fixture: secrets of this test's own."""

__all__ = ["Canaries", "Canary", "Encoding", "Leak", "LeakError", "Shape", "Watched", "canaries"]

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        # Who uses `Canaries` alone needs no pytest.
        if name != "canaries":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import pytest

        @pytest.fixture
        def canaries() -> Canaries:
            """Secrets of this test's own."""
            return Canaries()

        globals()["canaries"] = canaries
        return canaries
