"""`quickwins flags kill` needs nothing but itself: whatever else is wrong, the kill is written and takes effect."""

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
MARK = "\n# quickwins: complete\n"

BROKEN = [
    pytest.param(CONFIG.replace("percent", "percnt"), "unknown key (did you mean 'percent'?)", id="a typo"),
    pytest.param(CONFIG.replace("10", "1000"), "percent: 1000 is not allowed", id="a bad value"),
    pytest.param(CONFIG.replace("percent = 10", "percent = "), "not valid TOML", id="a value left out"),
    pytest.param(CONFIG.replace("[backpressure]", "[backpressure"), "not valid TOML", id="a broken header"),
    pytest.param(CONFIG + "[lgos]\n", "did you mean 'logs'?", id="an unknown section"),
    pytest.param("backpressure = 1\n", "not valid TOML", id="no table"),
    pytest.param("nonsense", "not valid TOML", id="nothing but a word"),
    pytest.param(CONFIG.replace(MARK, "\n"), "", id="the mark is gone"),
    pytest.param(CONFIG[:60], "", id="cut short"),
    pytest.param(CONFIG.replace("incident", "Unfall in M\udcfcnchen"), "not UTF-8", id="not UTF-8"),
    pytest.param("\ufeff" + CONFIG, "", id="a byte order mark"),
    pytest.param("", "", id="empty"),
    pytest.param(f"{CONFIG}\n[logs]\nenabled = false\n", "", id="a section behind the mark"),
    pytest.param(CONFIG.replace("enabled = true", "killed = false"), "", id="said to live"),
    pytest.param(
        CONFIG.replace("enabled = true", "killed = false").replace("10", ""),
        "not valid TOML",
        id="said to live beside a typo",
    ),
]


@pytest.mark.parametrize(("text", "said"), BROKEN)
def test_a_kill_takes_effect_whatever_is_wrong_with_the_file_and_says_what_is(
    quickwins: Call, config: Path, text: str, said: str
) -> None:
    running = Flags(SECTIONS, [FileSource(config)], registry=CollectorRegistry())
    config.write_bytes(text.encode("utf-8", "surrogateescape"))
    running.poll()
    assert running.flag("backpressure").state.why != "killed"

    answer = quickwins("flags", "kill", "backpressure")

    assert answer.code == 0
    assert answer.rows[1][::2] == ["backpressure", "0% (killed)"]
    assert said in answer.err
    assert running.poll()
    assert running.flag("backpressure").state.why == "killed"
    comments = [line.partition("#")[2] for line in text.split("\n") if "complete" not in line]
    written = config.read_bytes().decode("utf-8", "surrogateescape")
    assert all(comment in written for comment in comments), "comments stay"


def test_killing_one_keeps_what_kills_another(quickwins: Call, config: Path) -> None:
    config.write_text(CONFIG.replace("percent = 10", "percent =") + "[logs]\nkilled = true\n")

    assert quickwins("flags", "kill", "backpressure").code == 0
    assert config.read_text().count("killed = true") == 2


@pytest.mark.parametrize(
    "variable",
    ["QUICKWINS_BACKPRESURE__PERCENT", "QUICKWINS_BACKPRESSURE__PERCENT", "QUICKWINS_LOGS"],
)
def test_a_kill_takes_effect_whatever_is_wrong_with_the_environment(
    quickwins: Call, config: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    running = Flags(SECTIONS, [FileSource(config)], registry=CollectorRegistry())
    monkeypatch.setenv(variable, "{")

    answer = quickwins("flags", "kill", "backpressure")

    assert answer.code == 0
    assert variable in answer.err
    assert running.poll()
    assert running.flag("backpressure").state.why == "killed"


def test_a_write_command_of_the_environment_is_run_where_there_is_no_file(
    quickwins: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = "import sys; open('store.json', 'w').write(sys.argv[1])"
    monkeypatch.setenv(
        "QUICKWINS_FLAGS__WRITE_COMMAND", json.dumps([sys.executable, "-c", program, "{changes}"])
    )

    assert quickwins("flags", "kill", "backpressure").code == 0
    assert json.loads((folder / "store.json").read_text()) == {"killed": True}


def test_a_write_command_of_a_file_with_a_typo_is_run(quickwins: Call, config: Path, folder: Path) -> None:
    program = "import sys; open('store.json', 'w').write(sys.argv[1])"
    command = json.dumps([sys.executable, "-c", program, "{changes}"])
    config.write_text(with_flags(f"write_command = {command}").replace("percent", "percnt"))

    assert quickwins("flags", "kill", "backpressure").code == 0
    assert json.loads((folder / "store.json").read_text()) == {"killed": True}


def test_without_a_file_and_a_command_it_says_how_to_name_one(quickwins: Call, folder: Path) -> None:
    answer = quickwins("flags", "kill", "backpressure")

    assert answer.code == 2
    assert "there is no such file" in answer.err
    assert "--config PATH or QUICKWINS_CONFIG" in answer.err


def test_a_kill_beside_a_mistake_is_in_the_history(quickwins: Call, config: Path) -> None:
    config.write_text(CONFIG.replace("percent", "percnt"))

    quickwins("flags", "kill", "backpressure")

    assert quickwins("flags", "history").rows[1][1:4] == ["backpressure", "unknown", "0% (killed)"]


# What running processes would refuse.

APPENDED = f"{CONFIG}\n[logs]\nenabled = false\n"


def test_doctor_fails_on_a_section_behind_the_mark_and_says_what_to_do(quickwins: Call, config: Path) -> None:
    config.write_text(APPENDED)

    answer = quickwins("doctor", "--json")

    assert answer.code == 2
    (finding,) = [one for one in answer.document["findings"] if one["check"] == "config"]
    assert "line 10, '# quickwins: complete', is not the last line: move it to the end" in finding["detail"]


def test_show_says_that_running_processes_refuse_a_file_and_ends_with_3(
    quickwins: Call, config: Path
) -> None:
    config.write_text(APPENDED)

    answer = quickwins("flags", "show")

    assert answer.code == 3
    assert "is not the last line" in answer.err
    assert "processes that are running refuse this file" in answer.err


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [("set", ["percent=50"]), ("kill", []), ("revive", [])],
)
@pytest.mark.parametrize("text", [APPENDED, CONFIG.replace(MARK, "")])
def test_what_a_command_has_written_is_followed(
    quickwins: Call, config: Path, verb: str, arguments: list[str], text: str
) -> None:
    config.write_text(text)
    running = Flags(SECTIONS, [FileSource(config)], registry=CollectorRegistry())

    assert quickwins("flags", verb, "backpressure", *arguments).code == 0
    running.poll()
    shown = quickwins("flags", "show", "backpressure")
    assert shown.code == 0
    assert running.snapshot.digest == quickwins("flags", "show", "--json").document["digest"]


def test_set_moves_the_mark_to_the_end_so_that_processes_that_refused_the_file_follow_it(
    quickwins: Call, config: Path
) -> None:
    running = Flags(SECTIONS, [FileSource(config)], registry=CollectorRegistry())
    config.write_text(APPENDED)
    assert not running.poll()

    assert quickwins("flags", "set", "backpressure", "percent=50").code == 0

    assert running.poll()
    assert str(running.flag("backpressure").state) == "50% (percent)"
    assert config.read_text().endswith("[logs]\nenabled = false\n\n# quickwins: complete\n")
    assert quickwins("doctor").code == 0
