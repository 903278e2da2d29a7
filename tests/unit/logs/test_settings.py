"""`[logs]`, through `QuickWins`."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins import ConfigError, QuickWins
from quickwins.logs import _logger, configure_logging, get_logger

KEY = "a-key-of-some-length-4Zk8"


def loaded(folder: Path, text: str, env: dict[str, str] | None = None) -> QuickWins:
    file = folder / "quickwins.toml"
    file.write_text(
        f'service = "feed"\n\n[flags]\naudit = false\n\n[logs]\noutput = "{folder}/log"\n{text}\n'
    )
    return QuickWins.load(file, env=env or {}, registry=CollectorRegistry())


def change(folder: Path, qw: QuickWins, old: str, new: str) -> None:
    file = folder / "quickwins.toml"
    file.write_text(file.read_text().replace(old, new))
    assert qw.flags.poll()


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log").read_bytes().splitlines()]


@pytest.mark.asyncio
async def test_it_comes_and_goes_with_the_flag(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    log = get_logger()
    qw = loaded(tmp_path, "enabled = true")
    assert (root.handlers[:], root.level) == before, "nothing happens before it is entered"
    async with qw:
        log.info("a")
        change(tmp_path, qw, "enabled = true", "enabled = false")
        assert (root.handlers[:], root.level) == before
        log.info("not written")
        change(tmp_path, qw, "enabled = false", "enabled = true\nlevel = 'error'\nredact_keys = ['colour']")
        log.warning("below the level")
        log.error("b", colour="red")
    assert (root.handlers[:], root.level) == before
    told = [line for line in lines(tmp_path) if line["event.name"] in {"a", "b"}]
    assert [line["event.name"] for line in told] == ["a", "b"]
    assert told[1]["colour"] != "red"
    assert not [line for line in lines(tmp_path) if "not written" in str(line) or "below" in str(line)]


@pytest.mark.asyncio
async def test_by_default_it_is_off(tmp_path: Path) -> None:
    async with loaded(tmp_path, ""):
        get_logger().error("x")
    assert not (tmp_path / "log").exists()


@pytest.mark.asyncio
async def test_a_key_makes_pseudonyms_and_is_shown_nowhere(tmp_path: Path) -> None:
    qw = loaded(tmp_path, "enabled = true", {"QUICKWINS_LOGS__PSEUDONYM_KEY": KEY})
    async with qw:
        get_logger().info("a", who="somebody@example.com")
        get_logger().info("a", who="Somebody@Example.com")
        get_logger().info("a", settings=qw.settings)
    shown = [line["who"] for line in lines(tmp_path) if "who" in line]
    assert len(shown) == 2
    assert len(set(shown)) == 1
    assert KEY not in (tmp_path / "log").read_text() + repr(qw.settings)


def test_a_key_in_the_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="pseudonym_key") as caught:
        loaded(tmp_path, f'pseudonym_key = "{KEY}"')
    assert KEY not in str(caught.value)


def test_a_key_that_is_too_short_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="PSEUDONYM_KEY") as caught:
        loaded(tmp_path, "", {"QUICKWINS_LOGS__PSEUDONYM_KEY": "hunter2"})
    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param('level = "loud"', "logs.level: 'loud' is not allowed", id="level"),
        pytest.param("queue_max_bytes = 1", "logs.queue_max_bytes: 1 is not allowed", id="queue"),
        pytest.param("sample_every = 0", "logs.sample_every: 0 is not allowed", id="sampling"),
        pytest.param("sink = 'x'", "logs.sink: unknown key", id="unknown"),
        pytest.param(
            'redact_keys = [""]', "logs: .* redact_keys must be names with at least one", id="no name"
        ),
        pytest.param(
            'redact_keys = ["a"]\nsafe_keys = ["A"]', "redact_keys and safe_keys must not overlap", id="both"
        ),
    ],
)
def test_a_mistake_is_named(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        loaded(tmp_path, text)


@pytest.mark.asyncio
async def test_names_that_only_two_layers_together_contradict_are_refused_and_a_kill_beside_them_is_not(
    tmp_path: Path,
) -> None:
    qw = loaded(tmp_path, "enabled = true", {"QUICKWINS_LOGS__SAFE_KEYS": '["colour"]'})
    async with qw:
        assert qw.flag("logs").state.on
        change(tmp_path, qw, "enabled = true", "enabled = true\nkilled = true\nredact_keys = ['colour']")
        assert not qw.flag("logs").state.on
    with pytest.raises(
        ConfigError, match=r"environment and .*toml: .* must not overlap, but both have 'colour'"
    ):
        QuickWins.load(tmp_path / "quickwins.toml", env={"QUICKWINS_LOGS__SAFE_KEYS": '["colour"]'})


@pytest.mark.asyncio
async def test_sampling_is_live(tmp_path: Path) -> None:
    qw = loaded(tmp_path, "enabled = true\nsample_first = 1\nsample_every = 1000")
    async with qw:
        for _ in range(50):
            get_logger().info("a")
        change(tmp_path, qw, "sample_every = 1000", "sample_every = 1")
        for _ in range(50):
            get_logger().info("b")
    names = [line["event.name"] for line in lines(tmp_path)]
    assert names.count("a") < 5
    assert names.count("b") == 50


@pytest.mark.asyncio
@pytest.mark.parametrize(("keep", "shown"), [("keep = ['console']", "a\n"), ("", "")])
async def test_a_console_that_is_to_be_kept_is(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], keep: str, shown: str
) -> None:
    console = logging.StreamHandler()
    console.name = "console"
    logger = logging.getLogger("kept")
    logger.addHandler(console)
    try:
        async with loaded(tmp_path, f"enabled = true\n{keep}\n"):
            logger.warning("a")
    finally:
        logger.removeHandler(console)
    assert capfd.readouterr().err == shown
    assert [line["body"] for line in lines(tmp_path) if line.get("logger") == "kept"] == ["a"]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"sink": "stdout"}, r"sink='stdout' is not allowed: a Sink, such as Sink.stdout\(\)"),
        (
            {"redaction": "strict"},
            r"redaction='strict' is not allowed: a Redaction, such as Redaction.strict",
        ),
        ({"sampling": 10}, "sampling=10 is not allowed: a Sampling"),
        ({"keep": "console"}, "keep='console' is not allowed: a list of handlers, or of their names"),
        ({"instance": 5}, "instance=5 is not allowed: text"),
        ({"service": 5}, "service=5 is not allowed: text"),
    ],
)
def test_what_is_not_what_it_should_be_is_named_and_nothing_is_configured(
    given: dict[str, Any], said: str
) -> None:
    before = _logger.current
    with pytest.raises(ConfigError, match=said):
        configure_logging(**given, registry=CollectorRegistry())
    assert _logger.current is before
