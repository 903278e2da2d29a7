"""Whatever is seen: never up without a PASS, the state machine is total, and whoever is in stays in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.flags import FlagSettings, FlagState
from quickwins.core.flags import decide as decide_flag
from quickwins.rollout import Arm, Facts, Phase, Reason, State, Verdict, decide
from quickwins.rollout._core.facts import FACTS
from quickwins.rollout._core.state import STATE, Write, begun, settled
from quickwins.rollout._flag import fields_of
from tests.unit.rollout.ramps import BOUNDS, Ramp, plan_of

arms = st.builds(
    lambda requests, errors, late: Arm(
        requests, min(errors, requests), 0, (*[0] * 40, requests - min(late, requests), *[0] * 20, min(late, requests), *[0] * (len(BOUNDS) - 61))
    ),
    st.integers(0, 5000), st.integers(0, 5), st.integers(0, 30),
)  # fmt: skip
facts = st.builds(
    Facts,
    bounds=st.sampled_from([BOUNDS, BOUNDS, (), (0.1, 1.0)]),
    on=arms,
    off=arms,
    seconds=st.floats(0, 100),
    problems=st.sampled_from([(), (), ("a: no answer",)]),
    restarts=st.sampled_from([0, 0, 0, 1]),
    lost=st.sampled_from([(), (), (), ("a",)]),
    percents=st.lists(st.sampled_from([0.0, 10.0, 50.0, 100.0]), max_size=3).map(tuple),
    cpu_seconds=st.none() | st.floats(0, 100),
    memory_bytes=st.none() | st.floats(0, 1e9),
)
ALLOWED = {
    Phase.OBSERVING: {Phase.OBSERVING, Phase.RAMPING, Phase.ROLLING_BACK},
    Phase.RAMPING: {Phase.OBSERVING, Phase.RAMPING, Phase.ROLLING_BACK, Phase.DONE},
    Phase.ROLLING_BACK: {Phase.ROLLING_BACK, Phase.ROLLED_BACK},
    Phase.ROLLED_BACK: {Phase.ROLLED_BACK},
    Phase.DONE: {Phase.DONE},
}


def started(at: int) -> State:
    ramp = Ramp(plan_of(deadline="30d"))
    return ramp.at((10, 50, 100)[at]).state if at < 3 else ramp.state


STARTED = [started(at) for at in range(4)]


@given(
    at=st.integers(0, 3),
    looks=st.lists(st.tuples(facts, st.floats(-1e4, 1e4)), min_size=1, max_size=15),
    asked=st.sampled_from(["", "", "paused", "aborted"]),
)
def test_it_goes_up_one_step_by_a_pass_alone_and_every_state_has_an_answer(
    at: int, looks: list[tuple[Facts, float]], asked: str
) -> None:
    state = replace(STARTED[at], **({asked: True} if asked else {}))  # type: ignore[arg-type]  # -- one of two flags; until=never
    now = 1e9 + 1000
    for seen, after in looks:
        now += after
        decision = decide(state, seen, now)
        new = settled(decision.state, now)
        assert new.phase in ALLOWED[state.phase]
        if new.percent > state.percent:
            assert decision.verdict is Verdict.PASS
            assert new.step == state.step + 1
            assert not seen.problems
        if decision.verdict is Verdict.FAIL:
            assert new.percent == 0
        elif new.percent < state.percent:
            assert decision.reason is Reason.RAN_OUT
            assert new.step == state.step - 1
        if asked == "aborted" and state.active:
            assert decision.verdict is Verdict.FAIL
        kept = STATE.validate_json(STATE.dump_json(new))
        assert kept == new
        again = FACTS.validate_json(FACTS.dump_json(seen))
        assert decide(STATE.validate_json(STATE.dump_json(state)), again, now) == decision
        state = new


@given(
    key=st.text(max_size=30), steps=st.lists(st.floats(0.01, 100).map(lambda one: round(one, 2)), min_size=2)
)
def test_whoever_is_in_at_a_percentage_is_in_at_every_higher_one(key: str, steps: list[float]) -> None:
    inside = [flag(percent).admits(key) for percent in sorted(steps)]
    assert inside == sorted(inside)


def flag(percent: float) -> FlagState:
    fields = fields_of(Write(percent, 0, fallback=0.0), now=1e9, ttl=30)
    return decide_flag("feed", FlagSettings.model_validate(fields), 1e9)


def test_a_percentage_that_nobody_renews_falls_back_to_the_last_safe_one() -> None:
    fields = fields_of(Write(50, 1, fallback=10), now=1e9, ttl=30)
    settings = FlagSettings.model_validate(fields)
    assert decide_flag("feed", settings, 1e9 + 29).percent == 50
    assert decide_flag("feed", settings, 1e9 + 30).percent == 10
    assert settings.expires_at == datetime.fromtimestamp(1e9, UTC) + timedelta(seconds=30)


def test_the_last_percentage_stays_for_good() -> None:
    fields = fields_of(Write(100, 2, fallback=100, lasts=True), now=1e9, ttl=30)
    assert (fields["percent"], fields["expires_at"], fields["fallback_percent"]) == (100, None, None)


def test_written_once_more_after_a_crash_no_step_is_skipped_or_repeated() -> None:
    ramp = Ramp().at(10)
    while ramp.normal(5000).verdict is not Verdict.PASS:
        pass
    assert ramp.last is not None
    intended = ramp.last.state
    once = settled(intended, 1.0)
    assert (once.step, once.percent) == (1, 50)
    assert settled(once, 2.0) == once
    assert settled(STATE.validate_json(STATE.dump_json(intended)), 1.0) == once


def test_a_ramp_that_begins_writes_0_first() -> None:
    state = begun("feed", plan_of(), 1.0)
    assert state.intent == Write(0.0, -1, lasts=True)
    assert decide(settled(state, 1.0), Facts(), 2.0).reason in {Reason.BASELINE, Reason.NO_DATA}
