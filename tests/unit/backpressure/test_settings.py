"""`[backpressure]` and its tables by name."""

from __future__ import annotations

from typing import Any

import pytest

from quickwins.backpressure import BackpressureSettings
from quickwins.core.config import Layer, resolve
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


@pytest.mark.parametrize(
    ("values", "words"),
    [
        pytest.param({"threshold": 0}, "threshold", id="zero"),
        pytest.param({"threshold": 1.01}, "threshold", id="above one"),
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
