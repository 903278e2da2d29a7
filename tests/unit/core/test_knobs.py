"""A file and a constructor allow the same, because both ask the same knob."""

from __future__ import annotations

import dataclasses
import inspect
import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from quickwins.core.config import Number, Section, setting
from quickwins.core.errors import ConfigError
from quickwins.core.knobs import Checked, Knob, knob, knobs


class Way(StrEnum):
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True, slots=True)
class Turned(Checked):
    share: float = knob(0.85, gt=0, le=1, words="How much of it.")
    size: int = knob(10, ge=0, lt=100_000, words="How many.")
    seconds: float = knob(1.0, words="How long.")
    way: Way | Literal["up", "down"] = knob(Way.UP, words="Where to.")
    loud: bool = knob(False, words="Whether it says so.")
    name: str = ""


class TurnedSettings(Section):
    share: Number = setting(Turned, "share")
    size: int = setting(Turned, "size")
    seconds: Number = setting(Turned, "seconds")
    way: Way = setting(Turned, "way")
    loud: bool = setting(Turned, "loud")


def test_the_defaults_are_the_same_with_and_without_a_file() -> None:
    assert Turned(**TurnedSettings().model_dump()) == Turned()


def test_what_a_knob_does_and_its_bounds_are_the_keys_description_and_schema() -> None:
    schema = TurnedSettings.model_json_schema()["properties"]["share"]
    assert schema == {
        "title": "Share",
        "type": "number",
        "default": 0.85,
        "exclusiveMinimum": 0,
        "maximum": 1,
        "description": "How much of it.",
    }


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"share": 0}, "share=0 is not allowed: a number above 0 and at most 1", id="open end"),
        pytest.param(
            {"share": 1.5}, "share=1.5 is not allowed: a number above 0 and at most 1", id="closed end"
        ),
        pytest.param(
            {"share": math.nan}, "share=nan is not allowed: a number above 0 and at most 1", id="nan"
        ),
        pytest.param(
            {"share": True}, "share=True is not allowed: a number above 0 and at most 1", id="a boolean"
        ),
        pytest.param({"share": "1"}, "share='1' is not allowed: a number above 0 and at most 1", id="text"),
        pytest.param(
            {"size": 100_000},
            "size=100000 is not allowed: a whole number at least 0 and below 100,000",
            id="size",
        ),
        pytest.param(
            {"size": 2.5}, "size=2.5 is not allowed: a whole number at least 0 and below 100,000", id="half"
        ),
        pytest.param({"seconds": None}, "seconds=None is not allowed: a number", id="without bounds"),
        pytest.param({"way": "left"}, "way='left' is not allowed: one of up, down", id="no member"),
        pytest.param({"way": []}, "way=[] is not allowed: one of up, down", id="not hashable"),
        pytest.param({"loud": 1}, "loud=1 is not allowed: true or false", id="a number for a boolean"),
    ],
)
def test_what_is_refused_is_named_with_what_is_allowed(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Turned(**given)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    "given",
    [
        {"share": 1},
        {"share": 1.0},
        {"size": 0},
        {"way": "down"},
        {"way": Way.DOWN},
        {"loud": True},
        {"name": "x"},
    ],
    ids=str,
)
def test_what_is_allowed_is_taken(given: dict[str, Any]) -> None:
    assert dataclasses.asdict(Turned(**given)).items() >= given.items()


@given(name=st.sampled_from(["share", "size", "seconds"]), value=st.one_of(st.floats(), st.integers()))
def test_a_file_takes_a_number_exactly_when_the_constructor_does(name: str, value: float) -> None:
    try:
        TurnedSettings.model_validate({name: value})
        from_file = True
    except ValidationError:
        from_file = False
    one = knobs(Turned)[name]
    # TOML's 3.0 is a whole number for a file, as all readers of JSON have it; in Python it is a float.
    assert one.allows(int(value) if name == "size" and from_file else value) == from_file


def test_a_whole_bound_of_a_float_is_spelled_as_a_whole_number() -> None:
    assert (
        Knob(0.0, {"ge": 0.001, "le": 31_536_000.0}, "").allowed
        == "a number at least 0.001 and at most 31,536,000"
    )


def test_only_knobs_are_knobs() -> None:
    assert list(knobs(Turned)) == list(knobs(Turned())) == ["share", "size", "seconds", "way", "loud"]


def test_the_docstring_says_what_each_knob_does_before_what_is_no_knob() -> None:
    @dataclass(frozen=True, slots=True)
    class Said(Checked):
        """What is said.

        Attributes:
            name: Whose.
        """

        share: float = knob(0.85, gt=0, le=1, words="How much of it.")
        loud: bool = knob(False, words="Whether it says so.")
        name: str = ""

    assert inspect.getdoc(Said) == (
        "What is said.\n\nAttributes:\n"
        "    share: How much of it. Allowed is a number above 0 and at most 1; 0.85 by default.\n"
        "    loud: Whether it says so. Allowed is true or false; False by default.\n"
        "    name: Whose."
    )
