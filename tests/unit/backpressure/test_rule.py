"""What a gate can be told: the same by its constructors, by a rule and by a file."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest

from quickwins.backpressure import BackpressureSettings, Gate, GateKind, GateOptions, Rule, ShellOptions
from quickwins.core.config import Layer, resolve
from quickwins.core.errors import ConfigError
from quickwins.core.knobs import knobs

OWN: dict[GateKind, tuple[Any, list[str]]] = {
    GateKind.THRESHOLD: (Gate.threshold, ["threshold"]),
    GateKind.QUEUE: (Gate.queue, ["target_seconds", "interval_seconds", "queue_size"]),
    GateKind.ADAPTIVE: (Gate.adaptive, ["min_limit", "target_seconds", "interval_seconds", "queue_size"]),
}

OUT_OF_BOUNDS = [
    pytest.param("threshold", [0, -1, 1.01, math.nan, True], id="threshold"),
    pytest.param("target_seconds", [0.0, 0.0009, -1.0, 30.1, 50, math.inf, math.nan], id="target_seconds"),
    pytest.param("interval_seconds", [0.0, 0.0009, -1.0, 301, math.inf, math.nan], id="interval_seconds"),
    pytest.param("queue_size", [-1, 100_001, 0.5, True], id="queue_size"),
    pytest.param("min_limit", [0, -1, 100_001], id="min_limit"),
    pytest.param("reserved_critical", [-0.1, 1.0, 2.0, math.nan], id="reserved_critical"),
    pytest.param("reserved_normal", [-0.1, 1.0, 2.0, math.nan], id="reserved_normal"),
    pytest.param("floor", [-0.1, 0.51, 2.0, math.nan], id="floor"),
    pytest.param("tenants", [-1, 1001], id="tenants"),
    pytest.param("nested", ["perhaps", ""], id="nested"),
    pytest.param("retry_after_seconds", [0, 0.009, -1, 61, math.inf], id="retry_after_seconds"),
]


@pytest.mark.parametrize(("name", "values"), OUT_OF_BOUNDS)
def test_what_is_out_of_bounds_is_named_wherever_it_is_said(name: str, values: list[Any]) -> None:
    for value in values:
        given = {name: value}
        with pytest.raises(ConfigError, match=f"{name}=.* is not allowed: "):
            Rule(**given)
        with pytest.raises(ConfigError, match=f"{name}: .* is not allowed: "):
            resolve([Layer("the file", {"backpressure": given})], {"backpressure": BackpressureSettings})


@pytest.mark.parametrize("kind", GateKind)
def test_each_constructor_has_the_defaults_of_the_rule_and_refuses_what_it_does(kind: GateKind) -> None:
    make, own = OWN[kind]
    defaults = {
        name: one.default for name, one in inspect.signature(make).parameters.items() if name != "options"
    }
    assert defaults == {name: getattr(Rule(), name) for name in own}
    for name in own:
        with pytest.raises(ConfigError, match=name):
            make(**{name: -1})


def test_what_every_gate_takes_is_the_rest_of_the_rule_and_what_a_shell_takes() -> None:
    own = {name for _, names in OWN.values() for name in names}
    assert {*ShellOptions.__annotations__} == {
        *("name", "flag", "service", "registry", "clock", "rng", "trace"),
    }
    assert {*GateOptions.__annotations__} == {*knobs(Rule)} - {"kind"} - own | {
        "size",
        *ShellOptions.__annotations__,
    }


def test_a_file_that_says_nothing_says_what_the_rule_does() -> None:
    assert BackpressureSettings().rule() == Rule()
