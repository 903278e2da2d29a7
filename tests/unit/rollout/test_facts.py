"""What came between two looks, and what of it is not to be believed."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from quickwins.rollout import Arm, Facts, Looks, Process, Reading

INF = math.inf


def process(ok: float, *, at: float = 0.0, errors: float = 0.0, started: float | None = 1.0) -> Process:
    return Process(
        at,
        {("on", "ok"): ok, ("on", "error"): errors, ("off", "ok"): 10 * ok},
        {"on": {0.1: ok, INF: ok + errors}, "off": {0.1: 10 * ok, INF: 10 * ok}},
        (10.0,),
        started,
    )


def between(*readings: Reading) -> Facts:
    looks, facts = Looks(), Facts()
    for now, reading in enumerate(readings):
        processes = {name: replace(one, at=float(now)) for name, one in reading.processes.items()}
        looks, facts = looks.then(replace(reading, processes=processes), float(now))
    return facts


def test_what_two_looks_have_in_common_counts() -> None:
    facts = between(
        Reading({"a": process(100), "b": process(5)}), Reading({"a": process(103, errors=1), "b": process(6)})
    )
    assert facts.on == Arm(5, 1, 0, (4, 1))
    assert facts.off == Arm(40, 0, 0, (40, 0))
    assert (facts.problems, facts.percents, facts.bounds) == ((), (10.0, 10.0), (0.1,))


def test_the_first_look_adds_nothing_and_is_no_problem() -> None:
    facts = between(Reading({"a": process(1_000_000)}))
    assert (facts.on.requests, facts.problems) == (0, ())


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        pytest.param(process(5), "a counter went back", id="a counter reset"),
        pytest.param(process(math.nan), "a counter is no number", id="NaN"),
        pytest.param(process(INF), "a counter is no number", id="infinity"),
        pytest.param(process(200, started=2.0), "has restarted", id="a restart"),
        pytest.param(
            replace(process(200), buckets={"on": {0.2: 200, INF: 200}}),
            "its buckets have changed",
            id="buckets",
        ),
        pytest.param(
            replace(process(100), buckets={"on": {0.1: 150, INF: 100}}),
            "not cumulative",
            id="buckets that sink",
        ),
        pytest.param(replace(process(100), buckets={"on": {0.1: 100}}), "changed", id="no last bucket"),
    ],
)
def test_what_is_not_to_be_believed_is_a_problem_and_no_data(after: Process, problem: str) -> None:
    facts = between(Reading({"a": process(100), "b": process(1)}), Reading({"a": after, "b": process(2)}))
    assert problem in facts.problems[0]
    assert facts.on.requests == 1  # b's


def test_a_restart_that_the_counters_would_hide_is_seen() -> None:
    facts = between(Reading({"a": process(10, started=1)}), Reading({"a": process(10_000, started=2)}))
    assert (facts.restarts, facts.on.requests) == (1, 0)


def test_a_process_that_comes_later_is_no_data_until_it_was_seen_twice() -> None:
    looks, _ = Looks().then(Reading({"a": process(1)}), 0)
    looks, facts = looks.then(Reading({"a": process(2, at=1), "b": process(900, at=1)}), 1)
    assert (facts.on.requests, facts.problems) == (1, ("b: is new",))
    _, facts = looks.then(Reading({"a": process(2, at=2), "b": process(901, at=2)}), 2)
    assert (facts.on.requests, facts.problems) == (1, ())


def test_what_was_scraped_long_ago_is_stale() -> None:
    looks, _ = Looks().then(Reading({"a": process(1)}), 0)
    _, facts = looks.then(Reading({"a": process(5, at=1)}), 60)
    assert (facts.on.requests, facts.problems) == (0, ("a: stale for 59 s",))


def test_who_does_not_answer_is_lost_after_fifteen_seconds() -> None:
    looks, _ = Looks().then(Reading({"a": process(1)}), 0)
    lost = []
    for now in range(1, 20):
        looks, facts = looks.then(Reading({}, missing=("a",)), now)
        assert facts.problems == ("a: no answer",)
        lost.append(facts.lost)
    assert lost == [()] * 15 + [("a",)] * 4


def test_what_is_missing_for_a_moment_is_compared_with_when_it_was_last_there() -> None:
    looks, _ = Looks().then(Reading({"a": process(1)}), 0)
    looks, _ = looks.then(Reading({}, missing=("a",)), 1)
    _, facts = looks.then(Reading({"a": process(8, at=2)}), 2)
    assert facts.on.requests == 7


def test_an_empty_look_is_no_data() -> None:
    _, facts = Looks().then(Reading(), 0)
    assert facts.problems == ("nobody answered",)
