"""`[backpressure]` and its tables by name."""

from __future__ import annotations

from typing import Any

import pytest

from quickwins.backpressure import BackpressureSettings, GateKind
from quickwins.backpressure.rule import Rule
from quickwins.core.config import Layer, load_environment, load_file, resolve
from quickwins.core.errors import ConfigError


def resolved(values: dict[str, Any]) -> BackpressureSettings:
    sections = {"backpressure": BackpressureSettings}
    return resolve([Layer("the file", {"backpressure": values})], sections).section(
        "backpressure", BackpressureSettings
    )


def test_a_pool_without_a_table_takes_the_section() -> None:
    assert resolved({"threshold": 0.7}).for_name("feed").threshold == 0.7


def test_a_table_inherits_what_it_leaves_out() -> None:
    settings = resolved({"retry_after_seconds": 3.0, "names": {"feed": {"threshold": 0.5}}})
    feed = settings.for_name("feed")
    assert (feed.threshold, feed.retry_after_seconds) == (0.5, 3.0)
    assert settings.for_name("search").threshold == 0.85


def test_the_gate_of_each_pool_is_its_own_table_over_the_section() -> None:
    settings = resolved(
        {
            "gate": "queue",
            "target_seconds": 0.1,
            "names": {"feed": {"queue_size": 7}, "old": {"gate": "threshold"}},
        }
    )
    assert settings.for_name("feed").rule() == Rule(GateKind.QUEUE, 0.85, target_seconds=0.1, queue_size=7)
    assert settings.for_name("old").rule().kind is GateKind.THRESHOLD
    assert settings.for_name("search").rule() == Rule(GateKind.QUEUE, 0.85, target_seconds=0.1)


def test_by_default_it_is_the_threshold_gate() -> None:
    assert resolved({}).rule() == Rule(GateKind.THRESHOLD, 0.85)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({"threshold": 0}, "threshold", id="zero"),
        pytest.param({"threshold": 1.01}, "threshold", id="above one"),
        pytest.param({"gate": "fast"}, "gate", id="no such gate"),
        pytest.param({"target_seconds": 0}, "target_seconds", id="no target"),
        pytest.param({"interval_seconds": -1}, "interval_seconds", id="no interval"),
        pytest.param({"queue_size": -1}, "queue_size", id="less than nobody"),
        pytest.param({"retry_after_seconds": 0}, "retry_after_seconds", id="no wait"),
        pytest.param({"names": {"feed": {"threshold": 2}}}, "names", id="in a table"),
        pytest.param({"names": {"feed": {"enabled": True}}}, "enabled", id="a flag is not for one pool"),
        pytest.param({"names": {"feed": 0.5}}, "names", id="a table that is none"),
        pytest.param({"names": 0.5}, "names", id="tables that are none"),
    ],
)
def test_a_bad_value_is_named(values: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        resolved(values)


def test_what_is_no_table_is_refused_as_a_whole() -> None:
    with pytest.raises(ConfigError, match="backpressure"):
        resolve([Layer("the file", {"backpressure": 3})], {"backpressure": BackpressureSettings})


def from_environment(file: str = "", **env: str) -> BackpressureSettings:
    sections = {"backpressure": BackpressureSettings}
    layers = [load_environment(env, sections), load_file(file, "quickwins.toml")]
    return resolve(layers, sections).section("backpressure", BackpressureSettings)


FILE = "[backpressure]\nthreshold = 0.5\n[backpressure.names.feed]\nthreshold = 0.6\nqueue_size = 7\n"


@pytest.mark.parametrize(
    ("env", "section", "feed"),
    [
        ({}, 0.5, 0.6),
        ({"DB_POOL_BACKPRESSURE_THRESHOLD": "0.7"}, 0.7, 0.6),
        ({"DB_POOL_BACKPRESSURE_THRESHOLD_FEED": "0.7"}, 0.5, 0.7),
        ({"db_pool_backpressure_threshold_feed": "0.7"}, 0.5, 0.7),
        ({"DB_POOL_BACKPRESSURE_THRESHOLD": "0.7", "DB_POOL_BACKPRESSURE_THRESHOLD_FEED": "0.8"}, 0.7, 0.8),
        ({"DB_POOL_BACKPRESSURE_THRESHOLD": "0.7", "QUICKWINS_BACKPRESSURE__THRESHOLD": "0.9"}, 0.9, 0.6),
        (
            {"DB_POOL_BACKPRESSURE_THRESHOLD_FEED": "0.7", "QUICKWINS_BACKPRESSURE__THRESHOLD": "0.9"},
            0.9,
            0.6,
        ),
        (
            {
                "DB_POOL_BACKPRESSURE_THRESHOLD_FEED": "0.7",
                "QUICKWINS_BACKPRESSURE__NAMES__FEED__THRESHOLD": "0.9",
            },
            0.5,
            0.9,
        ),
        ({"DB_POOL_BACKPRESSURE_THRESHOLDS": "what?"}, 0.5, 0.6),
    ],
)
def test_the_names_of_the_original_services_are_known_and_weaker_than_our_own(
    env: dict[str, str], section: float, feed: float
) -> None:
    settings = from_environment(FILE, **env)
    assert (settings.threshold, settings.for_name("feed").threshold) == (section, feed)
    assert settings.for_name("feed").queue_size == 7


@pytest.mark.parametrize("value", ["0", "1.01", "-1", "lots", "nan", ""])
@pytest.mark.parametrize(
    "variable", ["DB_POOL_BACKPRESSURE_THRESHOLD", "DB_POOL_BACKPRESSURE_THRESHOLD_FEED"]
)
def test_a_bad_value_is_named_by_the_variable_that_was_set(variable: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"environment: {variable}: '{value}' is not allowed"):
        from_environment(**{variable: value})
