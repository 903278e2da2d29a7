"""Where a ramp stands: everything that `decide` knows from before, and what a store keeps.

    observing -> ramping (step 0, 1, ...) -> done
    observing, ramping -> rolling back -> rolled back
    ramping (step 2, 1, 0) -> ramping (step 1, 0), observing     when nobody wrote the percentage again in time

The rule: a phase changes in `decide` and `settled` alone. `intent` is what is to be written; it is stored first, written then,
and settled after that, so that the next one after a crash writes the same once more, and skips or repeats no step.
"""

from __future__ import annotations

from collections.abc import Mapping  # noqa: TC003 -- pydantic reads it; until=never
from dataclasses import dataclass, field, replace
from enum import StrEnum

from pydantic import TypeAdapter

from quickwins.rollout._core.evidence import Evidence
from quickwins.rollout._core.facts import Arm
from quickwins.rollout.plan import Plan  # noqa: TC001 -- pydantic reads it; until=never

WHOLE = 100
SLOW_RATIOS = (1.5, 2.5, 5.0, 12.0)
ERROR_RATIOS = (3.0, 6.0)


class Verdict(StrEnum):
    """What one look at a ramp says."""

    PASS = "pass"  # noqa: S105 -- no password; until=never
    HOLD = "hold"
    FAIL = "fail"
    NO_DATA = "no_data"


class Phase(StrEnum):
    """Where a ramp stands."""

    OBSERVING = "observing"
    RAMPING = "ramping"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    DONE = "done"


ACTIVE = frozenset({Phase.OBSERVING, Phase.RAMPING, Phase.ROLLING_BACK})


class Reason(StrEnum):
    """Why a look says what it says."""

    CRASH = "crash"
    HEARTBEAT = "heartbeat"
    BURST = "burst"
    CASCADE = "cascade"
    CPU = "cpu"
    MEMORY = "memory"
    LATENCY = "latency"
    ERRORS = "errors"
    DEADLINE = "deadline"
    OVERRIDDEN = "overridden"
    ABORTED = "aborted"
    NO_DATA = "no_data"
    RAN_OUT = "ran_out"
    NOT_APPLIED = "not_applied"
    IMBALANCE = "imbalance"
    UNDECIDED = "undecided"
    REQUESTS = "requests"
    TIME = "time"
    APPROVAL = "approval"
    PAUSED = "paused"
    BASELINE = "baseline"
    HEALTHY = "healthy"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class Write:
    """What the flag is to say.

    Attributes:
        percent: For how many percent of the keys it is on.
        step: The step that this is; -1 for the way back.
        fallback: What holds when nobody writes for a while: the last safe percentage.
        lasts: Whether it stays without anybody: at the end, and on the way back.
    """

    percent: float
    step: int
    fallback: float = 0.0
    lasts: bool = False


@dataclass(frozen=True, slots=True)
class Baseline:
    """What is normal: the service before the ramp.

    Attributes:
        bounds: Of the buckets.
        arm: Everything that was seen.
        cpu_seconds: For each request; `None`: unknown.
        memory_bytes: Of the largest process; `None`: unknown.
    """

    bounds: tuple[float, ...] = ()
    arm: Arm = field(default_factory=Arm)
    cpu_seconds: float | None = None
    memory_bytes: float | None = None


@dataclass(frozen=True, slots=True)
class Window:
    """Some seconds of the cohort that a cascade would show in, and of what the processes use.

    Attributes:
        requests: With a time.
        slow: Of them, slower than a cascade's bound.
        errors: Errors.
        seconds: How long it is already.
        bad: How many windows before this one were bad, without a good one between.
    """

    requests: int = 0
    slow: int = 0
    errors: int = 0
    seconds: float = 0.0
    bad: int = 0


@dataclass(frozen=True, slots=True)
class State:
    """One ramp.

    Attributes:
        feature: Whose flag.
        plan: As it was when the ramp was started: a file that is edited later changes nothing.
        started_at: In wall seconds.
        phase: Where it stands.
        step: The step that is written; -1 before the first.
        percent: What was last written.
        intent: What is to be written; `None`: nothing is.
        written_at: When something was last written.
        confirmed: Whether all processes have shown what was written.
        served_seconds: How long this step has had data.
        looked_at: When the last look was.
        data_at: When the canary last had a request.
        on: The canary in this step.
        off: The control in this step.
        slower: Evidence on latency.
        failing: Evidence on errors, against the control.
        failing_since: Evidence on errors, against the baseline.
        errors_spared: How sure it is that errors are below the gate.
        control: Times of the control, from which the next look's bound is taken.
        baseline: What is normal.
        reference: The control of the last step that had one; what a step without a control is compared with.
        window: See `Window`.
        over: Since when something is over its gate, by reason.
        restarts: Restarts seen so far.
        approved: The highest step that a person has said yes to.
        paused: Whether a person wants it to stay.
        aborted: Whether a person wants it back.
        why: What took it back; `None`: nothing did.
    """

    feature: str
    plan: Plan
    started_at: float
    phase: Phase = Phase.OBSERVING
    step: int = -1
    percent: float = 0.0
    intent: Write | None = None
    written_at: float = 0.0
    confirmed: bool = False
    served_seconds: float = 0.0
    looked_at: float | None = None
    data_at: float | None = None
    on: Arm = field(default_factory=Arm)
    off: Arm = field(default_factory=Arm)
    slower: Evidence = field(default_factory=lambda: Evidence.none(SLOW_RATIOS))
    failing: Evidence = field(default_factory=lambda: Evidence.none(ERROR_RATIOS))
    failing_since: Evidence = field(default_factory=lambda: Evidence.none(ERROR_RATIOS))
    errors_spared: float = 0.0
    control: Arm = field(default_factory=Arm)
    baseline: Baseline = field(default_factory=Baseline)
    reference: Arm = field(default_factory=Arm)
    window: Window = field(default_factory=Window)
    over: Mapping[Reason, float] = field(default_factory=dict)
    restarts: int = 0
    approved: int = -1
    paused: bool = False
    aborted: bool = False
    why: Reason | None = None

    @property
    def active(self) -> bool:
        """Whether anything is still to be done."""
        return self.phase in ACTIVE

    @property
    def split(self) -> bool:
        """Whether there is a control: requests of the same minutes that have it off."""
        return self.percent < WHOLE and self.plan.control == "cohort"


def begun(feature: str, plan: Plan, now: float) -> State:
    """A ramp that is about to look at what is normal; the flag is on for nobody."""
    return State(feature, plan, now, intent=Write(0.0, -1, lasts=True))


def settled(state: State, now: float) -> State:
    """After what `state` intends was written.

    A new step begins with nothing seen; the same one, written again so that it does not run out, goes on.
    """
    write = state.intent
    if write is None:
        return state
    state = replace(state, intent=None, percent=write.percent, written_at=now)
    if state.phase is Phase.ROLLING_BACK:
        return replace(state, confirmed=False)
    if state.phase is Phase.RAMPING and write.step == state.step:
        return state
    if write.step < 0:
        return replace(state, confirmed=False)
    reference = state.off if state.off.timed else state.reference
    return replace(
        state,
        phase=Phase.DONE if write.lasts else Phase.RAMPING,
        step=write.step,
        confirmed=write.lasts,
        served_seconds=0.0,
        data_at=None,
        on=Arm(),
        off=Arm(),
        slower=Evidence.none(SLOW_RATIOS),
        failing=Evidence.none(ERROR_RATIOS),
        failing_since=Evidence.none(ERROR_RATIOS),
        errors_spared=0.0,
        control=reference,
        reference=reference,
        window=Window(),
    )


def outdated(state: State, now: float) -> bool:
    """Whether `state` intends what was decided so long ago that nothing says it is still right.

    That is as long as a percentage lasts that nobody writes again. What goes down is right at any time.
    """
    write, looked_at = state.intent, state.looked_at
    if write is None or looked_at is None or not write.percent or write.percent < state.percent:
        return False
    return now - looked_at >= state.plan.ttl


def withdrawn(state: State) -> State:
    """Without what `state` intends: as before it was decided, and whether the percentage is shown is to be seen anew."""
    phase = Phase.RAMPING if state.phase is Phase.DONE else state.phase
    return replace(state, intent=None, phase=phase, confirmed=False)


STATE = TypeAdapter(State)
"""A state as JSON, and back."""
