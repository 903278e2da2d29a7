"""What to do about a ramp: its state, what was seen, and the time in; a verdict, and the state after it, out.

The rule, first match wins:

1. it is over                                          -> HOLD, nothing to do
2. it is on its way back                               -> FAIL; over when all processes show 0, else 0 is written again
3. a person aborts, or the deadline has come           -> FAIL, back to 0
4. a hard gate, or a sequential test that shows harm   -> FAIL, back to 0
5. nobody wrote the percentage again in time           -> NO_DATA, one step down, to the last safe one that holds already
6. the data isn't to be believed, or there is none     -> NO_DATA, stay
7. something is missing for the next step              -> HOLD, stay
8. else                                                -> PASS, one step up

The trap: staying is something to do as well. A percentage that nobody renews runs out, and the last safe one holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from quickwins.rollout._core import gates
from quickwins.rollout._core.facts import NO_DATA_SECONDS, Arm
from quickwins.rollout._core.state import Baseline, Phase, Reason, State, Verdict, Write

if TYPE_CHECKING:
    from quickwins.rollout._core.facts import Facts

QUIET_SECONDS = 60.0
"""How long the canary may have no request before that is no data."""
STALE_SECONDS = 30.0
"""What lies between two looks counts as served up to this: nobody looked at the rest."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What one look says, and what follows from it.

    Attributes:
        verdict: In one word.
        reason: Why.
        detail: For people, with the numbers.
        state: The ramp after it; its `intent` is to be written, when there is one.
        page: Whether a person has to know now.
    """

    verdict: Verdict
    reason: Reason
    detail: str
    state: State
    page: bool = False


def decide(state: State, facts: Facts, now: float) -> Decision:
    """What to do about a ramp now: the verdict, why, and the state after it. Does no I/O; the first rule that matches wins.

    Args:
        state: Where the ramp stands.
        facts: What came since the last look.
        now: In wall seconds.
    """
    if not state.active:
        return Decision(Verdict.HOLD, Reason.OVER, f"{state.phase}", state)
    if state.phase is Phase.ROLLING_BACK:
        return _going_back(state, facts, now)
    if state.aborted:
        return back(state, Reason.ABORTED, "by a person", now)
    if now - state.started_at >= state.plan.deadline:
        return back(state, Reason.DEADLINE, f"not at its end after {state.plan.deadline:.0f} s", now)
    state = replace(state, restarts=state.restarts + facts.restarts)
    if state.phase is Phase.OBSERVING:
        decision = _observing(state, facts, now)
    else:
        decision = _ramping(state, facts, now)
    return replace(decision, state=replace(decision.state, looked_at=now))


def back(state: State, reason: Reason, detail: str, now: float) -> Decision:
    """On the way back to 0, which waits for no metrics."""
    state = replace(
        state,
        phase=Phase.ROLLING_BACK,
        why=reason,
        intent=Write(0.0, -1, lasts=True),
        looked_at=now,
        confirmed=False,
    )
    return Decision(Verdict.FAIL, reason, detail, state, page=True)


def _going_back(state: State, facts: Facts, now: float) -> Decision:
    why = state.why or Reason.ABORTED
    if state.intent is None and not facts.lost and _all_show(state, facts, 0.0):
        return Decision(
            Verdict.FAIL,
            why,
            "every process shows 0",
            replace(state, phase=Phase.ROLLED_BACK, confirmed=True),
        )
    late = state.looked_at is not None and now - state.looked_at > NO_DATA_SECONDS  # since it was decided
    state = replace(state, intent=Write(0.0, -1, lasts=True))
    shown = ", ".join(f"{one:g}" for one in sorted(set(facts.percents))) or "nothing"
    return Decision(Verdict.FAIL, why, f"0 is written; shown is {shown}", state, page=late)


def _all_show(state: State, facts: Facts, percent: float) -> bool:
    """Whether every process shows `percent`; without targets to read back, what is written counts as shown."""
    plan = state.plan
    if not plan.targets and not facts.percents:
        return not plan.prometheus
    enough = len(facts.percents) >= max(1, len(plan.targets))
    return enough and all(_is(one, percent) for one in facts.percents)


def _is(one: float, percent: float) -> bool:
    """Whether they are one percentage, in steps of 0.01."""
    return round(one, 2) == round(percent, 2)


def _observing(state: State, facts: Facts, now: float) -> Decision:
    failed = gates.hard(state, facts)
    if failed is not None:
        return back(state, failed, _numbers(state, facts), now)
    if facts.problems:
        return Decision(Verdict.NO_DATA, Reason.NO_DATA, "; ".join(facts.problems[:3]), state)
    state = _normal(state, facts)
    known, wanted = state.baseline.arm, state.plan.baseline_requests
    if known.requests < wanted:
        said = f"{known.requests} of {wanted} requests seen as what is normal"
        return Decision(Verdict.HOLD, Reason.BASELINE, said, state)
    if gates.bound_of(known) is None:
        return Decision(Verdict.NO_DATA, Reason.BASELINE, "no P99 can be read from the buckets", state)
    lacks = next(gates.person(state), None)
    return _up(state) if lacks is None else Decision(Verdict.HOLD, *lacks, state)


def _normal(state: State, facts: Facts) -> State:
    """With `facts` added to what is normal."""
    old, more = state.baseline, facts.on + facts.off
    cpu, memory = old.cpu_seconds, old.memory_bytes
    if facts.cpu_seconds is not None and more.requests:
        cpu = ((cpu or 0.0) * old.arm.requests + facts.cpu_seconds) / (old.arm.requests + more.requests)
    if facts.memory_bytes is not None:
        memory = max(memory or 0.0, facts.memory_bytes)
    same = not old.bounds or not facts.bounds or old.bounds == facts.bounds
    arm = old.arm + more if same else more
    baseline = Baseline(facts.bounds or old.bounds, arm, cpu, memory)
    return replace(state, baseline=baseline, reference=arm, confirmed=True)


def _ramping(state: State, facts: Facts, now: float) -> Decision:
    if state.plan.control == "baseline":
        facts = replace(facts, on=facts.on + facts.off, off=Arm())
    shown = _all_show(state, facts, state.percent)
    counts = state.confirmed
    if counts:
        state = gates.windowed(gates.seen(state, facts), facts, now)
    failed = gates.hard(state, facts) or gates.harm(state)
    if failed is not None:
        return back(state, failed, _numbers(state, facts), now)
    if now - state.written_at >= state.plan.ttl and facts.percents and _all_show(state, facts, _safe(state)):
        return _ran_out(state)
    if not counts:
        # The look that first shows it reaches back to before it was written: from the next one on, things count.
        state = _kept(replace(state, confirmed=shown), now)
        said = f"{state.percent:g} % is not shown everywhere yet"
        return Decision(Verdict.NO_DATA, Reason.NOT_APPLIED, said, state)
    if facts.percents and not any(_is(one, state.percent) for one in facts.percents):
        said = f"every process shows {facts.percents[0]:g} %, not {state.percent:g}"
        return back(state, Reason.OVERRIDDEN, said, now)
    return _judged(state, facts, now)


def _safe(state: State) -> float:
    """The last safe percentage: that of the step before."""
    return state.plan.steps[state.step - 1].percent if state.step > 0 else 0.0


def _ran_out(state: State) -> Decision:
    """A step down, where the flag is by itself; before the first one, what is normal is looked at once more."""
    said = f"nobody wrote {state.percent:g} % again in time"
    down = replace(state, step=state.step - 1)
    write = Write(_safe(state), down.step, fallback=_safe(down), lasts=down.step < 0)
    if down.step < 0:
        state = replace(down, phase=Phase.OBSERVING)
    return Decision(Verdict.NO_DATA, Reason.RAN_OUT, said, replace(state, intent=write))


def _judged(state: State, facts: Facts, now: float) -> Decision:
    """With no harm shown: whether it may go on."""
    if facts.on.requests:
        state = replace(state, data_at=now)
    quiet = state.data_at is None or now - state.data_at > QUIET_SECONDS
    if facts.problems or quiet:
        said = "; ".join(facts.problems[:3]) or "the canary has no requests"
        return Decision(Verdict.NO_DATA, Reason.NO_DATA, said, _kept(state, now))
    since = facts.seconds if state.looked_at is None else now - state.looked_at
    state = replace(state, served_seconds=state.served_seconds + min(STALE_SECONDS, max(0.0, since)))
    lacks = next(gates.missing(state, now), None)
    if lacks is None:
        return _up(state)
    return Decision(Verdict.HOLD, *lacks, _kept(state, now))


def _up(state: State) -> Decision:
    """One step on; after the last one, for good."""
    at = state.step + 1
    last = at == len(state.plan.steps)
    write = Write(
        state.percent if last else state.plan.steps[at].percent,
        state.step if last else at,
        fallback=state.percent,
        lasts=last,
    )
    detail = "through all steps" if last else f"on to {write.percent:g} %"
    if last:
        state = replace(state, phase=Phase.DONE)
    return Decision(Verdict.PASS, Reason.HEALTHY, detail, replace(state, intent=write))


def _kept(state: State, now: float) -> State:
    """`state`, with its percentage written again before it runs out."""
    if state.intent is not None or abs(now - state.written_at) < state.plan.ttl / 3:
        return state
    return replace(state, intent=Write(state.percent, state.step, fallback=_safe(state)))


def _numbers(state: State, facts: Facts) -> str:
    """What was seen, for people."""
    on, off = state.on, state.off
    lost = f"; lost: {', '.join(facts.lost)}" if facts.lost else ""
    return (
        f"on: {on.errors} errors of {on.requests}, off: {off.errors} of {off.requests}; "
        f"slow: {state.slower.whole.hits} of {state.slower.whole.requests}; restarts: {state.restarts}{lost}"
    )
