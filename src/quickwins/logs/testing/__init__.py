"""For tests: canaries show that a service writes none of its users' secrets, and `recording` keeps what it logs.

Canaries are planted everywhere, and looked for in what was written:

    from quickwins.logs.testing import canaries                       # a pytest fixture

    def test_nothing_leaks(canaries):
        with canaries.watching(1, flush=pipeline.flush):  # standard output's descriptor
            client.post(canaries.path(), params=canaries.query(), headers=canaries.headers(), json=canaries.body())

Without pytest: `Canaries()` is the same object. What is logged in a block, for any other test:

    with recording() as lines:
        place_order()
    assert lines[0].event == "order.placed"
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.logs.testing._canaries import Canaries, LeakError, Watched
    from quickwins.logs.testing._finder import Canary, Encoding, Leak, Shape
    from quickwins.logs.testing._fixture import canaries
    from quickwins.logs.testing._recording import Line, capture_logs, recording

__all__ = [
    "Canaries",
    "Canary",
    "Encoding",
    "Leak",
    "LeakError",
    "Line",
    "Shape",
    "Watched",
    "canaries",
    "capture_logs",
    "recording",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Canaries": "_canaries",
        "Canary": "_finder",
        "Encoding": "_finder",
        "Leak": "_finder",
        "LeakError": "_canaries",
        "Line": "_recording",
        "Shape": "_finder",
        "Watched": "_canaries",
        "canaries": "_fixture",
        "capture_logs": "_recording",
        "recording": "_recording",
    },
)
