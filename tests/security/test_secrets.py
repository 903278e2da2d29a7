"""Threat: a secret leaks through something people read: an error, an event, the audit file, a metric, a repr."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from quickwins import ConfigError, QuickWins

TOKEN = "hunter2-hunter2"
ENV = {"QUICKWINS_METRICS__TOKEN": TOKEN}


def test_a_token_is_in_nothing_that_a_process_shows(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    path = tmp_path / "quickwins.toml"
    registry = CollectorRegistry()
    path.write_text("[backpressure]\nenabled = true\n# quickwins: complete\n")
    qw = QuickWins.load(path, env=ENV, registry=registry)
    for text in ("enabled = false\n", "enabled = 7\n", "[", ""):
        path.write_text(f"[backpressure]\n{text}# quickwins: complete\n")
        qw.flags.poll()
    shown = [
        repr(qw.settings),
        repr(qw.flags.snapshot),
        generate_latest(registry).decode(),
        caplog.text,
        *(str(record.__dict__) for record in caplog.records),
        *(file.read_text() for file in tmp_path.iterdir()),
    ]
    assert len(caplog.records) >= 3
    assert not [text for text in shown if TOKEN in text]


@pytest.mark.parametrize(
    ("file", "env"),
    [
        pytest.param(f"[metrics]\ntoken = '{TOKEN}'\n", {}, id="in the file"),
        pytest.param(f"[metrics]\ntokn = '{TOKEN}'\n", {}, id="in the file, misspelt"),
        pytest.param(f"[metrics.token]\nx = '{TOKEN}'\n", {}, id="in the file, one level down"),
        pytest.param("", {"QUICKWINS_METRICS__TOKN": TOKEN}, id="in a misspelt variable"),
        pytest.param("", {"QUICKWINS_METRICS__TOKEN__X": TOKEN}, id="in a variable with a level too many"),
        pytest.param("", {"QUICKWINS_METRICS": f'{{"token": "{TOKEN}"'}, id="in broken JSON"),
        pytest.param("", {"QUICKWINS_METRICS": f'{{"token": ["{TOKEN}"]}}'}, id="of the wrong type"),
        pytest.param("", {"QUICKWINS_METRICS": f'"{TOKEN}"'}, id="instead of the section, in a variable"),
        pytest.param("", {"QUICKWINS_METRICS": f'["{TOKEN}"]'}, id="in a list instead of the section"),
        pytest.param(f"metrics = '{TOKEN}'\n", {}, id="instead of the section, in the file"),
        pytest.param(f"[[metrics]]\ntoken = '{TOKEN}'\n", {}, id="in a list of sections"),
    ],
)
def test_a_mistake_with_a_token_does_not_show_it(tmp_path: Path, file: str, env: dict[str, str]) -> None:
    path = tmp_path / "quickwins.toml"
    path.write_text(file)
    with pytest.raises(ConfigError) as caught:
        QuickWins.load(path, env=env, registry=CollectorRegistry())
    error: BaseException | None = caught.value
    while error is not None:
        assert TOKEN not in str(error)
        error = error.__cause__


def test_an_empty_token_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "quickwins.toml"
    path.write_text("service = 'feed'\n")
    with pytest.raises(ConfigError, match="QUICKWINS_METRICS__TOKEN"):
        QuickWins.load(path, env={"QUICKWINS_METRICS__TOKEN": ""}, registry=CollectorRegistry())
