"""What every setting may be: nothing is accepted that is only a slip of the unit, or an off value that isn't one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any, NamedTuple, get_args

import pytest
from pydantic.fields import FieldInfo

from quickwins.core.config import Layer, Section, load_environment, resolve
from quickwins.core.errors import ConfigError
from quickwins.facade import SECTIONS

PERCENTAGES = {"percent", "fallback_percent"}
"""In hundredths, from 0 to 100, and 1 is one percent: nothing tells 0.5 percent from a half."""


class Key(NamedTuple):
    """A number that a file may give."""

    section: str
    name: str
    info: FieldInfo

    @property
    def default(self) -> Any:
        return self.info.get_default()

    def bound(self, *names: str) -> Any:
        found = [getattr(one, name) for one in self.info.metadata for name in names if hasattr(one, name)]
        return found[0] if found else None


def numbers() -> Iterator[Any]:
    for section, model in SECTIONS.items():
        for name, info in model.model_fields.items():
            if isinstance(info.default, (int, float)) and not isinstance(info.default, bool):
                yield pytest.param(Key(section, name, info), id=f"{section}.{name}")


NUMBERS = [*numbers()]
AMOUNTS = [one for one in NUMBERS if one.values[0].name not in PERCENTAGES]


def refused(section: str, key: str, value: object) -> bool:
    """Whether a file may not say so; then the message has the key and what is allowed."""
    try:
        resolve([Layer("the file", {section: {key: value}})], SECTIONS)
    except ConfigError as error:
        shown = str(value).lower()  # as TOML spells it
        return f"the file: {section}.{key}: {shown} is not allowed: " in str(error)
    return False


@pytest.mark.parametrize("key", NUMBERS)
def test_a_number_is_none_of_what_no_number_is(key: Key) -> None:
    for value in (True, math.inf, -math.inf, math.nan, -1, -0.01):
        assert refused(key.section, key.name, value), value


@pytest.mark.parametrize("key", AMOUNTS)
def test_an_amount_has_a_lowest_and_a_highest_value_and_both_are_accepted(key: Key) -> None:
    low, high = key.bound("ge", "gt"), key.bound("le", "lt")
    assert low is not None
    assert high is not None
    assert low <= key.default <= high
    for edge, name in ((low, "ge"), (high, "le")):
        assert refused(key.section, key.name, edge) == (key.bound(name) is None)


SLIPS = {"_seconds": 1_000, "_ms": 1 / 1_000, "_bytes": 1 / 2**20}
"""By what a key ends in: milliseconds for seconds, seconds for milliseconds, and mebibytes for bytes."""


@pytest.mark.parametrize("key", AMOUNTS)
def test_the_default_in_a_wrong_unit_is_refused(key: Key) -> None:
    slip = next((factor for ending, factor in SLIPS.items() if key.name.endswith(ending)), None)
    if slip is None and isinstance(key.default, float):
        assert key.bound("le", "lt") <= 1, "what has no unit is a share"
        slip = 100  # percent
    if slip is not None:
        value = (key.default or 0.05) * slip
        assert refused(key.section, key.name, type(key.default)(value)), value


SILLY = [
    pytest.param("backpressure", "target_seconds", 50, id="50 ms"),
    pytest.param("backpressure", "target_seconds", 0, id="no target"),
    pytest.param("backpressure", "target_seconds", 1e-5, id="less than an event loop is late"),
    pytest.param("backpressure", "interval_seconds", 500, id="500 ms"),
    pytest.param("backpressure", "interval_seconds", 0, id="no interval"),
    pytest.param("backpressure", "threshold", 0, id="a threshold that nobody passes"),
    pytest.param("backpressure", "threshold", 85, id="a threshold in percent"),
    pytest.param("backpressure", "floor", 0.9, id="the least important first"),
    pytest.param("backpressure", "reserved_critical", 1, id="everything reserved"),
    pytest.param("backpressure", "retry_after_seconds", 0, id="come back at once"),
    pytest.param("backpressure", "retry_after_seconds", 300, id="come back much later"),
    pytest.param("backpressure", "min_limit", 0, id="a limit that nobody passes"),
    pytest.param("backpressure", "queue_size", 2.5, id="half a place"),
    pytest.param("flags", "poll_interval_seconds", 0, id="no pause"),
    pytest.param("flags", "poll_interval_seconds", 50, id="a kill a minute later"),
    pytest.param("logs", "sample_every", 0, id="sampling by none"),
    pytest.param("logs", "sample_every", 0.1, id="sampling by a rate"),
    pytest.param("logs", "slow_ms", 0, id="everything is slow"),
    pytest.param("logs", "slow_ms", 1, id="a second"),
    pytest.param("logs", "output", "STDOUT", id="a file called STDOUT"),
    pytest.param("logs", "output", "-", id="a file called -"),
    pytest.param("logs", "output", "none", id="a file called none"),
    pytest.param("logs", "output", "", id="a file without a name"),
    pytest.param("logs", "percent", 50, id="half a process"),
]


@pytest.mark.parametrize(("section", "key", "value"), SILLY)
def test_what_nobody_can_mean_is_refused_with_the_key_and_what_is_allowed(
    section: str, key: str, value: object
) -> None:
    with pytest.raises(ConfigError, match=rf"the file: {section}\.{key}: .* is not allowed: "):
        resolve([Layer("the file", {section: {key: value}})], SECTIONS)


ALLOWED = [
    pytest.param("backpressure", "target_seconds", 30),
    pytest.param("backpressure", "target_seconds", 0.001),
    pytest.param("backpressure", "interval_seconds", 300),
    pytest.param("backpressure", "threshold", 1),
    pytest.param("backpressure", "floor", 0),
    pytest.param("backpressure", "queue_size", 0),
    pytest.param("backpressure", "tenants", 0),
    pytest.param("backpressure", "retry_after_seconds", 60),
    pytest.param("backpressure", "percent", 0.5),
    pytest.param("flags", "poll_interval_seconds", 10),
    pytest.param("logs", "sample_first", 0),
    pytest.param("logs", "sample_every", 1),
    pytest.param("logs", "output", "stderr"),
    pytest.param("logs", "output", "./stdout"),
    pytest.param("logs", "output", "app.log"),
    pytest.param("logs", "percent", 0),
]


@pytest.mark.parametrize(("section", "key", "value"), ALLOWED)
def test_off_values_and_edges_are_accepted(section: str, key: str, value: object) -> None:
    settings = resolve([Layer("the file", {section: {key: value}})], SECTIONS)
    assert getattr(settings.sections[section], key) == value


def test_the_environment_says_numbers_as_texts() -> None:
    env = {"QUICKWINS_BACKPRESSURE__QUEUE_SIZE": "7", "QUICKWINS_BACKPRESSURE__THRESHOLD": "0.7"}
    settings = resolve([load_environment(env, SECTIONS)], SECTIONS)
    section = settings.section("backpressure", SECTIONS["backpressure"])
    assert section.model_dump(include={"queue_size", "threshold"}) == {"queue_size": 7, "threshold": 0.7}


def tables() -> dict[str, type[Section]]:
    """What stands below a section, by its dotted key."""
    return {
        f"{section}.{name}": kind
        for section, model in SECTIONS.items()
        for name, info in model.model_fields.items()
        for kind in (info.annotation, *get_args(info.annotation))
        if isinstance(kind, type) and issubclass(kind, Section)
    }


def test_a_table_of_an_instance_has_the_bounds_of_its_section() -> None:
    """Tables of any other kind would need rows of their own above."""
    assert tables()
    for dotted, model in tables().items():
        section, _, key = dotted.partition(".")
        assert key == "names"
        above = SECTIONS[section].model_fields
        for name, info in model.model_fields.items():
            assert info.metadata == above[name].metadata, f"{dotted}.{name}"
