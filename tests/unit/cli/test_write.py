"""`quickwins flags set`, `kill` and `revive`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from quickwins.core.flags import FileSource, Flags
from quickwins.facade import SECTIONS
from tests.unit.cli.conftest import CONFIG, Answer, with_flags

Call = Callable[..., Answer]


def audited(config: Path) -> list[dict[str, object]]:
    path = config.with_name(config.name + ".audit.jsonl")
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_set_prints_old_and_new_and_keeps_the_files_comments(quickwins: Call, config: Path) -> None:
    answer = quickwins("flags", "set", "backpressure", "percent=50", "threshold=0.9")

    assert answer.code == 0
    assert answer.rows == [
        ["what", "old", "new"],
        ["backpressure", "10% (percent)", "50% (percent)"],
        ["backpressure.percent", "10.0", "50.0"],
        ["backpressure.threshold", "0.85", "0.9"],
    ]
    assert answer.err == "quickwins: written to quickwins.toml\n"
    assert "enabled = true  # since the last incident\npercent = 50\nthreshold = 0.9\n" in config.read_text()


def test_set_removes_a_key_so_that_its_default_holds(quickwins: Call, config: Path) -> None:
    assert "100% (on)" in quickwins("flags", "set", "backpressure", "percent=").out
    assert "percent" not in config.read_text()


@pytest.mark.parametrize("spelt", ["False", "FALSE", "no", "off", "0", "'false'"])
def test_set_writes_true_or_false_however_they_are_spelt(quickwins: Call, config: Path, spelt: str) -> None:
    assert quickwins("flags", "set", "backpressure", f"enabled={spelt}").rows[1][2] == "0% (disabled)"
    assert "enabled = false  # since the last incident\n" in config.read_text()


def test_set_writes_a_number_that_was_given_as_text_as_a_number(quickwins: Call, config: Path) -> None:
    assert quickwins("flags", "set", "backpressure", "percent='50'").code == 0
    assert "percent = 50" in config.read_text()


def test_set_reaches_the_table_of_one_pool_and_show_says_where_each_value_is_from(
    quickwins: Call, config: Path
) -> None:
    answer = quickwins("flags", "set", "backpressure", "names.feed.threshold=0.6", "names.reports.gate=queue")

    assert answer.code == 0
    assert ["backpressure.names.feed.threshold", "0.7", "0.6"] in answer.rows
    assert "[backpressure.names.feed]\nthreshold = 0.6\n" in config.read_text()
    assert config.read_text().endswith("\n# quickwins: complete\n")
    quickwins("flags", "set", "backpressure", "target_seconds=0.1")
    rows = quickwins("flags", "show", "backpressure").rows
    assert ["names.reports.gate", "queue", "quickwins.toml"] in rows
    assert ["names.reports.target_seconds", "0.1", "quickwins.toml"] in rows, "inherited from the section"
    assert ["names.reports.threshold", "0.85", "default"] in rows
    assert quickwins("flags", "set", "backpressure", "names.reports.gate=").code == 0
    assert ["names.feed.threshold", "0.6", "quickwins.toml"] in quickwins(
        "flags", "show", "backpressure"
    ).rows


def test_set_takes_dates_and_plain_words(quickwins: Call, config: Path) -> None:
    settings = ["expires_at=2030-01-31T18:00:00Z", "salt=spring 2030"]

    assert quickwins("flags", "set", "backpressure", *settings).code == 0
    text = config.read_text()
    assert "expires_at = 2030-01-31T18:00:00" in text
    assert 'salt = "spring 2030"' in text
    assert audited(config)[0]["changes"] == {
        "expires_at": "2030-01-31T18:00:00+00:00",
        "salt": "spring 2030",
    }


def test_set_leaves_a_line_with_the_digest_that_running_processes_see(quickwins: Call, config: Path) -> None:
    flags = Flags(SECTIONS, [FileSource(config)], registry=CollectorRegistry())

    quickwins("flags", "set", "backpressure", "percent=50")
    flags.poll()

    (line,) = audited(config)
    assert line["event"] == "flag.written"
    assert line["service"] == "feed"
    assert line["digest"] == flags.snapshot.digest
    assert (line["old"], line["new"]) == ("10% (percent)", "50% (percent)")
    assert line["changes"] == {"percent": 50}
    assert line["where"] == "quickwins.toml"


def test_set_leaves_no_line_when_the_audit_is_off(quickwins: Call, config: Path) -> None:
    config.write_text(with_flags("audit = false"))

    assert quickwins("flags", "set", "backpressure", "percent=50").code == 0
    assert not config.with_name("quickwins.toml.audit.jsonl").exists()


def test_set_warns_when_the_history_cannot_be_written_for_the_flag_is_written(
    quickwins: Call, config: Path
) -> None:
    config.with_name("quickwins.toml.audit.jsonl").mkdir()

    answer = quickwins("flags", "set", "backpressure", "percent=50")

    assert answer.code == 0
    assert "percent = 50" in config.read_text()
    assert (
        "warning: quickwins.toml.audit.jsonl: Is a directory: this change is not in the history" in answer.err
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(
            ["backpresure", "percent=1"],
            "no flag 'backpresure' (did you mean 'backpressure'?); known: backpressure",
            id="feature",
        ),
        pytest.param(["flags", "audit=false"], "no flag 'flags'", id="section that is no flag"),
        pytest.param(
            ["backpressure", "percnt=1"],
            "backpressure.percnt: unknown key (did you mean 'percent'?); allowed: enabled, expires_at",
            id="key",
        ),
        pytest.param(
            ["backpressure", "percent=200"],
            "backpressure.percent: 200 is not allowed: input should be less than or equal to 100",
            id="bound",
        ),
        pytest.param(
            ["backpressure", "percent=ten"], "'ten' is not allowed: input should be a valid number", id="type"
        ),
        pytest.param(
            ["backpressure", "expires_at=2030-01-31T18:00:00"], "should have timezone info", id="no offset"
        ),
        pytest.param(["backpressure", "percent"], "write KEY=VALUE, e.g. percent=10", id="no value"),
        pytest.param(["backpressure", "percent=1", "percent=2"], "percent is given twice", id="twice"),
        pytest.param(
            ["backpressure", "names={}"], "edit tables and lists in the file", id="a table would be replaced"
        ),
        pytest.param(
            ["backpressure", "names.feed.threshold=7"],
            "backpressure.names.feed.threshold: 7 is not allowed",
            id="bound of one pool",
        ),
        pytest.param(
            ["backpressure", "names.feed.tresh=1"],
            "names.feed.tresh: unknown key (did you mean 'threshold'?)",
            id="key of one pool",
        ),
        pytest.param(
            ["backpressure", "names.feed=1"],
            "backpressure.names.feed is a table: give one of its keys",
            id="a table",
        ),
        pytest.param(
            ["backpressure", "enabled.x=1"], "backpressure.enabled is not a table", id="below a value"
        ),
        pytest.param(["backpressure", "a b=1"], "'a b' is not a key", id="no key"),
        pytest.param(
            ["backpressure", "enabled=perhaps"],
            "'perhaps' is not allowed: input should be a valid boolean: true or false",
            id="neither true nor false",
        ),
        pytest.param(
            ["backpressure", "percent=1", '"percent"=2'], "are the same key", id="twice, spelt differently"
        ),
        pytest.param(["backpressure", "feature=1"], "feature: unknown key", id="a parameter's name"),
        pytest.param(["backpressure", "self=1"], "self: unknown key", id="another parameter's name"),
    ],
)
def test_a_mistake_writes_nothing_and_says_what_is_allowed(
    quickwins: Call, config: Path, arguments: list[str], expected: str
) -> None:
    answer = quickwins("flags", "set", *arguments)

    assert answer.code == 2
    assert answer.out == ""
    assert expected in answer.err
    assert config.read_text() == CONFIG
    assert not config.with_name("quickwins.toml.audit.jsonl").exists()


def test_a_value_cannot_smuggle_in_other_settings(quickwins: Call, config: Path) -> None:
    assert quickwins("flags", "set", "backpressure", "salt=1\n[flags]\naudit = false").code == 0

    assert "audit" in quickwins("flags", "show").rows[1][-1]


@pytest.mark.parametrize(
    ("assignment", "said"),
    [
        (
            "percent=0.5",
            "warning: backpressure.percent=0.5 is less than one percent; percent=50 would be that share of all\n",
        ),
        ("percent=1", ""),
        ("percent=0", ""),
        ("threshold=0.5", ""),
    ],
)
def test_set_asks_whether_a_share_was_meant_as_a_percentage(
    quickwins: Call, config: Path, assignment: str, said: str
) -> None:
    answer = quickwins("flags", "set", "backpressure", assignment)

    assert (answer.code, answer.err.replace("quickwins: written to quickwins.toml\n", "")) == (
        0,
        said and f"quickwins: {said}",
    )


def test_set_warns_when_the_environment_is_stronger(
    quickwins: Call, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUICKWINS_BACKPRESSURE__PERCENT", "5")

    answer = quickwins("flags", "set", "backpressure", "percent=50", "--json")

    (warning,) = answer.document["warnings"]
    assert answer.code == 0
    assert (
        "backpressure.percent is overridden: environment says QUICKWINS_BACKPRESSURE__PERCENT=5.0" in warning
    )
    assert f"warning: {warning}" in answer.err
    assert answer.document["settings"] == {"percent": {"old": 5.0, "new": 5.0}}


@pytest.mark.parametrize(
    ("section", "environment", "assignment", "expected"),
    [
        pytest.param(
            "killed = true",
            {},
            "percent=50",
            "quickwins.toml has killed it; `quickwins flags revive",
            id="killed here",
        ),
        pytest.param(
            "enabled = true",
            {"QUICKWINS_BACKPRESSURE__KILLED": "1"},
            "percent=50",
            "environment has killed it; only that source can revive it",
            id="killed elsewhere",
        ),
        pytest.param("enabled = false", {}, "percent=50", "it is not enabled", id="not enabled"),
        pytest.param(
            "enabled = true\nexpires_at = 2020-01-01T00:00:00Z",
            {},
            "percent=50",
            "has expired: fallback_percent applies",
            id="expired",
        ),
    ],
)
def test_set_warns_when_another_field_keeps_it_without_effect(
    quickwins: Call,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    section: str,
    environment: dict[str, str],
    assignment: str,
    expected: str,
) -> None:
    config.write_text(f"[backpressure]\n{section}\n")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    answer = quickwins("flags", "set", "backpressure", assignment)

    assert answer.code == 0
    assert "warning: backpressure " in answer.err
    assert expected in answer.err


def test_kill_and_revive_are_each_others_inverse(quickwins: Call, config: Path) -> None:
    killed = quickwins("flags", "kill", "backpressure")
    revived = quickwins("flags", "revive", "backpressure")

    assert killed.rows[1] == ["backpressure", "10% (percent)", "0% (killed)"]
    assert revived.rows[1] == ["backpressure", "0% (killed)", "10% (percent)"]
    assert "warning" not in killed.err + revived.err


def test_revive_warns_when_another_source_still_kills(
    quickwins: Call, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUICKWINS_BACKPRESSURE__KILLED", "true")

    assert "warning" not in quickwins("flags", "kill", "backpressure").err
    answer = quickwins("flags", "revive", "backpressure")

    assert answer.code == 0
    assert (
        "backpressure.killed is overridden: environment says QUICKWINS_BACKPRESSURE__KILLED=true"
        in answer.err
    )


def test_a_mounted_config_map_is_refused_with_the_reason(quickwins: Call, config: Path) -> None:
    config.with_name("..data").symlink_to(".")

    answer = quickwins("flags", "kill", "backpressure")

    assert answer.code == 2
    assert "Kubernetes ConfigMap" in answer.err
    assert "write_command" in answer.err


def test_a_write_that_the_system_refuses_ends_with_2(
    quickwins: Call, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)

    answer = quickwins("flags", "kill", "backpressure")

    assert answer.code == 2
    assert answer.err == "quickwins: quickwins.toml: No space left on device; nothing was written\n"
    assert config.read_text() == CONFIG


def test_a_write_command_takes_the_change_elsewhere(quickwins: Call, config: Path, folder: Path) -> None:
    program = "import sys; open('store.json', 'w').write(sys.argv[1])"
    command = json.dumps([sys.executable, "-c", program, "{changes}"])
    config.write_text(with_flags(f"write_command = {command}"))

    answer = quickwins("flags", "set", "backpressure", "percent=50")

    assert answer.code == 0
    assert json.loads((folder / "store.json").read_text()) == {"percent": 50}
    assert "it takes effect when that store hands it out" in answer.err
    assert audited(config)[0]["where"] == sys.executable


def test_a_write_command_that_fails_ends_with_5(quickwins: Call, config: Path) -> None:
    command = json.dumps([sys.executable, "-c", "raise SystemExit('the store says no')"])
    config.write_text(with_flags(f"write_command = {command}"))

    answer = quickwins("flags", "kill", "backpressure")

    assert answer.code == 5
    assert "the store says no" in answer.err
