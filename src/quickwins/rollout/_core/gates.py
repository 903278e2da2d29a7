"""The gates: what of the facts is harm, and what is not enough to say.

Hard gates need no sample: a crash, a lost heartbeat, a burst of failures, the control far from what is normal. The others are
sequential tests (`evidence`). Slow means slower than the bound that about 1 % of the control's requests exceed; of the canary,
`p99_ratio_max` times that. The bound is taken from what was seen before the look that it is used for.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from quickwins.rollout._core.evidence import excluded_above
from quickwins.rollout._core.facts import Arm
from quickwins.rollout._core.state import WHOLE, Reason, State, Window

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickwins.rollout._core.facts import Facts

ALPHA = 0.01
"""The probability that a whole ramp of something harmless is taken back."""
CONTROL_REQUESTS = 200
"""How many of the control are needed before there is a bound; they are looked at, and not tested."""
CONTROL_MEMORY = 50_000
"""Past it, older times count half: the bound follows the day."""
BASELINE_SLACK = 1.5
"""How much more often a step without a control may be slow than the reference, as times of day differ."""
SLOW_SHARE, CASCADE_SHARE, CASCADE_REQUESTS = 0.01, 0.05, 20
WINDOW_SECONDS, BAD_WINDOWS = 5.0, 2
BURST_ERRORS, BURST_SHARE, CONTROL_SHARE = 5, 0.5, 0.25
IMBALANCE_CHI2, IMBALANCE_SHARE = 24.0, 0.1
"""Six in ten million by chance, and a tenth off: a key that few clients share has heavy users."""
LONG_SECONDS = 300.0


def seen(state: State, facts: Facts) -> State:
    """`state` with what `facts` say of this step."""
    plan = state.plan
    on, off = facts.on, facts.off
    bad_on, bad_off = _bad(state, on), _bad(state, off)
    state = replace(
        state,
        on=state.on + on,
        off=state.off + off,
        errors_spared=excluded_above(
            state.errors_spared, requests=on.requests, hits=bad_on, most=plan.gates.error_rate_max
        ),
    )
    both = on.requests + off.requests
    if off.requests and on.requests:
        share = on.requests / both
        failing = state.failing.seen(requests=on.requests, hits=bad_on, trials=bad_on + bad_off, share=share)
        state = replace(state, failing=failing)
    if state.baseline.arm.requests and on.requests:
        normal = _normal_errors(state)
        since = state.failing_since.seen(requests=on.requests, hits=bad_on, trials=on.requests, share=normal)
        state = replace(state, failing_since=since)
    return _control(_times(state, facts), facts)


def _bad(state: State, arm: Arm) -> int:
    return arm.errors + (arm.refused if state.plan.gates.goodput else 0)


def _normal_errors(state: State) -> float:
    """The share of failures that is normal; the control's own, once it has clearly more."""
    normal = (_bad(state, state.baseline.arm) + 0.5) / (state.baseline.arm.requests + 1)
    failed = _bad(state, state.off)
    now = (failed - 2 * math.sqrt(failed)) / state.off.requests if state.off.requests else 0.0
    return max(normal, now)


def _times(state: State, facts: Facts) -> State:
    """With the evidence on latency."""
    index = bound_of(state.control)
    if index is None or not facts.on.timed:
        return state
    slower = index_above(facts.bounds, index, state.plan.gates.p99_ratio_max)
    if slower is None or len(facts.bounds) + 1 != len(state.control.slow):
        return state
    hits = facts.on.above(slower)
    if state.split or facts.off.timed:
        both = facts.on.timed + facts.off.timed
        trials, share = hits + facts.off.above(index), facts.on.timed / both
    else:
        known = state.reference if state.reference.timed else state.baseline.arm
        trials = facts.on.timed
        share = BASELINE_SLACK * (known.above(index) + 1) / (known.timed + 1)
    return replace(
        state, slower=state.slower.seen(requests=facts.on.timed, hits=hits, trials=trials, share=share)
    )


def _control(state: State, facts: Facts) -> State:
    """With the control's times, for the bound of the next look."""
    if not facts.off.timed or (state.control.slow and len(facts.off.slow) != len(state.control.slow)):
        return state
    control = Arm(slow=state.control.slow) + Arm(slow=facts.off.slow)
    if control.timed > CONTROL_MEMORY:
        control = Arm(slow=tuple(one // 2 for one in control.slow))
    return replace(state, control=control)


def bound_of(control: Arm) -> int | None:
    """The first bucket whose bound at most 1 % of `control` exceed; `None`: too few to say, or they have no end."""
    if control.timed < CONTROL_REQUESTS:
        return None
    above = control.timed
    for index, count in enumerate(control.slow[:-1]):
        above -= count
        if above <= SLOW_SHARE * control.timed:
            return index
    return None


def index_above(bounds: tuple[float, ...], index: int, ratio: float) -> int | None:
    """The first bucket whose bound is `ratio` times that at `index`, or more; `None`: there is none, or none near it."""
    if index >= len(bounds):
        return None
    wanted = bounds[index] * ratio
    for at in range(index, len(bounds)):
        if bounds[at] >= wanted * 0.999:
            return at if bounds[at] <= wanted * 1.25 else None
    return None


def hard(state: State, facts: Facts) -> Reason | None:
    """The hard gate that says no, if one does."""
    gates = state.plan.gates
    if state.restarts > gates.restarts_max:
        return Reason.CRASH
    if facts.lost:
        return Reason.HEARTBEAT
    on, off = facts.on, facts.off
    errors, others = _bad(state, on), _bad(state, off)
    if (
        errors >= BURST_ERRORS
        and errors >= BURST_SHARE * on.requests
        and others <= CONTROL_SHARE * off.requests
    ):
        return Reason.BURST
    if state.window.bad >= BAD_WINDOWS:
        return Reason.CASCADE
    if any(
        state.looked_at is not None and state.looked_at - since >= LONG_SECONDS
        for since in state.over.values()
    ):
        return min(state.over, key=lambda one: state.over[one])
    return None


def harm(state: State) -> Reason | None:
    """What the sequential tests have proven, if anything.

    The risks of all tests in all steps together are `ALPHA`: of the first step 0.6 of it, of each one after that half of the
    one before.
    """
    risk = ALPHA * (0.6 if state.step <= 0 else 0.4 / 2**state.step)
    most = state.plan.gates.error_rate_max
    for failing, part in ((state.failing, 0.2), (state.failing_since, 0.65)):
        if failing.proof(risk * part, rate_at_least=most):
            return Reason.ERRORS
    return Reason.LATENCY if state.slower.proof(risk * 0.15) else None


def windowed(state: State, facts: Facts, now: float) -> State:
    """With the window of the cascade, and since when processor time and memory are over their gates."""
    gates, baseline = state.plan.gates, state.baseline
    arm = facts.off if facts.off.requests or state.split else facts.on
    window = state.window
    index = bound_of(baseline.arm)
    far = None if index is None else index_above(baseline.bounds, index, gates.cascade_p99_ratio_max)
    same = facts.bounds == baseline.bounds
    window = Window(
        window.requests + arm.requests - arm.refused,
        window.slow + (0 if far is None or not same else arm.above(far)),
        window.errors + arm.errors,
        window.seconds + facts.seconds,
        window.bad,
    )
    if window.seconds >= WINDOW_SECONDS and window.requests >= CASCADE_REQUESTS:
        bad = (
            window.slow >= CASCADE_SHARE * window.requests
            or window.errors > gates.cascade_error_rate_max * window.requests
        )
        window = Window(bad=window.bad + 1 if bad else 0)
    over = dict(state.over)
    requests = facts.on.requests + facts.off.requests
    if facts.cpu_seconds is not None and baseline.cpu_seconds and requests:
        _since(
            over, Reason.CPU, facts.cpu_seconds / requests > gates.cpu_ratio_max * baseline.cpu_seconds, now
        )
    if facts.memory_bytes is not None and baseline.memory_bytes:
        _since(over, Reason.MEMORY, facts.memory_bytes > gates.memory_ratio_max * baseline.memory_bytes, now)
    return replace(state, window=window, over=over)


def _since(over: dict[Reason, float], reason: Reason, is_over: bool, now: float) -> None:
    if is_over:
        over.setdefault(reason, now)
    else:
        over.pop(reason, None)


def missing(state: State, now: float) -> Iterator[tuple[Reason, str]]:
    """What keeps the ramp where it is, the most important first; nothing: it may go on."""
    step = state.plan.steps[state.step]
    on, off = state.on.requests, state.off.requests
    if state.split and imbalanced(on, off, state.percent / WHOLE):
        yield Reason.IMBALANCE, f"{on} of {on + off} requests have it on, at {state.percent:g} %"
    least = min(on, off) if state.split else on
    if least < step.min_requests:
        yield Reason.REQUESTS, f"{least} of {step.min_requests} requests in the smaller cohort"
    if not state.slower.excluded:
        yield Reason.UNDECIDED, "that it is slower is neither shown nor excluded"
    if state.errors_spared < math.log(20):
        yield Reason.UNDECIDED, "that errors are over the gate is neither shown nor excluded"
    if state.served_seconds < step.hold:
        yield Reason.TIME, f"{state.served_seconds:.0f} of {step.hold:.0f} s with data"
    if state.over:
        yield next(iter(state.over)), f"over its gate for {now - min(state.over.values()):.0f} s"
    if state.window.bad:
        yield Reason.CASCADE, "the control is far from the baseline"
    yield from person(state)


def person(state: State) -> Iterator[tuple[Reason, str]]:
    """What a person has to say first."""
    following = state.step + 1
    if state.paused:
        yield Reason.PAUSED, "paused by a person"
    steps = state.plan.steps
    if following < len(steps) and steps[following].approval and state.approved < following:
        yield Reason.APPROVAL, f"step {following + 1} needs a person's approval"


def imbalanced(on: int, off: int, share: float) -> bool:
    """Whether the cohorts' sizes are not what the percentage says (a sample-ratio mismatch, by chi-square)."""
    both = on + off
    if not 0 < share < 1 or not both:
        return False
    expected = share * both
    chi2 = (on - expected) ** 2 / (expected * (1 - share))
    return chi2 > IMBALANCE_CHI2 and abs(on / expected - 1) > IMBALANCE_SHARE
