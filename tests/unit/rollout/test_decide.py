"""What a look at a ramp decides, by what is seen."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quickwins.rollout import Arm, Phase, Plan, Reason, Verdict
from tests.unit.rollout.ramps import Ramp, arm, healthy, plan_of


def test_a_healthy_ramp_goes_through_its_steps_and_stays_on() -> None:
    ramp = Ramp()
    seen: list[float] = []
    while ramp.state.active:
        ramp.normal(2000)
        if not seen or seen[-1] != ramp.state.percent:
            seen.append(ramp.state.percent)
    assert seen == [10, 50, 100]
    assert ramp.state.phase is Phase.DONE
    assert ramp.last is not None
    assert ramp.last.verdict is Verdict.PASS
    write = ramp.last.state.intent
    assert write is not None
    assert (write.percent, write.lasts) == (100, True)


def test_nothing_is_on_before_it_is_known_what_is_normal() -> None:
    ramp = Ramp()
    decision = ramp.look(off=healthy(999))
    assert (decision.verdict, decision.reason) == (Verdict.HOLD, Reason.BASELINE)
    assert ramp.state.percent == 0
    assert ramp.look(off=healthy(1)).verdict is Verdict.PASS


class TestHard:
    @pytest.mark.parametrize(
        ("facts", "reason"),
        [
            pytest.param({"restarts": 1, "problems": ("a: has restarted",)}, Reason.CRASH, id="crash"),
            pytest.param({"lost": ("a",), "problems": ("a: no answer",)}, Reason.HEARTBEAT, id="heartbeat"),
            pytest.param({"on": arm(5, errors=5)}, Reason.BURST, id="burst"),
            pytest.param({"on": arm(5, errors=5), "off": Arm()}, Reason.BURST, id="burst without a control"),
        ],
    )
    def test_one_look_takes_it_back(self, facts: dict[str, Any], reason: Reason) -> None:
        ramp = Ramp().at(10)
        decision = ramp.look(**{"off": healthy(100), **facts})
        assert (decision.verdict, decision.reason, decision.page) == (Verdict.FAIL, reason, True)
        assert ramp.state.phase is Phase.ROLLING_BACK
        assert ramp.state.percent == 0

    def test_failures_of_both_are_no_burst_of_the_canary(self) -> None:
        ramp = Ramp().at(10)
        assert ramp.look(arm(6, errors=5), arm(60, errors=50)).verdict is not Verdict.FAIL

    def test_damage_to_what_both_share_is_a_cascade(self) -> None:
        ramp = Ramp().at(10)
        for _ in range(15):
            decision = ramp.look(arm(10, late=5), arm(90, late=45))
            if decision.verdict is Verdict.FAIL:
                break
        assert decision.reason is Reason.CASCADE
        assert ramp.now - ramp.state.written_at < 30

    def test_allowed_restarts_are_no_crash(self) -> None:
        plan = plan_of(gates={"restarts_max": 1})
        ramp = Ramp(plan).at(10)
        assert ramp.normal(restarts=1).verdict is not Verdict.FAIL
        assert ramp.normal(restarts=1).reason is Reason.CRASH

    def test_memory_over_its_gate_for_five_minutes(self) -> None:
        ramp = Ramp()
        ramp.normal(2000, memory_bytes=100e6)
        for _ in range(2):
            ramp.normal(100, memory_bytes=100e6)
        for _ in range(302):
            decision = ramp.normal(20, memory_bytes=120e6)
            if decision.verdict is Verdict.FAIL:
                break
        assert decision.reason is Reason.MEMORY


class TestSequential:
    @pytest.mark.parametrize(
        ("on", "reason", "looks"),
        [
            pytest.param(arm(100, late=13), Reason.LATENCY, 7, id="twice as slow"),
            pytest.param(arm(100, errors=5), Reason.ERRORS, 3, id="5 % errors"),
            pytest.param(arm(100, errors=2), Reason.ERRORS, 25, id="2 % errors"),
        ],
    )
    @pytest.mark.parametrize(
        "off",
        [
            pytest.param(arm(900, errors=4, late=5), id="beside a control as usual"),
            pytest.param(arm(900, late=5), id="beside a control without errors"),
        ],
    )
    def test_harm_takes_it_back(self, on: Arm, off: Arm, reason: Reason, looks: int) -> None:
        ramp = Ramp().at(10)
        for _ in range(looks):
            decision = ramp.look(on, off)
            if decision.verdict is Verdict.FAIL:
                break
        assert (decision.verdict, decision.reason) == (Verdict.FAIL, reason)

    def test_errors_show_without_a_control_too(self) -> None:
        ramp = Ramp().at(10)
        for _ in range(10):
            decision = ramp.look(arm(50, errors=3))
            if decision.verdict is Verdict.FAIL:
                break
        assert decision.reason is Reason.ERRORS

    def test_what_is_neither_shown_nor_excluded_holds(self) -> None:
        ramp = Ramp().at(10)
        for _ in range(100):
            decision = ramp.look(arm(1000, errors=8, late=5), arm(9000, errors=72, late=45))
        assert (decision.verdict, decision.reason) == (Verdict.HOLD, Reason.UNDECIDED)

    def test_refusals_are_no_errors(self) -> None:
        ramp = Ramp().at(10)
        for _ in range(50):
            assert ramp.look(arm(100, refused=30), healthy(900)).verdict is not Verdict.FAIL

    def test_what_refuses_on_purpose_is_judged_by_what_gets_through(self) -> None:
        ramp = Ramp(plan_of(gates={"goodput": True})).at(10)
        verdicts = {ramp.look(arm(100, refused=30), healthy(900)).verdict for _ in range(3)}
        assert Verdict.FAIL in verdicts
        helped = Ramp(plan_of(gates={"goodput": True, "cascade_error_rate_max": 0.5})).at(10)
        for _ in range(3):
            assert helped.look(arm(100, refused=10), arm(900, errors=270)).verdict is not Verdict.FAIL

    def test_harm_that_begins_after_a_week_of_health_shows_as_soon(self) -> None:
        ramp = Ramp(plan_of(gates={"error_rate_max": 0.01}, deadline="30d"))
        ramp.at(10)
        for _ in range(300):
            ramp.look(arm(100), arm(900, errors=4, late=4), after=60)
            if ramp.state.percent != 10:
                break
        late = ramp.state.percent
        verdicts: list[Verdict] = []
        while Verdict.FAIL not in verdicts and len(verdicts) < 30:
            verdicts.append(ramp.look(arm(100, late=13), arm(900, errors=4, late=5)).verdict)
        assert late in {10, 50}
        assert len(verdicts) <= 20

    def test_a_step_without_a_control_is_compared_with_the_last_control(self) -> None:
        ramp = Ramp().at(100)
        for _ in range(30):
            decision = ramp.look(arm(1000, late=130))
            if decision.verdict is Verdict.FAIL:
                break
        assert decision.reason in {Reason.LATENCY, Reason.CASCADE}

    def test_buckets_that_are_too_coarse_are_never_a_pass(self) -> None:
        coarse = (0.1, 0.5, 2.5, 10.0)

        def some(requests: int, late: int = 0) -> Arm:
            return Arm(requests, slow=(requests - late, late, 0, 0, 0))

        ramp = Ramp()
        for _ in range(100):
            on = 1000 * ramp.state.percent / 100
            ramp.look(some(round(on), 0), some(1000 - round(on), 5), bounds=coarse)
        assert ramp.state.percent == 10


class TestHolding:
    def test_the_hold_time_counts_only_time_with_data(self) -> None:
        plan = Plan.model_validate(
            {
                "steps": [{"percent": 10, "hold": "10m", "min_requests": 100}, {"percent": 50}],
                "baseline_requests": 100,
            }
        )
        ramp = Ramp(plan).at(10)
        for _ in range(20):
            assert ramp.normal(10_000, after=20, problems=("a: no answer",)).verdict is Verdict.NO_DATA
        assert ramp.state.served_seconds == 0
        for _ in range(29):
            assert ramp.normal(10_000, after=20).reason is Reason.TIME
        ramp.normal(10_000, after=20)
        assert ramp.state.percent == 50

    def test_a_clock_that_jumps_serves_no_time(self) -> None:
        plan = Plan.model_validate(
            {"steps": [{"percent": 10, "hold": "4h", "min_requests": 100}], "baseline_requests": 100}
        )
        ramp = Ramp(plan).at(10)
        for after in (7200, -7200, 7200, -7200, 7200):
            ramp.normal(10_000, after=after)
        assert ramp.state.percent == 10
        assert ramp.state.served_seconds <= 150

    def test_cohorts_of_the_wrong_size_hold(self) -> None:
        ramp = Ramp().at(10)
        for _ in range(20):
            decision = ramp.look(healthy(600), healthy(9400))
        assert (decision.verdict, decision.reason) == (Verdict.HOLD, Reason.IMBALANCE)

    def test_without_approval_it_never_goes_past_the_step(self) -> None:
        plan = plan_of(steps=[{"percent": 10}, {"percent": 100, "approval": True}])
        ramp = Ramp(plan).at(10)
        for _ in range(100):
            ramp.normal(10_000)
        assert ramp.last is not None
        assert (ramp.last.reason, ramp.state.percent) == (Reason.APPROVAL, 10)

    def test_paused_it_stays_and_is_taken_back_all_the_same(self) -> None:
        ramp = Ramp().at(10)
        ramp.state = replace(ramp.state, paused=True)
        for _ in range(30):
            decision = ramp.normal(10_000)
        assert decision.reason is Reason.PAUSED
        assert ramp.look(arm(10, errors=10), healthy(90)).verdict is Verdict.FAIL

    def test_a_percentage_is_written_again_before_it_runs_out(self) -> None:
        ramp = Ramp(plan_of(ttl=30)).at(50)
        written = []
        for _ in range(60):
            decision = ramp.look(Arm(), Arm(), problems=("nobody answered",))
            if decision.state.intent is not None:
                write = decision.state.intent
                written.append((write.percent, write.fallback, write.lasts))
        assert written == [(50, 10, False)] * len(written)
        assert 5 <= len(written) <= 7

    def test_what_everybody_shows_is_not_what_was_written(self) -> None:
        ramp = Ramp().at(10)
        decision = ramp.look(healthy(10), healthy(90), percents=(0.0, 0.0))
        assert decision.reason is Reason.OVERRIDDEN
        assert ramp.state.phase is Phase.ROLLING_BACK


class TestNoData:
    def test_a_thousand_looks_without_data_go_nowhere(self) -> None:
        ramp = Ramp().at(10)
        verdicts = {ramp.look().verdict for _ in range(1000)}
        assert verdicts == {Verdict.NO_DATA}
        assert ramp.state.percent == 10

    def test_traffic_that_stops_is_no_data_after_a_minute(self) -> None:
        ramp = Ramp(plan_of(steps=[{"percent": 10, "hold": "10m", "min_requests": 1000}])).at(10)
        for _ in range(30):
            ramp.normal(10_000)
        verdicts = [ramp.look(Arm(), Arm()).verdict for _ in range(700)]
        assert set(verdicts[:60]) == {Verdict.HOLD}
        assert set(verdicts[60:]) == {Verdict.NO_DATA}
        assert ramp.state.percent == 10

    def test_at_the_deadline_it_is_taken_back(self) -> None:
        ramp = Ramp(plan_of(deadline="1h")).at(10)
        for _ in range(120):
            decision = ramp.look(after=31)
            if decision.verdict is Verdict.FAIL:
                break
        assert decision.reason is Reason.DEADLINE
        assert ramp.state.percent == 0

    def test_what_is_not_shown_everywhere_does_not_count(self) -> None:
        ramp = Ramp(plan_of(targets=["http://a/metrics", "http://b/metrics"]))
        ramp.look(off=healthy(2000), percents=(0.0, 0.0))
        for _ in range(100):
            decision = ramp.look(healthy(1000), healthy(9000), percents=(10.0, 0.0))
        assert (decision.verdict, decision.reason) == (Verdict.NO_DATA, Reason.NOT_APPLIED)
        assert ramp.state.on.requests == 0


class TestBack:
    def test_it_is_over_when_every_target_shows_0(self) -> None:
        plan = plan_of(targets=["http://a/metrics", "http://b/metrics"])
        ramp = Ramp(plan)
        ramp.look(off=healthy(2000), percents=(0.0, 0.0))
        ramp.look(percents=(10.0, 10.0))
        ramp.look(arm(9, errors=9), percents=(10.0, 10.0))
        assert ramp.look(percents=(10.0, 0.0)).state.intent is not None
        assert ramp.look(percents=(0.0,)).state.phase is Phase.ROLLING_BACK
        assert ramp.look(percents=(0.0, 0.0)).state.phase is Phase.ROLLED_BACK

    def test_a_target_that_still_shows_it_pages(self) -> None:
        ramp = Ramp().at(10)
        ramp.look(arm(9, errors=9))
        pages = [ramp.look(percents=(10.0,)).page for _ in range(20)]
        assert pages == [False] * 15 + [True] * 5

    def test_once_over_nothing_happens_any_more(self) -> None:
        ramp = Ramp().at(10)
        ramp.look(arm(9, errors=9))
        ramp.look()
        decision = ramp.normal()
        assert (decision.verdict, decision.reason, decision.state.intent) == (Verdict.HOLD, Reason.OVER, None)
