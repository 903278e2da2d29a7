"""What is said of a soak: a criterion is met when that was seen, and by nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from quickwins.rollout.soak import Criteria, Evidence, Hits, Pool, Suite, Verdict, judge

HOURS = 48 * 3600.0
FLAT = tuple((hour * 900.0, 100e6 + (hour % 7) * 1e6) for hour in range(192))
GROWING = tuple((hour * 900.0, 100e6 + hour * 100e3 + (hour % 7) * 1e6) for hour in range(192))
"""By 10 MB a day, under noise of 7 MB."""
GOOD = Evidence(
    seconds=HOURS,
    looks=1000,
    answered=998,
    tests=Suite(passed=255, failed=0, skipped=2),
    pools={"api/feed": Pool(refused=12, highest=0.9, limit_share=0.9, size=10)},
    hits={"PUBLIC": Hits(650, 350), "SEARCH": Hits(6_900, 3_100)},
    lines=10_000,
    memory={"http://a": FLAT},
)
CRITERIA = [
    "watched throughout",
    "all tests pass",
    "backpressure refuses at its threshold",
    "cache hit rates of 60% to 70%",
    "no unexpected error in the logs",
    "memory does not grow",
    "no crash",
]


def verdicts(evidence: Evidence, **criteria: Any) -> dict[str, Verdict]:
    return {one.criterion: one.verdict for one in judge(evidence, Criteria(**criteria), began=0).findings}


def test_what_was_all_seen_is_all_met() -> None:
    report = judge(GOOD, Criteria(), began=0)
    assert report.passed
    assert [one.criterion for one in report.findings] == CRITERIA


def test_of_what_was_not_seen_nothing_is_met() -> None:
    """A soak of nothing would otherwise pass."""
    report = judge(Evidence(seconds=HOURS), Criteria(), began=0)
    assert not any(one.verdict is Verdict.PASS for one in report.findings)


@pytest.mark.parametrize(
    ("criterion", "change", "verdict"),
    [
        pytest.param(0, {"seconds": HOURS * 0.9}, "fail", id="ended early"),
        pytest.param(0, {"answered": 900}, "fail", id="many looks without an answer"),
        pytest.param(1, {"tests": None}, "no_data", id="no report of tests"),
        pytest.param(1, {"tests": Suite(0, 0, 9)}, "no_data", id="all tests skipped"),
        pytest.param(1, {"tests": Suite(254, 1, 0)}, "fail", id="one test failed"),
        pytest.param(2, {"pools": {}}, "no_data", id="no pool"),
        pytest.param(2, {"pools": {"a/b": Pool(0, 0.5, 0.9, 10)}}, "no_data", id="never refused"),
        pytest.param(2, {"pools": {"a/b": Pool(9, 1.0, 1.0, 10)}}, "fail", id="refused when full only"),
        pytest.param(2, {"pools": {"a/b": Pool(9, 0.6, 0.6, 10)}}, "fail", id="refused too early"),
        pytest.param(2, {"pools": {"a/b": Pool(9, 0.8, 0.8, 10)}}, "pass", id="8 of 10 is 85 % rounded"),
        pytest.param(2, {"pools": {"a/b": Pool(9, 0.8, 0.8, 100)}}, "fail", id="80 of 100 is not"),
        pytest.param(3, {"hits": {}}, "no_data", id="no cache"),
        pytest.param(3, {"hits": {"PUBLIC": Hits(6, 4)}}, "no_data", id="ten queries"),
        pytest.param(3, {"hits": {"PUBLIC": Hits(599, 401)}}, "fail", id="59.9 %"),
        pytest.param(3, {"hits": {"PUBLIC": Hits(600, 400)}}, "pass", id="60 %"),
        pytest.param(3, {"hits": {"PUBLIC": Hits(700, 300)}}, "pass", id="70 %"),
        pytest.param(
            3, {"hits": {"PUBLIC": Hits(650, 350), "SEARCH": Hits(0, 1000)}}, "fail", id="one of two"
        ),
        pytest.param(4, {"lines": None}, "no_data", id="no log"),
        pytest.param(4, {"lines": 0}, "no_data", id="an empty log"),
        pytest.param(4, {"errors": {"db.lost": 1}}, "fail", id="one error"),
        pytest.param(4, {"dropped": 3.0}, "no_data", id="records were lost"),
        pytest.param(5, {"memory": {}}, "no_data", id="no memory"),
        pytest.param(5, {"memory": {"a": FLAT[:10]}}, "no_data", id="few points"),
        pytest.param(5, {"memory": {"a": FLAT, "b": FLAT[:10]}}, "no_data", id="few points of one"),
        pytest.param(5, {"memory": {"a": FLAT, "b": GROWING}}, "fail", id="a leak in one of two"),
        pytest.param(6, {"restarts": 1}, "fail", id="a restart"),
    ],
)
def test_a_criterion_falls_with_what_it_rests_on_and_no_other_does(
    criterion: int, change: dict[str, Any], verdict: str
) -> None:
    found = verdicts(replace(GOOD, **change))
    assert found.pop(CRITERIA[criterion]) == verdict
    assert {*found.values()} == {Verdict.PASS}


def test_growth_while_it_warms_up_is_no_leak() -> None:
    warming = tuple((at, size * min(1.0, 0.3 + at / 40_000)) for at, size in FLAT)
    assert verdicts(replace(GOOD, memory={"a": warming}))["memory does not grow"] is Verdict.PASS


def test_one_jump_is_no_leak() -> None:
    jump = tuple((at, size + (30e6 if at > 150_000 else 0)) for at, size in FLAT)
    assert verdicts(replace(GOOD, memory={"a": jump}))["memory does not grow"] is Verdict.PASS


def test_the_bounds_are_settings() -> None:
    evidence = replace(GOOD, hits={"PUBLIC": Hits(900, 100)})
    assert verdicts(evidence, hit_rate_max=0.95)["cache hit rates of 60% to 95%"] is Verdict.PASS
