"""How often a ramp of something harmless is taken back, and how soon one of something harmful is; peers beside it.

python -m benchmarks.rollout.simulate [--rollouts N] [--only WORD] [--brief]

Every ramp is one of `decide`'s own, from a seed, without a clock or a service: 2,000 of each kind. Times to detect are in
requests of the canary. Exits with 3 when a target is missed.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING

from benchmarks.program import add_brief
from benchmarks.rollout.peers import PEERS, Rule
from benchmarks.rollout.traffic import Service, binomial, look
from quickwins.rollout._core.decide import decide
from quickwins.rollout._core.facts import Arm
from quickwins.rollout._core.state import Phase, begun, settled
from quickwins.rollout.plan import Plan

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from quickwins.rollout._core.facts import Facts

NORMAL = Service()
MOST_TICKS = 400


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of ramp.

    Attributes:
        name: For the table.
        canary: How the canary goes, by the part of the step that has passed in requests.
        control: How the control goes, likewise.
        tick: Requests between two looks.
        most: Of the canary's requests, for detection; 0: ramp to the end.
        target: The 95th percentile it must be caught by; 0: it is harmless, and at most 1 % may be taken back; `None`: printed.
        skew: Seconds that the wall clock jumps to and fro.
        share: How much of the percentage the cohort really gets.
        split: Whether requests are; else all of them are the canary's, and compared with the baseline.
    """

    name: str
    canary: Callable[[int], Service]
    control: Callable[[int], Service] = lambda _: NORMAL
    tick: int = 50
    most: int = 20_000
    target: int | None = None
    skew: float = 0.0
    share: float = 1.0
    split: bool = True


def steady(**how: float) -> Callable[[int], Service]:
    """The same all the time."""
    service = replace(NORMAL, **how)
    return lambda _: service


def by_day(requests: int) -> Service:
    """Twice as slow and three times the errors at noon, for everybody."""
    noon = 0.5 - 0.5 * abs(1 - requests % 20_000 / 10_000)
    return replace(NORMAL, slower=1 + noon, errors=0.002 + 0.004 * noon)


KINDS = (
    Kind("A/A", steady(), tick=500, most=0, target=0),
    Kind("A/A, 10,000 requests a look", steady(), tick=10_000, most=0, target=0),
    Kind("A/A, 1 request/s", steady(), tick=20, most=1500, target=0),
    Kind("A/A, load of a day", by_day, by_day, tick=500, most=0, target=0),
    Kind("A/A, clock jumps by an hour", steady(), tick=500, most=0, target=0, skew=3600),
    Kind("A/A, sigma 1", steady(sigma=1.0), steady(sigma=1.0), tick=500, most=0, target=0),
    Kind("2x slower", steady(slower=2.0), tick=100, target=700),
    Kind("+50 %", steady(slower=1.5), tick=200, target=1500),
    Kind("errors 100 %", steady(errors=1.0), tick=20, target=10),
    Kind("errors 5 %", steady(errors=0.05), target=250),
    Kind("errors 2 %", steady(errors=0.02), tick=200, target=2500),
    Kind("+20 %, sigma 0.5", steady(slower=1.2), tick=500),
    Kind("+20 %, sigma 1", steady(slower=1.2, sigma=1.0), steady(sigma=1.0), tick=500),
    Kind("one instance in ten 3x slower", steady(slower=3.0, slower_share=0.1), tick=200),
    Kind("slow leak, 2x after 10,000", lambda n: replace(NORMAL, slower=1 + min(1.0, n / 10_000)), tick=500),
    Kind("A/A, not split", steady(), tick=500, most=0, target=0, split=False),
    Kind("2x slower, not split", steady(slower=2.0), target=700, split=False),
    Kind("errors 5 %, not split", steady(errors=0.05), target=250, split=False),
    Kind("a fifth of the cohort is missing", steady(), tick=500, most=0, share=0.8),
)


@dataclass(slots=True)
class Outcome:
    """How the ramps of one kind ended.

    Attributes:
        caught: Of each ramp that was taken back, the canary's requests by then.
        ends: How the others ended, or where they stayed.
        reasons: What took them back.
    """

    caught: list[int] = field(default_factory=list)
    ends: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)

    def percentile(self, share: float, of: int) -> int | None:
        """The requests by which `share` of all were caught; `None`: fewer ever were."""
        at = int(share * of)
        return sorted(self.caught)[at] if at < len(self.caught) else None


def ramp(kind: Kind, seed: int, outcome: Outcome) -> None:
    """One ramp, to its end or to where it stays."""
    rng = Random(seed)
    steps = [{"percent": percent, "min_requests": 3000} for percent in (10, 50, 100)]
    control = "cohort" if kind.split else "baseline"
    plan = Plan.model_validate({"steps": steps, "deadline": "30d", "control": control})
    now = 0.0
    state = settled(begun("feed", plan, now), now)
    used = ticks = seen = 0
    while state.active and ticks < MOST_TICKS and not (kind.most and used >= kind.most):
        ticks += 1
        now += 1 + (kind.skew if ticks % 7 == 0 else -kind.skew if ticks % 7 == 3 else 0)
        facts: Facts
        if state.phase is Phase.OBSERVING:
            facts = look(Arm(), kind.control(0).arm(plan.baseline_requests, rng), 0, 1)
        elif not state.confirmed:
            facts = look(Arm(), Arm(), state.percent, 1)
            seen = 0
        else:
            n = binomial(kind.tick, kind.share * state.percent / 100, rng) if kind.split else kind.tick
            on, off = kind.canary(seen).arm(n, rng), kind.control(seen).arm(kind.tick - n, rng)
            facts = look(on, off, state.percent, 1)
            used, seen = used + n, seen + kind.tick
        decision = decide(state, facts, now)
        state = decision.state
        if state.phase is Phase.ROLLING_BACK:
            outcome.caught.append(used)
            outcome.reasons[f"{decision.reason} at {state.percent:g} %"] += 1
            return
        state = settled(state, now)
    outcome.ends["done" if state.phase is Phase.DONE else f"stays at {state.percent:g} %"] += 1


def peer(kind: Kind, in_a_row: int, seed: int, outcome: Outcome) -> None:
    """Thirty windows of 1,000 requests by a peer's rule, at 10 %."""
    rng = Random(seed)
    rule = Rule(in_a_row)
    for window in range(30):
        seen = window * 1000
        on, off = kind.canary(seen).arm(100, rng), kind.control(seen).arm(900, rng)
        if rule.fails(on, off):
            outcome.caught.append((window + 1) * 100)
            return
    outcome.ends["done"] += 1


def run(kind: Kind, rollouts: int) -> Outcome:
    """`rollouts` ramps of one kind."""
    outcome = Outcome()
    for seed in range(rollouts):
        ramp(kind, seed, outcome)
    return outcome


def missed(kind: Kind, outcome: Outcome, rollouts: int) -> bool:
    """Whether the target of `kind` was missed."""
    if kind.target is None:
        return False
    if not kind.target:
        return len(outcome.caught) > 0.01 * rollouts
    late = outcome.percentile(0.95, rollouts)
    return late is None or late > kind.target


def shown(outcome: Outcome, rollouts: int) -> str:
    """For one cell."""
    at = [outcome.percentile(share, rollouts) for share in (0.5, 0.95)]
    times = "/".join("-" if one is None else f"{one:,}" for one in at)
    return f"{100 * len(outcome.caught) / rollouts:.1f} % {times}"


def main(arguments: list[str]) -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rollouts", type=int, default=2000)
    parser.add_argument("--only", default="")
    add_brief(parser)
    given = parser.parse_args(arguments)
    wrong = 0
    print("taken back, and by how many requests of the canary half and 95 % of all were")
    peers = () if given.brief else tuple(PEERS)  # no target is about them
    print("\t".join(("traffic", "quickwins", *peers, "otherwise", "target")))
    asked = [
        at
        for at, kind in enumerate(KINDS)
        if given.only in kind.name and not (given.brief and kind.target is None)
    ]
    with ProcessPoolExecutor() as pool:
        for row, is_missed in pool.map(partial(compared, rollouts=given.rollouts, peers=peers), asked):
            wrong += is_missed
            print(row, flush=True)
    return 3 if wrong else 0


def compared(at: int, rollouts: int, peers: Sequence[str]) -> tuple[str, bool]:
    """The line of one of `KINDS`, with these peers beside ours, and whether its target was missed."""
    kind = KINDS[at]
    ours = run(kind, rollouts)
    row = [kind.name, shown(ours, rollouts)]
    for name in peers:
        theirs = Outcome()
        for seed in range(min(300, rollouts)):
            peer(kind, PEERS[name], seed, theirs)
        row.append(shown(theirs, min(300, rollouts)))
    row.append(", ".join(f"{name}: {n}" for name, n in (ours.reasons + ours.ends).most_common(4)))
    is_missed = missed(kind, ours, rollouts)
    target = "" if kind.target is None else f"<= {kind.target:,}" if kind.target else "<= 1 %"
    return "\t".join((*row, f"{target} {'MISSED' if is_missed else ''}".strip())), is_missed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
