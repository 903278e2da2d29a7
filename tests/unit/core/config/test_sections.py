"""What a settings model says to who builds it in Python."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import Field, SecretStr, ValidationError

from quickwins.backpressure import PoolSettings
from quickwins.core.config import Number, Section
from quickwins.core.errors import ConfigError
from quickwins.core.flags import FlagSettings
from quickwins.rollout import Gates, Plan, Step
from quickwins.suppressions import Allowance, AuditConfig, Check

if TYPE_CHECKING:
    from collections.abc import Callable


class Guarded(Section):
    share: Number = Field(default=0.5, gt=0)
    token: SecretStr = Field(default=SecretStr("unset"), min_length=4)


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: Step(percent=150), "Step: percent: 150 is not allowed: input should be less than or equal to 100"),
        (lambda: Plan(steps=()), "Plan: steps: () is not allowed: it should have at least 1 item, not 0"),
        (
            lambda: Plan(steps=(Step(percent=50), Step(percent=10))),
            "Plan: steps must go up: each percent above the one before",
        ),
        (lambda: Gates(p99_ratio_max=0.5), "Gates: p99_ratio_max: 0.5 is not allowed: input should be greater than 1"),
        (lambda: FlagSettings(percent=101), "FlagSettings: percent: 101 is not allowed: input should be less than or equal to 100"),
        (lambda: AuditConfig(no_cover_quota=-1), "AuditConfig: no_cover_quota: -1 is not allowed: input should be greater than or equal to 0"),
        (lambda: Allowance(check=Check.BARE_NOQA, path="", reason="r", until=date.max), "Allowance: path: '' is not allowed: "),
    ],
)  # fmt: skip
def test_a_wrong_value_is_an_error_of_ours_with_what_is_allowed(build: Callable[[], Any], told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build()
    assert str(caught.value).startswith(told)
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)


def test_each_mistake_has_a_line_and_what_is_missing_is_named() -> None:
    wrong: dict[str, Any] = {"steps": [{"percent": 150, "hold": "soon"}, {}], "stepz": 1}
    with pytest.raises(ConfigError) as caught:
        Plan(**wrong)
    lines = str(caught.value).splitlines()
    assert [line.split(":")[1].strip() for line in lines] == [
        "steps.0.percent",
        "steps.0.hold",
        "steps.1.percent",
        "stepz",
    ]
    assert lines[2] == "Plan: steps.1.percent: it must be given"
    assert "did you mean 'steps'" in lines[3]


def test_a_secret_is_not_shown() -> None:
    with pytest.raises(ConfigError) as caught:
        Guarded(token=SecretStr("s3c"))
    assert str(caught.value) == (
        "Guarded: token: the given value is not allowed: value should have at least 4 characters, not 3"
    )


def test_what_reads_files_still_learns_every_mistake_from_pydantic() -> None:
    with pytest.raises(ValidationError) as caught:
        PoolSettings.model_validate({"gate": "x", "threshold": 2})
    assert [one["loc"] for one in caught.value.errors()] == [("gate",), ("threshold",)]
