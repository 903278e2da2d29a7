"""`quickwins flags show`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from quickwins.core.flags import FlagSettings
from quickwins.facade import SECTIONS
from tests.unit.cli.conftest import Answer

Call = Callable[..., Answer]
FEATURES = sorted(name for name, model in SECTIONS.items() if issubclass(model, FlagSettings))


def test_lists_each_flag_with_its_state_its_source_and_what_is_not_at_its_default(
    quickwins: Call, config: Path
) -> None:
    answer = quickwins("flags", "show")

    assert answer.code == 0
    assert answer.err == ""
    assert answer.rows == [
        ["feature", "state", "source", "flag"],
        ["backpressure", "10% (percent)", "quickwins.toml", "enabled=true percent=10.0"],
        *([one, "0% (disabled)", "default", "-"] for one in FEATURES if one != "backpressure"),
    ]


def test_of_one_feature_shows_every_setting_with_the_source_it_came_from(
    quickwins: Call, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUICKWINS_BACKPRESSURE__THRESHOLD", "0.9")

    rows = quickwins("flags", "show", "backpressure").rows

    assert rows[:2] == [["setting", "value", "source"], ["state", "10% (percent)", "quickwins.toml"]]
    assert ["threshold", "0.9", "environment"] in rows
    assert ["names.feed.threshold", "0.7", "quickwins.toml"] in rows
    assert ["retry_after_seconds", "1.0", "default"] in rows


def test_json_is_one_document(quickwins: Call, config: Path) -> None:
    document = quickwins("flags", "show", "--json").document

    flag, *others = document["flags"]
    assert ["backpressure", *(one["feature"] for one in others)] == FEATURES
    assert document["service"] == "feed"
    assert (flag["feature"], flag["percent"], flag["why"], flag["source"]) == (
        "backpressure",
        10.0,
        "percent",
        "quickwins.toml",
    )
    assert flag["settings"]["enabled"] == {"value": True, "source": "quickwins.toml"}


def test_another_file_is_read_when_it_is_named_by_option_or_environment(
    quickwins: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "other.toml").write_text("[backpressure]\nkilled = true\n")

    assert "0% (killed)" in quickwins("flags", "show", "--config", "other.toml").out
    monkeypatch.setenv("QUICKWINS_CONFIG", "other.toml")
    assert "0% (killed)" in quickwins("flags", "show").out


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(
            ["backpresure"],
            ["no flag 'backpresure' (did you mean 'backpressure'?); known: backpressure"],
            id="a feature that does not exist",
        ),
        pytest.param(
            ["--config", "nowhere.toml"],
            ["nowhere.toml: there is no such file", "--config PATH or QUICKWINS_CONFIG"],
            id="a file that does not exist",
        ),
    ],
)
def test_a_mistake_is_named_on_stderr_and_ends_with_2(
    quickwins: Call, config: Path, arguments: list[str], expected: list[str]
) -> None:
    answer = quickwins("flags", "show", *arguments)

    assert answer.code == 2
    assert answer.out == ""
    assert "Traceback" not in answer.err
    assert all(line.startswith("quickwins: ") for line in answer.err.splitlines())
    assert all(text in answer.err for text in expected)


def test_an_environment_variable_that_is_no_setting_ends_with_2(
    quickwins: Call, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUICKWINS_BACKPRESURE__PERCENT", "5")

    answer = quickwins("flags", "show")

    assert answer.code == 2
    assert "did you mean 'QUICKWINS_BACKPRESSURE__PERCENT'?" in answer.err


def test_control_characters_of_a_value_reach_no_terminal(quickwins: Call, config: Path) -> None:
    config.write_text('[backpressure]\nsalt = "a\\u001b[2Jb\\tc"\n')

    assert quickwins("flags", "show").rows[1][-1] == "salt=a\\x1b[2Jb\\tc"
