"""What tests of a service take from every feature, in one place.

    from quickwins.testing import FakePool, ScriptedGate, capture_logs, frozen_flags

- `capture_logs()`: what our loggers say in a block, as structlog's function of that name has it. pytest's `caplog` has the
  events that features report (`caplog.messages`), since they are records of the standard library.
- `frozen_flags(qw.flags, backpressure=False)`: features on, off or at a percentage for a block.
- `ScriptedGate(RejectReason.QUEUE_FULL, ...)`: a gate that refuses as told, and `FakePool`: a pool without a server.
- `Canaries`: secrets that must be in no line.

pytest finds the fixtures `quickwins_logs` and `quickwins_canaries` by itself; neither does anything unless a test asks for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.backpressure.testing import FakeConnection, FakePool, ScriptedGate
    from quickwins.core.flags.testing import frozen_flags
    from quickwins.logs.testing import Canaries, capture_logs, recording

__all__ = [
    "Canaries",
    "FakeConnection",
    "FakePool",
    "ScriptedGate",
    "capture_logs",
    "frozen_flags",
    "recording",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Canaries": "quickwins.logs.testing",
        "FakeConnection": "quickwins.backpressure.testing",
        "FakePool": "quickwins.backpressure.testing",
        "ScriptedGate": "quickwins.backpressure.testing",
        "capture_logs": "quickwins.logs.testing",
        "frozen_flags": "quickwins.core.flags.testing",
        "recording": "quickwins.logs.testing",
    },
)
