import dataclasses
import json
from math import isinf

import pytest

from quickwins.demo.figures import checks, figures
from quickwins.demo.phases import PHASES
from quickwins.demo.result import OutageClient, OutageResult
from quickwins.rig import Outcome
from tests.unit.demo.synthetic import burst, endings, result


def test_goodput_is_what_was_delivered_in_the_stretch_by_the_capacity() -> None:
    protected = result().phase("backpressure").settled
    assert (protected.start_seconds, protected.end_seconds) == (12.0, 20.0)
    assert protected.offered_per_second == 30.0
    assert protected.goodput_per_second == pytest.approx(8.0, abs=0.5)
    assert protected.goodput_of_capacity == pytest.approx(0.8, abs=0.05)


def test_settling_is_kept_apart() -> None:
    baseline = result().phase("baseline")
    assert (baseline.settling.start_seconds, baseline.settling.end_seconds) == (0.0, 2.0)
    assert baseline.settled.start_seconds == 2.0


def test_what_ends_after_the_stretch_is_not_credited_to_it() -> None:
    one = figures(endings(), start_seconds=0.0, end_seconds=0.4, capacity_per_second=10.0)
    assert one.offered_per_second == pytest.approx(30.0)
    assert one.goodput_per_second == 0.0


def test_latencies_are_of_each_outcome_by_itself() -> None:
    settled = result().phase("backpressure").settled
    assert settled.latency[Outcome.OK].p50_seconds == pytest.approx(0.5, rel=0.01)
    assert settled.latency[Outcome.REJECTED].p999_seconds == pytest.approx(0.002, rel=0.01)
    assert settled.latency[Outcome.FAILED].count == 0


def test_cpu_is_counted_between_the_readings_at_the_ends_of_a_phase() -> None:
    baseline, protected = result().phases
    assert baseline.cpu_share == pytest.approx(8.0 / 10 / 2)
    assert baseline.machine_cpu_share == pytest.approx(12.0 / 10 / 2)
    assert protected.cpu_cores == {"gateway": pytest.approx(0.3), "postgres": pytest.approx(0.3)}


def test_utilization_is_the_mean_of_the_settled_samples() -> None:
    baseline, protected = result().phases
    assert baseline.pool_utilization == 1.0
    assert protected.pool_utilization == pytest.approx(0.9)


def test_every_target_of_a_good_run_is_met() -> None:
    good = result()
    assert [check.name for check in good.checks if not check.met] == []
    assert good.met


@pytest.mark.parametrize(
    ("failed_at", "failed"),
    [
        pytest.param(8.9, 0, id="long before"),
        pytest.param(9.5, 1, id="just before"),
        pytest.param(11.9, 1, id="while settling"),
        pytest.param(12.1, 0, id="long after"),
    ],
)
def test_a_failure_around_the_flip_is_held_against_it(failed_at: float, failed: int) -> None:
    seen = result(burst(failed_at=failed_at))
    assert seen.flips[0].failed == failed
    assert seen.met == (failed == 0)


def test_a_burst_without_effect_misses_its_target() -> None:
    missed = [check for check in result(burst(protected=False)).checks if not check.met]
    assert [check.name for check in missed] == ["Backpressure on: goodput by capacity"]


def test_a_flip_that_was_never_seen_misses_its_target() -> None:
    missed = [check for check in result(burst(seen=False)).checks if not check.met]
    assert [isinf(check.value) for check in missed] == [True]


def test_the_result_is_plain_data_for_json() -> None:
    plain = result().to_dict()
    assert json.loads(json.dumps(plain)) == plain
    assert plain["met"] is True
    assert plain["phases"][1]["settled"]["latency"]["rejected"]["count"] > 0
    assert plain["timeline"][0]["offered"] == 8


def test_a_flip_that_was_never_seen_is_null_in_json() -> None:
    plain = result(burst(seen=False)).to_dict()
    assert None in [check["value"] for check in plain["checks"]]
    json.dumps(plain, allow_nan=False)


def test_a_phase_that_does_not_exist_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        result().phase("nonsense")


@pytest.mark.parametrize(("several", "met"), [(3, True), (15, True), (16, False)])
def test_several_connections_are_to_fail_half_as_often_as_one_channel(several: int, met: bool) -> None:
    seen = result()
    outage = OutageResult(
        2.5, 5.0, 10.0, (OutageClient("one channel", 50, 30), OutageClient("3 connections", 50, several))
    )
    made = checks(PHASES, seen.phases, seen.flips, outage, seen.indexes, seen.duplicates, seen.cache)
    found = {check.name: check for check in made}
    assert found["Outage: requests failed with 3 connections, by those with one channel"].met is met


@pytest.mark.parametrize(("wrong", "met"), [(0, True), (1, False)])
def test_with_deduplication_no_post_may_be_counted_wrong(wrong: int, met: bool) -> None:
    seen = result()
    off, on = seen.duplicates.projectors
    duplicates = dataclasses.replace(
        seen.duplicates, projectors=(off, dataclasses.replace(on, wrong_posts=wrong))
    )
    made = checks(PHASES, seen.phases, seen.flips, seen.outage, seen.indexes, duplicates, seen.cache)
    found = {check.name: check for check in made}
    assert found["Change events: posts counted wrong with deduplication on"].met is met


@pytest.mark.parametrize(("outdated", "queries", "missed"), [(1, 700, 1), (0, 1_200, 1), (0, 700, 0)])
def test_the_cache_must_save_queries_and_never_be_outdated(outdated: int, queries: int, missed: int) -> None:
    seen = result()
    cache = dataclasses.replace(seen.cache, outdated=outdated, queries_with=queries)
    made = checks(PHASES, seen.phases, seen.flips, seen.outage, seen.indexes, seen.duplicates, cache)
    assert sum("Query cache" in check.name and not check.met for check in made) == missed
