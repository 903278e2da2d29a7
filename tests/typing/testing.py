"""What tests of a service take from `quickwins.testing`."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from quickwins import testing
from quickwins.backpressure import Gate, GatedPool, PoolStats, RejectReason
from quickwins.testing import (
    Canaries,
    FakeConnection,
    FakePool,
    ScriptedGate,
    capture_logs,
    frozen_flags,
    recording,
)
from quickwins.testing.pytest_plugin import quickwins_canaries, quickwins_logs

if TYPE_CHECKING:
    from quickwins import QuickWins
    from quickwins.logs.testing import Line

FIXTURES = (quickwins_canaries, quickwins_logs)


def refused() -> PoolStats:
    gate: Gate = ScriptedGate(RejectReason.QUEUE_FULL, None, size=2, name="search")
    pool = GatedPool(FakePool(2), gate=ScriptedGate(RejectReason.TENANT))
    assert_type(testing.FakeConnection, type[FakeConnection])
    return pool.stats() if gate.stats().gated else gate.stats()


def frozen(qw: QuickWins) -> list[Line]:
    with (
        frozen_flags(qw.flags, backpressure=False, channels=50),
        recording() as lines,
        capture_logs() as logs,
    ):
        assert_type(logs, list[dict[str, object]])
        Canaries().assert_clean(b"")
    return lines
