"""A database, its clients and a gate in virtual time, to compare limits by: one seeded heap of events, no event loop.

Statements come by an open-loop Poisson process, whether or not earlier ones were answered. The gate admits up to its
limit, keeps a line of twice the pool, serves the newest first and turns away what has waited for the target. In the
database all statements proceed at one speed, which depends on how many there are.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from math import inf
from random import Random
from typing import Protocol

Speed = Callable[[int], float]
"""How fast each of `n` statements proceeds, 1.0 alone."""
Work = Callable[[Random], float]
"""Draws how much work a statement is, 1.0 on average."""


class Learner(Protocol):
    @property
    def limit(self) -> int: ...
    def done(self, now: float, held_seconds: float, inflight: int) -> bool: ...
    def failed(self, now: float, inflight: int) -> bool: ...


@dataclass
class Fixed:
    """A limit that learns nothing."""

    limit: int

    def done(self, now: float, held_seconds: float, inflight: int) -> bool:
        return False

    def failed(self, now: float, inflight: int) -> bool:
        return False


def independent(n: int) -> float:
    """Nobody disturbs anybody."""
    return 1.0


def shared(cpus: int) -> Speed:
    """Processor sharing: throughput stays what it is beyond the knee."""
    return lambda n: min(1.0, cpus / n)


def contended(cpus: int, exponent: float = 2.0) -> Speed:
    """A lock storm: beyond the knee throughput falls (2.0: to a half at twice the knee)."""
    return lambda n: min(1.0, (cpus / n) ** exponent)


def constant(rng: Random) -> float:
    return 1.0


def exponential(rng: Random) -> float:
    return rng.expovariate(1.0)


def heavy(rng: Random, sigma: float = 1.5) -> float:
    """Lognormal."""
    return rng.lognormvariate(-sigma * sigma / 2, sigma)


def bimodal(rng: Random) -> float:
    """One in ten is twenty times as long as the others."""
    return 20 / 2.9 if rng.random() < 0.1 else 1 / 2.9


def capacity(speed: Speed, pool: int) -> tuple[int, float]:
    """The limit with the most throughput, the lowest such, and that throughput in units of work per second."""
    best = max(range(1, pool + 1), key=lambda n: (round(n * speed(n), 9), -n))
    return best, best * speed(best)


@dataclass
class Database:
    """All of what a run needs to know.

    Attributes:
        pool: The size of the pool, the most that any limit is.
        speed: By how many statements are running.
        work: By chance.
        service_seconds: By the time, for a statement of work 1.0 that runs alone.
        deadline_seconds: What a client waits for, line included.
        target_seconds: What the gate lets wait, at most.
    """

    pool: int
    speed: Speed = independent
    work: Work = exponential
    service_seconds: Callable[[float], float] = lambda now: 0.05
    deadline_seconds: float = 1.0
    target_seconds: float = 0.1


@dataclass
class Outcome:
    """Of a run.

    Attributes:
        arrived, good, late: Statements that came, that were answered in time, and that were cancelled while running.
        limits: The limit after each change, with the time.
        good_at: When good ones ended.
    """

    arrived: int = 0
    good: int = 0
    late: int = 0
    limits: list[tuple[float, int]] = field(default_factory=list)

    def goodput(self) -> float:
        return self.good / self.arrived

    def mean_limit(self, since: float, until: float) -> float:
        """Over time."""
        total = 0.0
        for (at, limit), (then, _) in zip(self.limits, [*self.limits[1:], (inf, 0)], strict=True):
            total += limit * max(0.0, min(then, until) - max(at, since))
        return total / (until - since)


def run(  # noqa: PLR0912 -- one loop over one heap is easier to follow than its pieces; until=never
    database: Database,
    learner: Learner,
    *,
    rate: Callable[[float], float],
    seconds: float,
    seed: int,
    count_from: float = 0.0,
) -> Outcome:
    """Let statements come at `rate(now)` a second for so long; those that came before `count_from` are not counted."""
    arrivals, works = Random(seed), Random(seed + 1)
    outcome = Outcome(limits=[(0.0, learner.limit)])
    speed, pool = database.speed, database.pool
    line: deque[float] = deque()  # when they came
    progress = now = 0.0  # what a statement that ran from the start would have done by now
    ends: list[tuple[float, int]] = []  # the progress at which a statement is done, and its number
    deadlines: list[tuple[float, int]] = []
    running: dict[int, tuple[float, float]] = {}  # when it was admitted, when it came
    number = 0
    next_arrival = arrivals.expovariate(rate(0.0))

    def admit(came: float) -> None:
        nonlocal number
        number += 1
        running[number] = (now, came)
        heapq.heappush(ends, (progress + works_of(now), number))
        heapq.heappush(deadlines, (came + database.deadline_seconds, number))

    def works_of(at: float) -> float:
        return database.work(works) * database.service_seconds(at)

    while True:
        while ends and ends[0][1] not in running:
            heapq.heappop(ends)
        while deadlines and deadlines[0][1] not in running:
            heapq.heappop(deadlines)
        pace = speed(len(running)) if running else 1.0
        done_at = now + max(0.0, ends[0][0] - progress) / pace if ends else inf
        late_at = deadlines[0][0] if deadlines else inf
        then = min(done_at, late_at, next_arrival)
        if then >= seconds:
            return outcome
        progress += (then - now) * pace
        now = then
        if now == next_arrival:
            next_arrival = now + arrivals.expovariate(rate(now))
            counted = now >= count_from
            outcome.arrived += counted
            while line and line[0] + database.target_seconds <= now:
                line.popleft()
            if len(running) < learner.limit:
                admit(now)
            elif len(line) < 2 * pool:
                line.append(now)
            continue
        inflight = len(running)
        if done_at <= late_at:
            admitted, came = running.pop(heapq.heappop(ends)[1])
            outcome.good += came >= count_from
            changed = learner.done(now, now - admitted, inflight)
        else:
            admitted, came = running.pop(heapq.heappop(deadlines)[1])
            outcome.late += came >= count_from
            changed = learner.failed(now, inflight)
        if changed:
            outcome.limits.append((now, learner.limit))
        while line and len(running) < learner.limit:
            came = line.pop()
            if came + database.target_seconds > now:
                admit(came)
            else:
                line.clear()
