"""A feature that isn't split by requests is compared with what was normal before it."""

from __future__ import annotations

import pytest

from quickwins.rollout import Arm, Phase, Reason, Verdict
from tests.unit.rollout.ramps import Ramp, arm, healthy, plan_of


def of_partitions(*percents: float, **more: object) -> Ramp:
    return Ramp(plan_of(*percents or (10, 50, 100), control="baseline", **more))


def look(ramp: Ramp, everything: Arm) -> None:
    """One look at a topic of which one partition has nearly everything, whatever the percentage is."""
    few = healthy(everything.requests // 20)
    ramp.look(few, everything)


@pytest.mark.parametrize("percents", [(10, 50, 100), (100,)], ids=["partitions", "processes"])
def test_it_goes_up_by_what_all_of_it_shows(percents: tuple[float, ...]) -> None:
    ramp = of_partitions(*percents)
    for _ in range(100):
        look(ramp, healthy(1000))
    assert (ramp.state.phase, ramp.state.percent) == (Phase.DONE, 100)


def test_by_cohorts_it_would_stay_where_it_is() -> None:
    ramp = Ramp(plan_of(10, 50, 100))
    for _ in range(100):
        look(ramp, healthy(1000))
    assert ramp.last is not None
    assert (ramp.last.reason, ramp.state.percent) == (Reason.IMBALANCE, 10)


@pytest.mark.parametrize(
    ("harm", "reasons", "looks"),
    [
        pytest.param(arm(100, errors=100), {Reason.BURST, Reason.ERRORS}, 2, id="all fail"),
        pytest.param(arm(100, errors=5, late=1), {Reason.ERRORS}, 5, id="5 % fail"),
        pytest.param(arm(100, late=13), {Reason.LATENCY, Reason.CASCADE}, 12, id="slow"),
    ],
)
@pytest.mark.parametrize("percent", [10, 50, 100])
def test_harm_shows_wherever_it_is_counted(
    percent: float, harm: Arm, reasons: set[Reason], looks: int
) -> None:
    ramp = of_partitions(10, 50, 100).at(percent)
    for _ in range(looks):
        decision = ramp.look(off=harm)
        if decision.verdict is Verdict.FAIL:
            break
    assert (decision.verdict, ramp.state.percent) == (Verdict.FAIL, 0)
    assert decision.reason in reasons


def test_without_anything_that_is_counted_it_stays() -> None:
    ramp = of_partitions().at(10)
    verdicts = [ramp.look().verdict for _ in range(200)]
    assert set(verdicts[100:]) == {Verdict.NO_DATA}
    assert ramp.state.percent == 10
