"""`quickwins flags watch`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from types import SimpleNamespace

import pytest
from prometheus_client import CollectorRegistry

from quickwins.cli.flags.watch import follow
from quickwins.core.events import LOGGER
from quickwins.core.flags import Flags, MemorySource
from quickwins.facade import SECTIONS
from tests.unit.cli.conftest import CONFIG, Answer

Call = Callable[..., Answer]
Edit = Callable[[], object]


def instead_of_sleeping(monkeypatch: pytest.MonkeyPatch, edits: list[Edit]) -> None:
    left = iter(edits)
    clock = SimpleNamespace(sleep=lambda _: next(left)())
    monkeypatch.setattr("quickwins.cli.flags.watch.time", clock)


def edited(config: Path, old: str, new: str) -> Edit:
    return lambda: config.write_text(config.read_text().replace(old, new))


def test_prints_each_change_and_ends_after_the_given_number(
    quickwins: Call, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = [
        edited(config, "percent = 10", "percent = 50\nthreshold = 0.9"),
        edited(config, "incident", "outage"),
        edited(config, "enabled = true", "enabled = false"),
    ]
    instead_of_sleeping(monkeypatch, edits)

    answer = quickwins("flags", "watch", "--count", "2")

    assert answer.code == 0
    assert answer.err == "quickwins: watching quickwins.toml; Ctrl-C stops\n"
    assert [row[1:] for row in answer.rows] == [
        ["backpressure", "10% (percent)", "50% (percent)", "quickwins.toml", "percent=50.0 threshold=0.9"],
        ["backpressure", "50% (percent)", "0% (disabled)", "quickwins.toml", "enabled=false"],
    ]


def test_the_source_of_an_instances_setting_is_who_said_it(
    quickwins: Call, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUICKWINS_BACKPRESSURE__PERCENT", "10")
    instead_of_sleeping(monkeypatch, [edited(config, "threshold = 0.7", "threshold = 0.6")])

    answer = quickwins("flags", "watch", "--count", "1")

    assert [row[1:] for row in answer.rows] == [
        [
            *("backpressure", "10% (percent)", "10% (percent)", "quickwins.toml"),
            "names.feed.threshold=0.6",
        ]
    ]


def test_json_is_a_document_a_line(quickwins: Call, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    instead_of_sleeping(monkeypatch, [edited(config, "percent = 10", "killed = true\npercent = 10")])

    change = quickwins("flags", "watch", "--json", "--count", "1").document

    assert change.pop("at").endswith("Z")
    assert change == {
        "section": "backpressure",
        "old": "10% (percent)",
        "new": "0% (killed)",
        "source": "quickwins.toml",
        "changes": {"killed": True},
    }


def test_says_when_the_file_is_broken_and_when_it_is_good_again(
    quickwins: Call, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits: list[Edit] = [
        config.unlink,
        lambda: config.write_text(CONFIG),
        edited(config, "percent = 10", "percent = 20"),
    ]
    instead_of_sleeping(monkeypatch, edits)

    answer = quickwins("flags", "watch", "--count", "1")

    assert len(answer.rows) == 1
    assert answer.err.splitlines()[1:] == [
        f"quickwins: quickwins.toml: there is no such file in {config.parent}",
        "quickwins: the last good settings stay in effect until this is fixed",
        "quickwins: file: works again",
    ]


def test_leaves_logging_and_the_audit_file_as_they_were(
    quickwins: Call, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logger = logging.getLogger(LOGGER)
    before = (logger.level, logger.propagate, list(logger.handlers))
    instead_of_sleeping(monkeypatch, [edited(config, "percent = 10", "percent = 20")])

    quickwins("flags", "watch", "--count", "1")

    assert (logger.level, logger.propagate, list(logger.handlers)) == before
    assert not config.with_name("quickwins.toml.audit.jsonl").exists()


def test_other_events_of_the_library_are_not_the_watchers_news(
    quickwins: Call, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def log() -> None:
        logging.getLogger(LOGGER).warning("not a source")

    instead_of_sleeping(monkeypatch, [log, edited(config, "percent = 10", "percent = 20")])

    assert "not a source" not in quickwins("flags", "watch", "--count", "1").err


def test_ctrl_c_ends_with_130(quickwins: Call, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    instead_of_sleeping(monkeypatch, [interrupt])

    assert quickwins("flags", "watch").code == 130


def test_follow_sleeps_for_the_poll_interval_and_tells_of_sections_that_are_no_flags() -> None:
    source = MemorySource({"flags": {"poll_interval_seconds": 2.0}})
    flags = Flags(SECTIONS, [source], registry=CollectorRegistry())
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        source.set("flags", poll_interval_seconds=3.0 if len(slept) == 1 else 4.0)

    changes = list(islice(follow(flags, sleep), 2))

    assert slept == [2.0, 3.0]
    assert [
        (change.section, change.old, change.source, json.dumps(dict(change.changes))) for change in changes
    ] == [
        ("flags", "", "memory", '{"poll_interval_seconds": 3.0}'),
        ("flags", "", "memory", '{"poll_interval_seconds": 4.0}'),
    ]


def test_follow_tells_of_a_flag_that_expires_by_itself() -> None:
    from quickwins.core.clock import FakeClock

    clock = FakeClock(wall_now=1_893_456_000.0 - 1.0)  # a second before 2030
    values = {"enabled": True, "percent": 50, "fallback_percent": 5, "expires_at": "2030-01-01T00:00:00Z"}
    flags = Flags(
        SECTIONS, [MemorySource({"backpressure": values})], registry=CollectorRegistry(), clock=clock
    )

    found = follow(flags, clock.jump)
    seconds_until_seen: Iterator[object] = islice(found, 1)

    (change,) = seconds_until_seen
    assert (change.old, change.new, change.changes) == ("50% (percent)", "5% (expired)", {})  # type: ignore[attr-defined]  # -- a change, as the test has made sure; until=never
