"""`quickwins rollout`: what a person sees and says, without anything that runs."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Answer

Call = Callable[..., Answer]

PLAN = """
[backpressure]
steps = [{ percent = 10, hold = "4h", min_requests = 20000 }, { percent = 100, hold = "12h", approval = true }]
targets = ["http://127.0.0.1:9/metrics"]
group = "gateway"

[channels]
steps = [{ percent = 50 }]
targets = ["http://127.0.0.1:9/metrics"]
group = "gateway"

[logs]
steps = [{ percent = 10 }]
targets = ["http://127.0.0.1:9/metrics"]

[suppressions]
steps = [{ percent = 100 }]
targets = ["http://127.0.0.1:9/metrics"]

[dedup]
steps = [{ percent = 10 }]
targets = ["http://127.0.0.1:9/metrics"]

[query_cache]
steps = [{ percent = 10 }]
"""


@pytest.fixture
def ramps(config: Path) -> Path:
    path = config.with_name("rollout.toml")
    path.write_text(PLAN)
    return path


def written(config: Path) -> list[str]:
    return sorted(file.name for file in config.parent.iterdir())


@pytest.mark.usefixtures("ramps")
def test_a_plan_is_shown_and_nothing_is_written(quickwins: Call, config: Path) -> None:
    before = config.read_text(), written(config)
    answer = quickwins("rollout", "plan", "backpressure")
    assert answer.code == 0
    assert answer.rows[1] == ["1", "10.0", "14400.0", "20000", "false"]
    assert quickwins("rollout", "start", "backpressure", "--dry-run", "--json").document["group"] == "gateway"
    assert (config.read_text(), written(config)) == before


@pytest.mark.parametrize(
    ("feature", "said"),
    [
        pytest.param("logs", "0 or 100", id="what can't be split"),
        pytest.param("query_cache", "targets, or a prometheus", id="nowhere to look"),
        pytest.param("dedup", "of partitions, and requests say nothing", id="what isn't split by requests"),
        pytest.param("indexes", "no ramp of 'indexes'", id="no plan"),
        pytest.param("nope", "no flag 'nope'", id="no flag"),
    ],
)
@pytest.mark.usefixtures("ramps")
def test_what_can_not_be_followed_is_refused(quickwins: Call, feature: str, said: str) -> None:
    answer = quickwins("rollout", "plan", feature)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err


@pytest.mark.parametrize("feature", ["suppressions", "dedup"])
def test_what_is_not_split_by_requests_is_compared_with_what_was_normal(
    feature: str, quickwins: Call, ramps: Path
) -> None:
    ramps.write_text(ramps.read_text().replace("[dedup]", '[dedup]\ncontrol = "baseline"'))
    assert quickwins("rollout", "plan", feature).code == 0


@pytest.mark.usefixtures("ramps")
def test_a_flag_that_another_source_sets_is_refused(quickwins: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUICKWINS_BACKPRESSURE__PERCENT", "5")
    answer = quickwins("rollout", "plan", "backpressure")
    assert answer.code == 2
    assert "backpressure.percent comes from" in answer.err


@pytest.mark.usefixtures("ramps")
def test_a_ramp_is_begun_paused_resumed_approved_and_aborted(quickwins: Call, config: Path) -> None:
    assert quickwins("rollout", "status", "backpressure").code == 2
    begun = quickwins("rollout", "start", "backpressure", "--json")
    assert (begun.code, begun.document["phase"]) == (0, "observing")
    assert quickwins("rollout", "start", "backpressure").code == 4
    assert quickwins("rollout", "start", "channels").code == 4  # of the same group
    assert quickwins("rollout", "pause", "backpressure", "--json").document["paused"] is True
    assert quickwins("rollout", "resume", "backpressure", "--json").document["paused"] is False
    assert quickwins("rollout", "approve", "backpressure").code == 0
    untouched = config.read_text()
    assert quickwins("rollout", "abort", "backpressure", "--dry-run").code == 0
    assert config.read_text() == untouched
    aborted = quickwins("rollout", "abort", "backpressure", "--json").document
    assert (aborted["phase"], aborted["why"]) == ("rolling_back", "aborted")
    flag = tomllib.loads(config.read_text())["backpressure"]
    assert (flag["percent"], flag["killed"]) == (0, True)
    asked = quickwins("rollout", "history", "backpressure", "--json").document
    assert [one["what"] for one in asked] == ["start", "pause", "resume", "approve", "abort"]


@pytest.mark.usefixtures("ramps")
def test_what_does_not_run_can_not_be_told_anything_and_what_is_killed_does_not_begin(
    quickwins: Call,
) -> None:
    for said in ("approve", "pause", "resume"):
        assert quickwins("rollout", said, "backpressure").code == 4
    quickwins("flags", "kill", "backpressure")
    answer = quickwins("rollout", "start", "backpressure")
    assert answer.code == 4
    assert "quickwins flags revive backpressure" in answer.err


@pytest.mark.usefixtures("ramps")
def test_an_approval_that_nobody_asked_for_is_told_apart_from_one_that_was(
    quickwins: Call, config: Path
) -> None:
    quickwins("rollout", "start", "backpressure")
    answer = quickwins("rollout", "approve", "backpressure", "--json")
    assert (answer.code, answer.document["approval"]) == (0, "not asked for")
    assert "the next step asks for nobody's approval" in answer.err
    kept = config.with_name(config.name + ".rollout.json")
    record = json.loads(kept.read_text())
    record["backpressure"]["state"] |= {"phase": "ramping", "step": 0, "percent": 10.0}
    kept.write_text(json.dumps(record))
    assert quickwins("rollout", "status", "backpressure", "--json").document["approval"] == "asked for"
    answer = quickwins("rollout", "approve", "backpressure", "--json")
    assert (answer.document["approval"], answer.err) == ("given", "")


@pytest.mark.usefixtures("ramps")
def test_what_is_on_its_way_back_takes_no_other_word_than_that_some_targets_are_gone(quickwins: Call) -> None:
    quickwins("rollout", "start", "backpressure")
    quickwins("rollout", "abort", "backpressure")
    quickwins("flags", "revive", "backpressure")
    for said in ("approve", "pause", "resume", "start"):
        answer = quickwins("rollout", said, "backpressure")
        assert (answer.code, answer.out) == (4, "")
        assert "on its way back, until every target shows 0" in answer.err
    ended = quickwins("rollout", "abort", "backpressure", "--unseen", "--json").document
    assert (ended["phase"], ended["confirmed"]) == ("rolled_back", False)
    quickwins("flags", "revive", "backpressure")
    assert quickwins("rollout", "start", "backpressure").code == 0


@pytest.mark.usefixtures("ramps")
def test_a_damaged_file_of_ramps_turns_the_feature_off_and_says_so(quickwins: Call, config: Path) -> None:
    config.with_name(config.name + ".rollout.json").write_text("{")
    answer = quickwins("rollout", "abort", "backpressure")
    assert (answer.code, answer.out) == (6, "")
    assert "backpressure is off, but its ramp is not ended" in answer.err
    assert "killed = true" in config.read_text()


@pytest.mark.usefixtures("ramps")
def test_an_abort_with_nothing_to_take_back_is_done(quickwins: Call, config: Path) -> None:
    before = config.read_text()
    answer = quickwins("rollout", "abort", "backpressure", "--json")
    assert (answer.code, answer.document) == (0, {"feature": "backpressure", "phase": None})
    assert "no ramp is under way" in answer.err
    assert "quickwins flags kill backpressure" in answer.err
    assert config.read_text() == before
    quickwins("rollout", "start", "backpressure")
    codes = [
        quickwins("rollout", "abort", "backpressure").code for _ in range(2)
    ]  # as an alert that goes on does
    assert codes == [0, 0]


AWAY = "postgresql://ops:s3cret@127.0.0.1:9/ops"


@pytest.mark.usefixtures("ramps")
def test_what_keeps_ramps_is_away_and_the_feature_is_turned_off_all_the_same(
    quickwins: Call, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("QUICKWINS_ROLLOUT__STORE", AWAY)
    for said in ("start", "status", "run", "approve", "pause", "resume"):
        answer = quickwins("rollout", said, "backpressure")
        assert (answer.code, answer.out) == (5, ""), said
        assert "ramps can't be reached" in answer.err
        assert "s3cret" not in answer.err
    aborted = quickwins("rollout", "abort", "backpressure")
    assert (aborted.code, aborted.out) == (6, "")
    assert "backpressure is off, but its ramp is not ended" in aborted.err
    assert "s3cret" not in aborted.err
    assert tomllib.loads(config.read_text())["backpressure"]["killed"] is True


@pytest.mark.parametrize(
    ("given", "said"),
    [
        pytest.param(AWAY, "a password does not belong in a file", id="a password"),
        pytest.param("mysql://ops:s3cret@db/ops", "postgresql://USER@HOST/DATABASE", id="another database"),
        pytest.param("postgresql://ops@db:s3cret/ops", "postgresql://USER@HOST/DATABASE", id="no port"),
    ],
)
@pytest.mark.usefixtures("ramps")
def test_an_address_that_can_not_be_meant_is_refused_and_not_shown(
    given: str, said: str, quickwins: Call, config: Path
) -> None:
    config.write_text(
        config.read_text().replace("\n# quickwins", f'\n[rollout]\nstore = "{given}"\n\n# quickwins')
    )
    answer = quickwins("rollout", "status", "backpressure")
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert "s3cret" not in answer.err


@pytest.mark.usefixtures("ramps")
def test_a_configuration_that_can_not_be_read_keeps_nobody_from_the_file_of_ramps(
    quickwins: Call, config: Path
) -> None:
    text = config.read_text()
    config.write_text(text.replace("[backpressure]", "[backpressure"))
    assert quickwins("rollout", "abort", "backpressure").code == 2  # ramps may be in a database that it names
    config.write_text(text)
    quickwins("rollout", "start", "backpressure")
    config.write_text(text.replace("percent = 10", "percent ="))
    assert quickwins("rollout", "abort", "backpressure").code == 0
    assert "killed = true" in config.read_text()


@pytest.mark.usefixtures("ramps")
def test_a_history_that_says_something_else_is_a_finding(quickwins: Call, config: Path) -> None:
    quickwins("rollout", "start", "backpressure")
    assert quickwins("rollout", "replay", "backpressure").code == 0
    from quickwins.rollout import Facts, decide
    from quickwins.rollout._audit import line_of
    from quickwins.rollout._core.state import STATE

    kept = json.loads(config.with_name("quickwins.toml.rollout.json").read_text())
    state = STATE.validate_python(kept["backpressure"]["state"])
    now = state.started_at + 1
    line = line_of(state, Facts(), now, decide(state, Facts(), now), holder="a")
    audit = config.with_name("quickwins.toml.rollout.jsonl")
    audit.write_text(json.dumps(line) + "\n")
    assert quickwins("rollout", "replay", "backpressure").code == 0
    audit.write_text(json.dumps({**line, "verdict": "pass"}) + "\n")
    assert quickwins("rollout", "replay", "backpressure").code == 3
