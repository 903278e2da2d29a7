"""What a plan may say, and what a mistake in one is told as."""

from __future__ import annotations

from pathlib import Path

import pytest

from quickwins.core.errors import ConfigError
from quickwins.rollout import Plan, load_plans

WHOLE = """
[query_cache]
steps = [{ percent = 10, hold = "4h", min_requests = 20000 }, { percent = 50, hold = "8h" }, { percent = 100, hold = "12h", approval = true }]
gates = { p99_ratio_max = 1.10, error_rate_max = 0.01, restarts_max = 0, cpu_ratio_max = 1.10, memory_ratio_max = 1.10 }
deadline = "36h"
group = "gateway"
"""


def test_durations_are_seconds_or_have_a_unit(tmp_path: Path) -> None:
    file = tmp_path / "rollout.toml"
    file.write_text(WHOLE)
    plan = load_plans(file)["query_cache"]
    assert [step.hold for step in plan.steps] == [14400, 28800, 43200]
    assert (plan.deadline, plan.group, plan.steps[2].approval) == (129600, "gateway", True)
    assert Plan.model_validate({"steps": [{"percent": 1, "hold": 90}]}).steps[0].hold == 90


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[a]\nsteps = []", "a.steps"),
        ("[a]\nsteps = [{percent = 50}, {percent = 10}]", "steps must go up"),
        ("[a]\nsteps = [{percent = 50}, {percent = 50}]", "steps must go up"),
        ('[a]\nsteps = [{percent = 5, hold = "soon"}]', 'a text such as "90s"'),
        ("[a]\nsteps = [{percent = 0}]", "a.steps.0.percent"),
        ("[a]\nsteps = [{percent = 5}]\nttl = 3\ninterval = 2", "ttl must be"),
        (
            '[a]\nsteps = [{percent = 5, hold = "2h"}]\ndeadline = "90m"',
            "taken back at its deadline, after 5400 s",
        ),
        ("[a]\nsteps = [{percent = 5}]\nspeed = 2", "a.speed"),
        ("[a", "not valid TOML"),
    ],
)
def test_a_mistake_is_told_with_its_place(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "rollout.toml"
    file.write_text(text)
    with pytest.raises(ConfigError, match="rollout") as caught:
        load_plans(file)
    assert said in str(caught.value)


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        load_plans(tmp_path / "nope.toml")
