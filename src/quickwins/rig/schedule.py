"""Schedules of signals, drawn from a seed or read from JSON: a plain list of what to do, when, and to which process.

What drawing keeps and reading checks: steps are sorted by time and lie within the duration; a stopped target gets no
signal but its continue, and every stop has one.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum
from random import Random
from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Action(StrEnum):
    """What is done to a target: a signal."""

    KILL = "SIGKILL"
    TERMINATE = "SIGTERM"
    INTERRUPT = "SIGINT"
    STOP = "SIGSTOP"
    CONTINUE = "SIGCONT"


@dataclass(frozen=True, slots=True, order=True)
class Step:
    """One signal.

    Attributes:
        at_seconds: When, from the start of the schedule.
        target: The name of the process, as `perform` is given it.
        action: The signal.
    """

    at_seconds: float
    target: str
    action: Action


@dataclass(frozen=True, slots=True)
class SignalSchedule:
    """What to do to which process and when; equal schedules do the same.

    Attributes:
        seed: The seed it was drawn from, to name it in a report.
        duration_seconds: No step is later than this.
        steps: The steps, sorted by time.

    Raises:
        ConfigError: The steps are not sorted, are outside the duration, signal a stopped target or leave one stopped.
    """

    seed: int
    duration_seconds: float
    steps: tuple[Step, ...]

    def __post_init__(self) -> None:
        if list(self.steps) != sorted(self.steps, key=lambda step: step.at_seconds):
            raise ConfigError("the steps of a schedule must be sorted by at_seconds")
        stopped: set[str] = set()
        for step in self.steps:
            if not 0 <= step.at_seconds <= self.duration_seconds:
                raise ConfigError(f"{step} is outside the schedule's {self.duration_seconds} s")
            if (step.target in stopped) != (step.action is Action.CONTINUE):
                raise ConfigError(f"{step} signals a stopped target, or continues one that is not stopped")
            if step.action is Action.STOP:
                stopped.add(step.target)
            else:
                stopped.discard(step.target)
        if stopped:
            raise ConfigError(f"nothing continues {', '.join(sorted(stopped))}")

    @classmethod
    def draw(
        cls,
        seed: int,
        *,
        duration_seconds: float,
        targets: Sequence[str],
        actions: Sequence[Action] = (Action.KILL, Action.STOP),
        count: int = 10,
        pause_seconds: tuple[float, float] = (0.05, 1.0),
    ) -> SignalSchedule:
        """Draw a schedule; the same arguments give the same schedule on every interpreter.

        Args:
            seed: The seed of the draw.
            duration_seconds: When the schedule ends; above 0.
            targets: The names to choose from.
            actions: The actions to choose from. A stop brings its continue with it, so `CONTINUE` isn't one of them.
            count: How many times to act; a draw of a target that is stopped at that time is left out.
            pause_seconds: The shortest and longest stop; cut off at the end of the schedule.

        Raises:
            ConfigError: An argument is out of range.
        """
        shortest, longest = pause_seconds
        if not duration_seconds > 0 or count < 0 or not 0 < shortest <= longest:
            raise ConfigError(
                "a schedule needs a duration above 0, a count not below 0, and pauses above 0, the shortest first"
            )
        if not targets or not actions or Action.CONTINUE in actions:
            raise ConfigError("a schedule needs targets, and actions other than CONTINUE")
        rng = Random(seed)  # noqa: S311 -- a repeatable schedule, not a secret; until=never
        steps: list[Step] = []
        stopped_until = dict.fromkeys(targets, -1.0)
        for at_seconds in sorted(rng.uniform(0, duration_seconds) for _ in range(count)):
            target, action, pause = rng.choice(targets), rng.choice(actions), rng.uniform(shortest, longest)
            if at_seconds <= stopped_until[target]:
                continue
            steps.append(Step(at_seconds, target, action))
            if action is Action.STOP:
                stopped_until[target] = min(at_seconds + pause, duration_seconds)
                steps.append(Step(stopped_until[target], target, Action.CONTINUE))
        # The sort is stable: a stop at the very end stays before its continue.
        return cls(seed, duration_seconds, tuple(sorted(steps, key=lambda step: step.at_seconds)))

    def to_json(self) -> str:
        """One line of JSON that `from_json` reads back as an equal schedule."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> SignalSchedule:
        """The schedule that `to_json` wrote.

        Raises:
            ConfigError: The text is not a schedule that `to_json` wrote.
        """
        try:
            plain = json.loads(text)
            steps = tuple(
                Step(float(step["at_seconds"]), str(step["target"]), Action(step["action"]))
                for step in plain["steps"]
            )
            return cls(int(plain["seed"]), float(plain["duration_seconds"]), steps)
        except (ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"not a schedule of signals: {error!r}") from error

    def __str__(self) -> str:
        lines = (f"{step.at_seconds:9.3f} s  {step.action.value:<7}  {step.target}" for step in self.steps)
        return "\n".join([f"seed {self.seed}, {self.duration_seconds:g} s", *lines])
