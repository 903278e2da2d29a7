"""What a `QuickWins` asks of every room, and what the rooms' `wiring.py` share to give it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.core.feature._closing import close_together
    from quickwins.core.feature._features import Feature, Features, sections_of
    from quickwins.core.feature._one_per_process import OnePerProcess

__all__ = ["Feature", "Features", "OnePerProcess", "close_together", "sections_of"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Feature": "_features",
        "Features": "_features",
        "OnePerProcess": "_one_per_process",
        "close_together": "_closing",
        "sections_of": "_features",
    },
)
