"""Configuration is taken whole or not at all, and a mistake is named with its place and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, SecretStr, ValidationError

from quickwins.core.config import Layer, Section, Settings, load_environment, load_file, resolve
from quickwins.core.errors import ConfigError
from quickwins.core.flags import FlagSettings, SourceError, SourceReason
from quickwins.core.flags._kills import killed_in
from quickwins.core.flags.loading import read_settings, sources_of


class Inner(Section):
    depth: int = Field(default=1, ge=1)


class Gate(FlagSettings):
    threshold: float = Field(default=0.85, gt=0, le=1)
    names: Mapping[str, Inner] = {}


class Scrape(Section):
    token: SecretStr | None = None
    inner: Inner = Inner()


SECTIONS: dict[str, type[Section]] = {"gate": Gate, "scrape": Scrape}


def settle(file: str = "", env: Mapping[str, str] | None = None) -> Settings:
    return resolve([load_environment(env or {}, SECTIONS), load_file(file, "quickwins.toml")], SECTIONS)


def test_nothing_given_is_every_default() -> None:
    settings = settle()
    assert settings.section("gate", Gate) == Gate()
    assert settings.service == ""
    assert not settings.origins


def test_the_environment_beats_the_file_and_each_key_knows_where_it_came_from() -> None:
    settings = settle(
        'service = "feed"\n[gate]\nthreshold = 0.5\npercent = 20\n[gate.names.a]\ndepth = 2\n',
        {"QUICKWINS_GATE__THRESHOLD": "0.9", "quickwins_scrape__inner__depth": "7", "PATH": "/bin"},
    )
    gate = settings.section("gate", Gate)
    assert (settings.service, gate.threshold, gate.percent, gate.names["a"].depth) == ("feed", 0.9, 20, 2)
    assert settings.section("scrape", Scrape).inner.depth == 7
    assert settings.origins == {
        "service": "quickwins.toml",
        "gate.threshold": "environment",
        "gate.percent": "quickwins.toml",
        "gate.names.a.depth": "quickwins.toml",
        "scrape.inner.depth": "environment",
    }


def test_the_environment_reaches_into_a_table_of_instances() -> None:
    assert (
        settle(env={"QUICKWINS_GATE__NAMES__FEED__DEPTH": "3"}).section("gate", Gate).names["feed"].depth == 3
    )


@pytest.mark.parametrize(
    ("file", "env"), [(True, False), (False, True), (True, True), (True, None), (None, True)]
)
def test_a_kill_from_anywhere_wins(file: bool | None, env: bool | None) -> None:
    text = "" if file is None else f"[gate]\nkilled = {str(file).lower()}\n"
    variables = {} if env is None else {"QUICKWINS_GATE__KILLED": str(env)}
    settings = settle(text, variables)
    assert settings.section("gate", Gate).killed
    assert settings.origins["gate.killed"] == ("environment" if env else "quickwins.toml")


def test_without_a_kill_nothing_is_killed() -> None:
    assert (
        not settle("[gate]\nkilled = false\n", {"QUICKWINS_GATE__KILLED": "0"}).section("gate", Gate).killed
    )


@pytest.mark.parametrize(
    ("file", "env", "expected"),
    [
        pytest.param("gate = \n", {}, r"quickwins\.toml: not valid TOML: .*line 1", id="broken TOML"),
        pytest.param("a = " + "[" * 5000, {}, r"quickwins\.toml: not valid TOML", id="nested without end"),
        pytest.param(
            "[gate]\ntreshold = 0.5\n",
            {},
            r"quickwins\.toml: gate\.treshold: unknown key \(did you mean 'threshold'\?\); allowed: enabled, .*threshold",
            id="misspelt key",
        ),
        pytest.param(
            "[gates]\n",
            {},
            r"unknown key \(did you mean 'gate'\?\); allowed: gate, scrape, service",
            id="section",
        ),
        pytest.param(
            "[scrape.inner]\nx = 1\n",
            {},
            r"quickwins\.toml: scrape\.inner\.x: unknown key; allowed: depth",
            id="nested",
        ),
        pytest.param(
            "[gate.names.a]\nx = 1\n",
            {},
            r"quickwins\.toml: gate\.names\.a\.x: unknown key; allowed: depth",
            id="named",
        ),
        pytest.param(
            "[gate]\nthreshold = 1.5\n",
            {},
            r"quickwins\.toml: gate\.threshold: 1\.5 is not allowed: input should be less than or equal to 1",
            id="out of range",
        ),
        pytest.param(
            "",
            {"QUICKWINS_GATE__THRESHOLD": "x"},
            r"environment: QUICKWINS_GATE__THRESHOLD: 'x' is not allowed: input should be a valid number",
            id="bad variable",
        ),
        pytest.param(
            "",
            {"QUICKWINS_GTE__THRESHOLD": "1"},
            r"environment: QUICKWINS_GTE__THRESHOLD: unknown setting \(did you mean 'QUICKWINS_GATE__THRESHOLD'\?\); allowed: "
            "QUICKWINS_CONFIG, QUICKWINS_SERVICE, QUICKWINS_GATE__",
            id="misspelt section in a variable",
        ),
        pytest.param(
            "",
            {"QUICKWINS_CONFIGURATION": "a.toml"},
            r"QUICKWINS_CONFIGURATION: unknown setting \(did you mean 'QUICKWINS_CONFIG'\?\)",
            id="a variable that is no section's",
        ),
        pytest.param(
            "",
            {"QUICKWINS_X": "1"},
            r"QUICKWINS_X: unknown setting; allowed",
            id="a variable like no other",
        ),
        pytest.param(
            "",
            {"QUICKWINS_GATE__NAMES": "[" * 100_000},
            r"environment: QUICKWINS_GATE__NAMES: lists and tables are given as JSON",
            id="JSON without end",
        ),
        pytest.param(
            "[GATE]\n", {}, r"GATE: unknown key \(did you mean 'gate'\?\)", id="a section in capitals"
        ),
        pytest.param(
            "[gate]\nThresHold = 1\n",
            {},
            r"gate\.ThresHold: unknown key \(did you mean 'threshold'\?\)",
            id="a key in capitals",
        ),
        pytest.param(
            "[gate]\nnames = [true]\n",
            {},
            r"gate\.names: \[true\] is not allowed: input should be a table",
            id="a list for a table",
        ),
        pytest.param(
            f"[gate]\nthreshold = '{'x' * 1000}'\n",
            {},
            r"gate\.threshold: 'x{99}… is not allowed: input should be a valid number",
            id="a long value",
        ),
        pytest.param(
            f"[gate]\n{'x' * 1000} = 1\n", {}, r"gate\.x{95}…: unknown key; allowed", id="a long key"
        ),
        pytest.param(
            "",
            {"QUICKWINS_GATE_THRESHOLD": "1"},
            r"environment: QUICKWINS_GATE_THRESHOLD: unknown setting \(did you mean 'QUICKWINS_GATE__THRESHOLD'\?\)",
            id="one underscore",
        ),
        pytest.param(
            "",
            {"QUICKWINS_GATE__NAMES": "a,b"},
            r'environment: QUICKWINS_GATE__NAMES: lists and tables are given as JSON, such as \["one", "two"\]',
            id="no JSON",
        ),
        pytest.param(
            "",
            {"QUICKWINS_GATE": "{"},
            r"environment: QUICKWINS_GATE: a whole section must be given as a JSON object",
            id="bad JSON",
        ),
        pytest.param(
            "gate = 1\n",
            {},
            r"quickwins\.toml: gate: 1 is not allowed: input should be a table",
            id="not a table",
        ),
        pytest.param(
            "gate = 5\n",
            {"QUICKWINS_GATE__ENABLED": "1"},
            r"quickwins\.toml: gate: 5 is not",
            id="no table, hidden",
        ),
        pytest.param(
            "[gate]\nkilled = true\n",
            {"QUICKWINS_GATE": "5"},
            r"environment: QUICKWINS_GATE: 5 is",
            id="no table above",
        ),
        pytest.param(
            "[gate]\npercent = 400\n",
            {"QUICKWINS_GATE__PERCENT": "10"},
            r"quickwins\.toml: gate\.percent: 400 is not allowed",
            id="a bad value that a stronger source hides",
        ),
        pytest.param(
            "[gate]\npercent = true\n", {}, r"gate\.percent: true is not.*not true or false", id="boolean"
        ),
        pytest.param(
            "[gate]\npercent = 99.996\n", {}, r"gate\.percent: 99.996 is not.*two decimals", id="decimals"
        ),
        pytest.param(
            "[gate]\nkilled = 7\n",
            {},
            r"quickwins\.toml: gate\.killed: 7 is not allowed.*boolean",
            id="no boolean",
        ),
        pytest.param(
            "[gate]\nexpires_at = 2026-01-01T00:00:00\n",
            {},
            r"gate\.expires_at: 2026-01-01 00:00:00 is not allowed: .*timezone",
            id="expiry without an offset",
        ),
        pytest.param("[gate]\npercent = nan\n", {}, r"gate\.percent: nan is not allowed", id="not a number"),
        pytest.param(
            "[scrape]\ntoken = 'hunter2'\n",
            {},
            r"quickwins\.toml: scrape\.token: a secret does not belong in a file; set QUICKWINS_SCRAPE__TOKEN",
            id="secret in the file",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place_and_what_is_allowed(
    file: str, env: dict[str, str], expected: str
) -> None:
    with pytest.raises(ConfigError, match=expected) as caught:
        settle(file, env)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None or "hunter2" not in str(caught.value.__cause__)


def test_all_mistakes_are_named_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        settle("[gate]\nthreshold = 9\npercent = -1\nx = 1\n")
    assert len(str(caught.value).splitlines()) == 3


def test_of_very_many_mistakes_as_many_are_named_as_somebody_may_read() -> None:
    with pytest.raises(ConfigError) as caught:
        settle("[gate]\n" + "".join(f"x{number} = 1\n" for number in range(1_060)))
    assert len(str(caught.value).splitlines()) == 51
    assert str(caught.value).endswith("\nand 1,010 more")


def test_no_mistake_hides_another_wherever_it_is() -> None:
    with pytest.raises(ConfigError) as caught:
        settle(
            "[gate]\nthreshold = 9\n[scrape]\ntoken = 'hunter2'\nx = 1\n",
            {
                "QUICKWINS_GTE__PERCENT": "1",
                "QUICKWINS_SCRAPE": "{",
                "QUICKWINS_GATE__PERCENT": "400",
                "QUICKWINS_GATE__NAMES__A__DEPTH": "x",
            },
        )
    lines = str(caught.value).splitlines()
    assert [line.split(": ")[1] for line in lines] == [
        "QUICKWINS_GTE__PERCENT",
        "QUICKWINS_SCRAPE",
        "QUICKWINS_GATE__PERCENT",
        "QUICKWINS_GATE__NAMES__A__DEPTH",
        "scrape.token",
        "gate.threshold",
        "scrape.x",
    ]
    assert "hunter2" not in str(caught.value)


def test_a_variable_that_is_no_json_hides_no_other_and_no_kill() -> None:
    layer = load_environment(
        {"QUICKWINS_GATE__NAMES": "a,b", "QUICKWINS_GATE__KILLED": "true", "QUICKWINS_GTE__X": "1"}, SECTIONS
    )
    assert killed_in(layer.values) == {"gate"}
    assert [line.split(": ")[1] for line in layer.mistakes] == ["QUICKWINS_GTE__X", "QUICKWINS_GATE__NAMES"]


@pytest.mark.parametrize("variable", ["QUICKWINS_SERVICE", "QUICKWINS_GATE__NAMES__F\udce9__THRESHOLD"])
def test_bytes_that_are_no_text_are_named_and_reach_no_series(variable: str) -> None:
    with pytest.raises(ConfigError) as caught:
        settle(env={variable: "caf\udce9", "QUICKWINS_GATE__THRESHOLD": "x"})
    first, second = str(caught.value).splitlines()
    assert first == f"environment: {variable!a}: not text in this locale's encoding"
    assert second.startswith("environment: QUICKWINS_GATE__THRESHOLD: 'x' is not allowed")


def test_a_file_that_is_not_there_hides_no_mistake_of_the_environment(tmp_path: Path) -> None:
    sources = sources_of(tmp_path / "quickwins.toml", {"QUICKWINS_GTE__X": "1"}, SECTIONS)
    with pytest.raises(SourceError) as caught:
        read_settings(sources, SECTIONS)
    assert caught.value.reason is SourceReason.MISSING
    missing, unknown = str(caught.value).splitlines()
    assert "no such file" in missing
    assert "QUICKWINS_GTE__X: unknown setting" in unknown


@pytest.mark.parametrize("service", ["QUICKWINS", "QUICKWINS_SCRAPE", "QUICKWINS_GATE", "QUICKWINS_FEED_API"])
def test_what_kubernetes_sets_for_a_service_is_no_setting_of_ours(service: str) -> None:
    port = "PORT_9100_TCP"
    links = {
        "SERVICE_HOST": "10.0.0.1",
        "SERVICE_PORT": "9100",
        "SERVICE_PORT_HTTP_METRICS": "9100",
        "PORT": "tcp://10.0.0.1:9100",
        port: "tcp://10.0.0.1:9100",
        f"{port}_PROTO": "tcp",
        f"{port}_PORT": "9100",
        f"{port}_ADDR": "10.0.0.1",
        "PORT_53_UDP": "udp://10.0.0.1:53",
    }
    assert settle(env={f"{service}_{name}": value for name, value in links.items()}).origins == {}


@pytest.mark.parametrize("variable", ["QUICKWINS_SCRAPE_PORT", "QUICKWINS_PORT", "QUICKWINS_GATE_PERCENT"])
def test_a_variable_that_only_looks_like_one_of_kubernetes_is_a_mistake(variable: str) -> None:
    with pytest.raises(ConfigError, match=f"environment: {variable}: unknown setting"):
        settle(env={variable: "9100"})


@pytest.mark.parametrize(
    ("file", "env", "expected"),
    [
        pytest.param(
            "[gate.feed]\ndepth = 2\n", {}, r"did you mean \[gate\.names\.feed\]\?", id="a pool's name"
        ),
        pytest.param("[gate.nmes.feed]\n", {}, r"did you mean 'names'\?", id="a typo"),
        pytest.param("[gate]\nthresh = 2\n", {}, r"did you mean 'threshold'\?", id="no table"),
        pytest.param(
            "",
            {"QUICKWINS_GATE__FEED__DEPTH": "2"},
            r"did you mean QUICKWINS_GATE__NAMES__FEED\?",
            id="in a variable",
        ),
    ],
)
def test_the_table_of_an_instance_a_level_too_high_is_told_its_place(
    file: str, env: dict[str, str], expected: str
) -> None:
    with pytest.raises(ConfigError, match=expected):
        settle(file, env)


def test_what_an_instance_inherits_comes_from_where_its_section_has_it() -> None:
    settings = settle("[gate]\nthreshold = 0.5\n[gate.names.'a.b']\ndepth = 2\n")
    assert settings.origin("gate", "names.a.b.depth") == "quickwins.toml"
    assert settings.origin("gate", "names.a.b.threshold") == "quickwins.toml"
    assert settings.origin("gate", "names.a.b.salt") == "default"
    assert settings.origin("gate", "threshold") == "quickwins.toml"
    assert settings.origin("gate", "salt") == "default"


def test_a_secret_comes_from_the_environment_and_is_shown_nowhere() -> None:
    settings = settle(env={"QUICKWINS_SCRAPE__TOKEN": "hunter2"})
    token = settings.section("scrape", Scrape).token
    assert token is not None
    assert token.get_secret_value() == "hunter2"
    assert "hunter2" not in repr(settings)
    with pytest.raises(ConfigError) as caught:
        settle(env={"QUICKWINS_SCRAPE__TOKEN": "hunter2", "QUICKWINS_SCRAPE__INNER__DEPTH": "0"})
    assert "hunter2" not in str(caught.value)


def test_settings_are_frozen() -> None:
    gate = settle().section("gate", Gate)
    with pytest.raises(ValidationError, match="frozen"):
        gate.threshold = 0.1  # type: ignore[misc]  # -- that it cannot be set is the test; until=never


def test_an_unknown_section_is_named() -> None:
    with pytest.raises(ConfigError, match=r"no section \[gates\]"):
        settle().section("gates", Gate)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
KEYS = st.sampled_from(
    ["gate", "scrape", "service", "threshold", "killed", "names", "percent", "inner", "token", "x"]
)
TREES = st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=4) | VALUES, max_size=4)


@given(st.lists(TREES, min_size=1, max_size=3))
def test_whatever_the_layers_say_the_answer_is_settings_or_a_config_error(
    trees: list[dict[str, Any]],
) -> None:
    layers = [Layer(f"layer {number}", tree) for number, tree in enumerate(trees)]
    outcome: Settings | ConfigError
    try:
        outcome = resolve(layers, SECTIONS)
    except ConfigError as error:
        outcome = error
    assert isinstance(outcome, Settings) or str(outcome)
