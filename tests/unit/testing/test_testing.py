"""`quickwins.testing`, as the tests of a service use it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins import QuickWins
from quickwins.backpressure import GatedPool, PoolExhausted, RejectReason
from quickwins.core.errors import ConfigError
from quickwins.logs import bound, get_logger
from quickwins.testing import FakePool, ScriptedGate, capture_logs, frozen_flags

if TYPE_CHECKING:
    from pathlib import Path

CONFIG = '[flags]\naudit = false\n[backpressure]\nenabled = true\ngate = "threshold"\nthreshold = 0.5\n'


def loaded(path: Path) -> QuickWins:
    (path / "quickwins.toml").write_text(CONFIG)
    return QuickWins.load(path / "quickwins.toml", env={}, registry=CollectorRegistry())


def test_logs_are_captured_as_structlog_captures_them() -> None:
    log = get_logger()
    with capture_logs() as logs, bound(tenant="t1"):
        log.info("order.placed", items=3)
        assert logs == [{"tenant": "t1", "items": 3, "event": "order.placed", "log_level": "info"}]
        log.debug("order.stored")
    assert [one["log_level"] for one in logs] == ["info", "debug"]
    with capture_logs("warning") as logs:
        log.info("order.placed")
    assert logs == []


def test_a_fixture_captures_them_for_a_whole_test(quickwins_logs: list[dict[str, object]]) -> None:
    get_logger().warning("order.late", minutes=5)
    assert quickwins_logs == [{"event": "order.late", "log_level": "warning", "minutes": 5}]


def test_caplog_has_the_events_that_features_report(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    with caplog.at_level("INFO", "quickwins"), frozen_flags(loaded(tmp_path).flags, backpressure=False):
        assert any(message.startswith("flag.changed feature=backpressure") for message in caplog.messages)


async def refusals(pool: GatedPool, callers: int) -> int:
    answers = await asyncio.gather(*(pool.fetch("q") for _ in range(callers)), return_exceptions=True)
    return sum(isinstance(answer, PoolExhausted) for answer in answers)


async def slowly(query: str) -> str:
    await asyncio.sleep(0)
    return query


@pytest.mark.asyncio
async def test_flags_are_frozen_for_a_block_and_followed(tmp_path: Path) -> None:
    qw = loaded(tmp_path)
    pool = qw.pool(FakePool(2, answer=slowly), name="feed")
    assert await refusals(pool, 3) == 2
    with frozen_flags(qw.flags, backpressure=False):
        assert await refusals(pool, 3) == 0
        (tmp_path / "quickwins.toml").write_text(CONFIG + "killed = true\n")
        assert not qw.flags.poll()
        with pytest.raises(ConfigError, match="frozen already"), frozen_flags(qw.flags):
            pass
    assert await refusals(pool, 3) == 2
    assert qw.flags.poll()
    assert await refusals(pool, 3) == 0
    with frozen_flags(qw.flags, backpressure=True):  # a kill does not count there either
        assert await refusals(pool, 3) == 2
    with frozen_flags(qw.flags, backpressure=50):
        assert qw.flags.snapshot.flags["backpressure"].percent == 50


def test_a_flag_that_nobody_knows_is_named_and_nothing_is_frozen(tmp_path: Path) -> None:
    qw = loaded(tmp_path)
    before = qw.flags.snapshot
    with (
        pytest.raises(ConfigError, match=r"no flag 'backpresure' \(did you mean 'backpressure'\?\); known: "),
        frozen_flags(qw.flags, logs=True, backpresure=False),
    ):
        pass
    assert qw.flags.snapshot is before
    with pytest.raises(ConfigError, match=r"logs.*percent"), frozen_flags(qw.flags, logs=50):
        pass
    with (
        pytest.raises(ConfigError, match=r"frozen_flags.*percent.*101"),
        frozen_flags(qw.flags, backpressure=101),
    ):
        pass
    with pytest.raises(ConfigError, match="backpressure='no' is not allowed: True, False or a percentage"):
        frozen_flags(qw.flags, backpressure="no").__enter__()  # type: ignore[arg-type]  # -- a slip; until=never
    with pytest.raises(ConfigError, match=r"takes the flags of a QuickWins, qw.flags, not a QuickWins"):
        frozen_flags(qw, backpressure=False).__enter__()  # type: ignore[arg-type]  # -- a slip; until=never
    assert qw.flags.snapshot is before


@pytest.mark.asyncio
@pytest.mark.parametrize("reason", list(RejectReason))
async def test_a_scripted_gate_refuses_for_each_reason_and_then_is_patient(reason: RejectReason) -> None:
    gate = ScriptedGate(reason, None, reason)
    pool = GatedPool(FakePool(2), gate=gate, name="feed", registry=CollectorRegistry())
    for refused in (True, False, True):
        if refused:
            with pytest.raises(PoolExhausted) as caught:
                await pool.fetch("q")
            assert caught.value.reason is reason
            assert str(caught.value)
        else:
            await pool.fetch("q")
    assert await refusals(pool, 10) == 0
    assert pool.stats().rejected[reason] == 2
    assert pool.stats().inflight == 0


@pytest.mark.parametrize("given", ["queue full", ["queue_full"], 3, RejectReason])
def test_a_script_of_what_is_no_reason_is_refused(given: Any) -> None:
    with pytest.raises(ConfigError, match=r"is not allowed: None, or one of threshold, queue_full, .*closed"):
        ScriptedGate(given)


@pytest.mark.asyncio
async def test_a_reason_may_be_given_by_its_name() -> None:
    gate = ScriptedGate("tenant", size=1, registry=CollectorRegistry())
    with pytest.raises(PoolExhausted) as caught:
        async with gate.permit():
            pass
    assert caught.value.reason is RejectReason.TENANT


@pytest.mark.asyncio
async def test_a_scripted_gate_alone() -> None:
    gate = ScriptedGate(RejectReason.TENANT, size=1, name="search", registry=CollectorRegistry())
    with pytest.raises(PoolExhausted):
        async with gate.permit():
            pass
    async with gate.permit():
        assert gate.stats().inflight == 1
