"""`quickwins flags history`; the folding has its own tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from tests.unit.cli.conftest import Answer, with_flags

Call = Callable[..., Answer]


def test_shows_a_row_for_each_switch_the_newest_last(quickwins: Call, config: Path) -> None:
    for percent in (20, 30, 40):
        quickwins("flags", "set", "backpressure", f"percent={percent}")

    answer = quickwins("flags", "history", "--limit", "2")

    assert answer.code == 0
    assert answer.rows[0] == [
        "first_seen",
        "feature",
        "old",
        "new",
        "source",
        "processes",
        "spread_seconds",
        "written",
    ]
    assert [row[1:] for row in answer.rows[1:]] == [
        ["backpressure", "20% (percent)", "30% (percent)", "quickwins.toml", "0", "0.0", "percent=30"],
        ["backpressure", "30% (percent)", "40% (percent)", "quickwins.toml", "0", "0.0", "percent=40"],
    ]


def test_json_is_one_list(quickwins: Call, config: Path) -> None:
    quickwins("flags", "set", "backpressure", "percent=")

    (row,) = quickwins("flags", "history", "--json").document

    assert row["at"].endswith("Z")
    assert row["written"] == {"percent": None}
    assert row["processes"] == 0


def test_without_a_file_there_is_nothing_to_show(quickwins: Call, config: Path) -> None:
    assert quickwins("flags", "history", "--json").document == []


def test_an_audit_that_is_off_or_unreadable_ends_with_2(quickwins: Call, config: Path) -> None:
    config.with_name("quickwins.toml.audit.jsonl").mkdir()
    unreadable = quickwins("flags", "history")
    config.write_text(with_flags("audit = false"))
    off = quickwins("flags", "history")

    assert (unreadable.code, off.code) == (2, 2)
    assert "quickwins.toml.audit.jsonl: Is a directory" in unreadable.err
    assert "audit is false under [flags]" in off.err
