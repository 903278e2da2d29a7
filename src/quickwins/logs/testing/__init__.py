"""Shows that a service writes none of its users' secrets: plants some everywhere, and looks for them in what it wrote.

    from quickwins.logs.testing import canaries                       # a pytest fixture

    def test_nothing_leaks(canaries):
        with canaries.watching(1, flush=pipeline.flush):  # standard output's descriptor
            client.post(canaries.path(), params=canaries.query(), headers=canaries.headers(), json=canaries.body())

Without pytest: `Canaries()` is the same object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.logs.testing._canaries import Canaries, LeakError, Watched
    from quickwins.logs.testing._finder import Canary, Encoding, Leak, Shape
    from quickwins.logs.testing._fixture import canaries

__all__ = [
    "Canaries",
    "Canary",
    "Encoding",
    "Leak",
    "LeakError",
    "Shape",
    "Watched",
    "canaries",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Canaries": "_canaries",
        "Canary": "_finder",
        "Encoding": "_finder",
        "Leak": "_finder",
        "LeakError": "_canaries",
        "Shape": "_finder",
        "Watched": "_canaries",
        "canaries": "_fixture",
    },
)
