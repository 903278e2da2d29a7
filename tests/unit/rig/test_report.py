"""The report, from hand-made observations."""

from __future__ import annotations

import json
import math
from array import array

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.errors import Rejected
from quickwins.rig import LoadReport, Outcome, classify
from quickwins.rig.report import LATENESS_BOUND_SECONDS, Observations, report_on

Seen = tuple[float, Outcome | None, float, float]
"""Due, outcome, sent after due, ended after sent."""


def report_of(seen: list[Seen], duration_seconds: float = 1.0, bucket_seconds: float = 0.25) -> LoadReport:
    observations = Observations.of(len(seen))
    for index, (due, outcome, late, took) in enumerate(seen):
        if outcome is not None:
            observations.outcomes[index] = outcome
            observations.sent_at_seconds[index] = due + late
            observations.ended_at_seconds[index] = due + late + took
    return report_on(
        [due for due, *_ in seen],
        observations,
        duration_seconds=duration_seconds,
        timeout_seconds=1.0,
        bucket_seconds=bucket_seconds,
    )


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        pytest.param(b"page", Outcome.OK, id="bytes"),
        pytest.param(None, Outcome.OK, id="none"),
        pytest.param(TimeoutError(), Outcome.TIMED_OUT, id="time-out"),
        pytest.param(Rejected("full"), Outcome.REJECTED, id="rejected"),
        pytest.param(OSError(), Outcome.FAILED, id="error"),
    ],
)
def test_answers_are_classified(answer: object, outcome: Outcome) -> None:
    assert classify(answer) is outcome


def test_goodput_counts_what_ended_ok_within_the_duration_and_the_tail_only_shows_elsewhere() -> None:
    report = report_of(
        [
            (0.0, Outcome.OK, 0.0, 0.1),
            (0.2, Outcome.REJECTED, 0.0, 0.01),
            (0.5, Outcome.OK, 0.0, 0.5),
            (0.9, Outcome.OK, 0.0, 0.4),
        ]
    )
    assert report.offered_per_second == 4
    assert report.goodput_per_second == 2
    assert report.outcomes[Outcome.OK].count == 3
    assert report.outcomes[Outcome.FAILED].count == 0
    assert sum(bucket.ok for bucket in report.timeline) == 3
    assert report.timeline[5].start_seconds == 1.25
    assert report.timeline[5].ok == 1


def test_latency_counts_from_the_intended_arrival() -> None:
    report = report_of([(0.0, Outcome.OK, 0.3, 0.1)])
    assert report.outcomes[Outcome.OK].max_seconds == pytest.approx(0.4)
    assert report.generator_lateness.max_seconds == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("seen", "bottleneck"),
    [
        pytest.param([(0.0, Outcome.OK, 0.001, 0.1)], False, id="on time"),
        pytest.param([(0.0, Outcome.OK, 2 * LATENESS_BOUND_SECONDS, 0.1)], True, id="late"),
        pytest.param([(0.0, Outcome.OK, 0.0, 0.1), (0.1, None, 0, 0)], True, id="shed"),
        pytest.param([], False, id="nothing to do"),
    ],
)
def test_a_generator_that_was_late_or_shed_says_so(seen: list[Seen], bottleneck: bool) -> None:
    report = report_of(seen)
    assert report.generator_was_bottleneck is bottleneck
    assert report.to_json()["generator_was_bottleneck"] is bottleneck


sightings = st.lists(
    st.tuples(
        st.floats(min_value=0, max_value=2),
        st.sampled_from([*Outcome, None]),
        st.floats(min_value=0, max_value=0.1),
        st.floats(min_value=0, max_value=3),
    ),
    max_size=60,
).map(lambda rows: sorted(rows, key=lambda row: row[0]))


@given(sightings, st.sampled_from([0.1, 0.25, 1.0]))
def test_every_arrival_is_counted_once_in_the_totals_and_once_in_the_timeline(
    seen: list[Seen], bucket_seconds: float
) -> None:
    report = report_of(seen, bucket_seconds=bucket_seconds)
    ended = {outcome: sum(row[1] is outcome for row in seen) for outcome in Outcome}
    assert {outcome: report.outcomes[outcome].count for outcome in Outcome} == ended
    assert report.shed_by_generator + sum(ended.values()) == report.offered == len(seen)
    assert sum(bucket.offered for bucket in report.timeline) == len(seen)
    for outcome in Outcome:
        assert sum(getattr(bucket, outcome) for bucket in report.timeline) == ended[outcome]
    assert report.goodput_per_second <= ended[Outcome.OK]


@given(sightings)
def test_the_report_is_plain_json(seen: list[Seen]) -> None:
    plain = report_of(seen).to_json()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert set(plain["outcomes"]) == {"ok", "rejected", "timed_out", "failed"}


def test_observations_begin_unknown() -> None:
    observations = Observations.of(2)
    assert observations.outcomes == [None, None]
    assert isinstance(observations.ended_at_seconds, array)
    assert all(math.isnan(ended) for ended in observations.ended_at_seconds)
