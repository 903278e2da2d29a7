"""What a soak keeps of pages and logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from quickwins.core.errors import ConfigError
from quickwins.rollout.soak import Hits, Pool, Suite, Watch, watch
from quickwins.rollout.soak.follow import Follower, read_suites
from quickwins.rollout.soak.watch import Sample
from tests.promql import FOREIGN, declared

LABELS = {"service": "api", "name": "feed"}


def counter(name: str, value: float, **labels: str) -> Sample:
    return name, {**LABELS, **labels}, value


def pool(inflight: float, size: float, limit: float) -> list[Sample]:
    return [
        counter(watch.UTILIZATION, inflight / size),
        counter(watch.INFLIGHT, inflight, priority="normal"),
        counter(watch.LIMIT, limit),
    ]


def test_it_looks_at_series_that_are_declared() -> None:
    names = watch.COUNTERS | {watch.UTILIZATION, watch.INFLIGHT, watch.LIMIT, watch.STARTED, watch.MEMORY}
    assert names <= declared().keys() | FOREIGN


def test_only_what_rose_during_the_soak_counts_through_restarts() -> None:
    one = Watch(3600)
    hit = [(0.0, 100.0), (15.0, 110.0), (30.0, 4.0), (45.0, 9.0)]  # begun anew before the third look
    for at, value in hit:
        one.page("a", at, [counter(watch.HIT, value, policy="PUBLIC", layer="l1")])
    one.page("a", 60, [counter(watch.MISS, 5, policy="PUBLIC", reason="absent")])  # the first ever
    assert one.evidence(60, None).hits == {"PUBLIC": Hits(19, 5)}


def test_what_is_not_to_be_cached_has_no_hit_rate_and_what_was_sampled_out_is_not_lost() -> None:
    one = Watch(3600)
    for value in (0.0, 7.0):
        miss = counter(watch.MISS, value, policy="NO_CACHE", reason="policy")
        dropped = [counter(watch.DROPPED, value, reason=reason) for reason in ("sampled", "queue_full")]
        one.page("a", value, [miss, *dropped])
    evidence = one.evidence(60, None)
    assert evidence.hits == {}
    assert evidence.dropped == 7


def test_a_pool_is_known_by_its_highest_use_and_its_limit_whenever_it_was_in_use() -> None:
    one = Watch(3600)
    one.page("a", 0, [*pool(5, 20, 17), counter(watch.REFUSED, 0, reason="threshold")])
    one.page("a", 15, [*pool(17, 20, 17), counter(watch.REFUSED, 3, reason="threshold")])
    one.page("a", 30, [*pool(0, 20, 17), counter(watch.REFUSED, 3, reason="threshold")])
    assert one.evidence(60, None).pools == {"api/feed": Pool(3, 0.85, 0.85, 20)}


def test_the_pools_of_several_workers_are_of_one_size() -> None:
    one = Watch(3600)
    workers = [counter(watch.UTILIZATION, share, pid=pid) for share, pid in ((0.5, "1"), (0.25, "2"))]
    one.page("a", 0, [*workers, counter(watch.INFLIGHT, 15, priority="normal"), counter(watch.LIMIT, 34)])
    assert one.evidence(60, None).pools == {"api/feed": Pool(0, 0.5, 0.85, 20)}


def test_the_lowest_memory_of_each_stretch_is_kept_and_no_more_than_a_bounded_number_of_them() -> None:
    one = Watch(2000)
    for at in range(2000):
        one.page("a", at, [(watch.MEMORY, {}, 100.0 + at % 10)])
    points = one.evidence(2000, None).memory["a"]
    assert len(points) == watch.STRETCHES
    assert {size for _, size in points} == {100.0}


def test_a_process_that_began_anew_and_one_that_did_not_answer_are_counted() -> None:
    one = Watch(3600)
    for started in (1.0, 1.0, 2.0):
        one.page("a", 0, [(watch.STARTED, {}, started)])
    one.missed()
    evidence = one.evidence(60, None)
    assert (evidence.looks, evidence.answered, evidence.restarts) == (4, 3, 1)


@pytest.mark.parametrize(
    ("line", "event"),
    [
        pytest.param(b'{"severity_number":17,"event.name":"db.lost"}', "db.lost", id="ours"),
        pytest.param(b'{"severity_text":"CRITICAL"}', "unnamed", id="without a name"),
        pytest.param(b'{"level":"error","event":"x"}', "x", id="structlog's"),
        pytest.param(b"Traceback (most recent call last):\n", "traceback", id="not even a log line"),
        pytest.param(b'{"severity_number":13,"event.name":"slow"}', None, id="a warning"),
        pytest.param(b'{"severity_number":17,"event.name":"known"}', None, id="expected"),
        pytest.param(b"ERROR in a text\n", None, id="no JSON"),
        pytest.param(b"[17]", None, id="JSON, but no record"),
        pytest.param(b"\xff\xfe{", None, id="no text"),
    ],
)
def test_a_line_of_an_error_is_counted_by_its_event(line: bytes, event: str | None) -> None:
    one = Watch(3600, expected={"known"})
    one.line(line)
    evidence = one.evidence(60, None)
    assert evidence.errors == ({} if event is None else {event: 1})
    assert evidence.lines == 1


def test_kinds_of_errors_are_bounded() -> None:
    one = Watch(3600)
    for number in range(1000):
        one.line(json.dumps({"level": "error", "event": f"e{number}"}).encode())
    errors = one.evidence(60, None).errors
    assert len(errors) == watch.MAX_EVENTS + 1
    assert errors["other"] == 1000 - watch.MAX_EVENTS


def test_a_log_is_followed_from_its_end_through_rotation_and_truncation(tmp_path: Path) -> None:
    log = tmp_path / "a.log"
    log.write_bytes(b"old\n")
    with Follower(log) as follower:
        with log.open("ab") as file:
            file.write(b"one\ntw")
            file.flush()
            assert [*follower.lines()] == [b"one\n"]
            log.rename(tmp_path / "a.log.1")
            assert [*follower.lines()] == []
            file.write(b"o\n")
        log.write_bytes(b"three\n")
        assert [*follower.lines()] == [b"two\n", b"three\n"]
        log.write_bytes(b"4\n")  # shorter than before
        assert [*follower.lines()] == [b"4\n"]


def test_a_log_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.log: No such file"):
        Follower(tmp_path / "nowhere.log")


def test_reports_of_tests_are_added_up(tmp_path: Path) -> None:
    for name, numbers in (("a", (10, 1, 0, 2)), ("b", (5, 0, 1, 0))):
        tests, failures, errors, skipped = numbers
        attributes = f'tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}"'
        (tmp_path / name).write_text(f"<testsuites><testsuite {attributes}/></testsuites>")
    assert read_suites([tmp_path / "a", tmp_path / "b"]) == Suite(passed=11, failed=2, skipped=2)
    assert read_suites([]) is None
    (tmp_path / "c").write_text("no XML")
    with pytest.raises(ConfigError, match="no JUnit report"):
        read_suites([tmp_path / "c"])
