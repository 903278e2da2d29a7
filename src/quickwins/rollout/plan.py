"""What a ramp is to do: its steps, its gates, and how long it may take; the file `rollout.toml`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from pydantic import BeforeValidator, Field, ValidationError, model_validator

from quickwins.core.config import Number, Section, Whole, refusals
from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    import os
    from typing import Self

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])").fullmatch


def seconds_of(value: object) -> object:
    """`"4h"` as seconds; a number is one already.

    Raises:
        ValueError: It is neither.
    """
    if isinstance(value, str):
        found = _DURATION(value.strip())
        if found is None:
            raise ValueError('Input should be seconds, or a text such as "90s", "30m", "4h" or "2d"')
        return float(found[1]) * _UNITS[found[2]]
    return value


Duration = Annotated[Number, BeforeValidator(seconds_of)]


class Step(Section):
    """One percentage, and what has to be seen there before the next one."""

    percent: Number = Field(gt=0, le=100, description="For how many percent of the keys the feature is on.")
    hold: Duration = Field(
        default=0.0,
        ge=0,
        le=30 * 86400,
        description="How long to stay; only time with data counts.",
    )
    min_requests: Whole = Field(
        default=1000,
        ge=1,
        description="How many requests each cohort must have had: without them nothing goes up.",
    )
    approval: bool = Field(
        default=False,
        description="Whether a person has to say yes before this step: `quickwins rollout approve`.",
    )


class Gates(Section):
    """What takes a ramp back."""

    p99_ratio_max: Number = Field(
        default=1.10,
        gt=1,
        le=10,
        description="How many times the control's P99 that of the canary may be. Rounded up to the next bucket of the histogram.",
    )
    error_rate_max: Number = Field(
        default=0.01, gt=0, lt=1, description="The share of errors and time-outs that the canary may have."
    )
    goodput: bool = Field(
        default=False,
        description="Whether refusals count among the failures as well: for what refuses on purpose, such as backpressure, "
        "where more must get through and not less be refused.",
    )
    restarts_max: Whole = Field(
        default=0, ge=0, description="How many restarts of all targets together are no crash."
    )
    cpu_ratio_max: Number = Field(
        default=1.10,
        gt=1,
        le=100,
        description="Processor time for each request against the baseline's, for 5 minutes.",
    )
    memory_ratio_max: Number = Field(
        default=1.10, gt=1, le=100, description="Resident memory against the baseline's, for 5 minutes."
    )
    cascade_p99_ratio_max: Number = Field(
        default=2.0,
        gt=1,
        le=100,
        description="How many times the baseline's P99 that of the *control* may be: damage to a pool that all share.",
    )
    cascade_error_rate_max: Number = Field(
        default=0.05, gt=0, lt=1, description="The share of errors that the control may have."
    )


class Plan(Section):
    """The ramp of one feature: a table of `rollout.toml`."""

    steps: tuple[Step, ...] = Field(
        min_length=1, max_length=20, description="In this order; percentages only go up."
    )
    gates: Gates = Field(default=Gates(), description="What takes it back.")
    control: Literal["cohort", "baseline"] = Field(
        default="cohort",
        description="What the canary is compared with. `cohort`: the requests of the same minutes that have it off. `baseline`: "
        "what was normal before the first step; all that is counted is the canary's then, for what isn't split by requests.",
    )
    deadline: Duration = Field(
        default=36 * 3600.0,
        gt=0,
        le=90 * 86400,
        description="When it is given up and taken back, if it isn't at its end.",
    )
    group: str = Field(
        default="", max_length=100, description="One ramp at a time within a group; empty: no group."
    )
    targets: tuple[str, ...] = Field(
        default=(),
        max_length=1000,
        description="The /metrics of every process that has the flag, `http://10.0.0.5:9100/metrics`: what is written is read "
        "back there, and one that stops answering is a lost heartbeat.",
    )
    prometheus: str = Field(
        default="",
        description="The address of a Prometheus to ask instead of the targets themselves; empty: none.",
    )
    baseline_requests: Whole = Field(
        default=20_000,
        ge=100,
        description="How many requests are looked at before the first step, as what is normal.",
    )
    ttl: Duration = Field(
        default=30.0,
        ge=3,
        le=3600,
        description="How long a percentage outlives a controller that is gone: then the last safe one holds.",
    )
    interval: Duration = Field(default=1.0, ge=0.1, le=60, description="Between two looks.")

    @model_validator(mode="after")
    def _only_up(self) -> Self:
        percents = [step.percent for step in self.steps]
        if percents != sorted(set(percents)):
            raise ValueError("steps must go up: each percent above the one before")
        if self.ttl < 3 * self.interval:
            raise ValueError("ttl must be at least three intervals, or a percentage ends between two looks")
        held = sum(step.hold for step in self.steps)
        if held >= self.deadline:
            raise ValueError(
                f"the steps hold for {held:g} s, and it is taken back at its deadline, after {self.deadline:g} s"
            )
        return self


def load_plans(path: str | os.PathLike[str]) -> dict[str, Plan]:
    """The ramps in a `rollout.toml`, by feature.

    Raises:
        ConfigError: There is no such file, or it is wrong; a line for each mistake, with its place.
    """
    try:
        tables = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}") from None
    plans: dict[str, Plan] = {}
    wrong: list[str] = []
    for feature, table in tables.items():
        try:
            plans[feature] = Plan.model_validate(table)
        except ValidationError as error:
            wrong += refusals(error, Plan, str(path), table=feature)
    if wrong:
        raise ConfigError("\n".join(wrong))
    return plans
