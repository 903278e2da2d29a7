"""The criteria of a soak, and the judgement: evidence in, a finding for each criterion out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from pydantic import Field

from quickwins.core.config import Number, Section, Whole
from quickwins.rollout.soak.slope import slope

if TYPE_CHECKING:
    from quickwins.rollout.soak.evidence import Evidence


class Verdict(StrEnum):
    """What is said of a criterion."""

    PASS = "pass"  # noqa: S105 -- no password; until=never
    FAIL = "fail"
    NO_DATA = "no_data"


class Criteria(Section):
    """What staging must show before a rollout."""

    for_seconds: Number = Field(
        default=48 * 3600.0, gt=0, le=30 * 86400, description="How long everything is watched."
    )
    watched_min: Number = Field(
        default=0.95,
        gt=0,
        le=1,
        description="The share of looks at processes that must be answered, and of the time that must be over.",
    )
    threshold: Number = Field(
        default=0.85, gt=0, le=1, description="Of a pool: the share from which on its gate refuses."
    )
    hit_rate_min: Number = Field(default=0.60, ge=0, le=1, description="Of each policy of the query cache.")
    hit_rate_max: Number = Field(
        default=0.70, ge=0, le=1, description="Above, the load is not like production's, or too much is kept."
    )
    min_queries: Whole = Field(default=1000, ge=1, description="Without them a hit rate says nothing.")
    growth_max: Number = Field(
        default=0.02, gt=0, le=10, description="How much a process's memory may grow in a day; 0.02 is 2 %."
    )
    rising_min: Number = Field(
        default=0.75,
        ge=0.5,
        le=1,
        description="The share of pairs of points, of which the later must be the higher, from which on growth is no noise.",
    )


@dataclass(frozen=True, slots=True)
class Finding:
    """What is said of one criterion.

    Attributes:
        criterion: Which.
        verdict: Whether it was met.
        says: A sentence for people.
        evidence: Its numbers, by what they are of.
    """

    criterion: str
    verdict: Verdict
    says: str
    evidence: dict[str, object]


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of a soak.

    Attributes:
        began: In wall seconds.
        seconds: How long it took.
        findings: One for each criterion.
    """

    began: float
    seconds: float
    findings: tuple[Finding, ...]

    @property
    def passed(self) -> bool:
        """Whether every criterion was met; one without data was not."""
        return all(one.verdict is Verdict.PASS for one in self.findings)


def judge(evidence: Evidence, criteria: Criteria, *, began: float) -> Report:
    """Judge what was seen; nothing is looked at here."""
    each = (_watched, _tests, _backpressure, _hit_rates, _log, _memory, _crashes)
    return Report(began, evidence.seconds, tuple(one(evidence, criteria) for one in each))


def _watched(evidence: Evidence, criteria: Criteria) -> Finding:
    share = evidence.answered / evidence.looks if evidence.looks else 0.0
    numbers: dict[str, object] = {
        "hours": round(evidence.seconds / 3600, 2),
        "looks": evidence.looks,
        "answered": evidence.answered,
    }
    if evidence.seconds < criteria.watched_min * criteria.for_seconds:
        return Finding("watched throughout", Verdict.FAIL, "It ended before its time.", numbers)
    if share < criteria.watched_min:
        return Finding(
            "watched throughout", Verdict.FAIL, f"Only {share:.1%} of the looks were answered.", numbers
        )
    return Finding("watched throughout", Verdict.PASS, f"{share:.1%} of the looks were answered.", numbers)


def _tests(evidence: Evidence, _: Criteria) -> Finding:
    name, tests = "all tests pass", evidence.tests
    if tests is None or tests.passed + tests.failed == 0:
        return Finding(name, Verdict.NO_DATA, "No report of any test was given.", {})
    numbers: dict[str, object] = {"passed": tests.passed, "failed": tests.failed, "skipped": tests.skipped}
    if tests.failed:
        return Finding(name, Verdict.FAIL, f"{tests.failed} failed.", numbers)
    return Finding(name, Verdict.PASS, f"{tests.passed} passed, {tests.skipped} were skipped.", numbers)


def _backpressure(evidence: Evidence, criteria: Criteria) -> Finding:
    name = "backpressure refuses at its threshold"
    numbers: dict[str, object] = {
        pool: {
            "refused": seen.refused,
            "highest utilisation": round(seen.highest, 3),
            "limit by size": None if seen.limit_share is None else round(seen.limit_share, 3),
        }
        for pool, seen in evidence.pools.items()
    }
    if not evidence.pools:
        return Finding(name, Verdict.NO_DATA, "No gated pool was seen.", numbers)
    # A limit is a whole number of connections: one off is rounding.
    elsewhere = [
        pool
        for pool, seen in evidence.pools.items()
        if seen.limit_share is not None
        and seen.size is not None
        and abs(seen.limit_share - criteria.threshold) * seen.size >= 1
    ]
    if elsewhere:
        says = f"The limit is not at {criteria.threshold:.0%}: {', '.join(elsewhere)}."
        return Finding(name, Verdict.FAIL, says, numbers)
    if not any(seen.refused for seen in evidence.pools.values()):
        says = "Nothing was ever refused: the load never reached the threshold, so this was not tried."
        return Finding(name, Verdict.NO_DATA, says, numbers)
    return Finding(name, Verdict.PASS, f"It refused, with its limit at {criteria.threshold:.0%}.", numbers)


def _hit_rates(evidence: Evidence, criteria: Criteria) -> Finding:
    low, high = criteria.hit_rate_min, criteria.hit_rate_max
    name = f"cache hit rates of {low:.0%} to {high:.0%}"
    rates = {
        policy: hits.found / (hits.found + hits.executed)
        for policy, hits in evidence.hits.items()
        if hits.found + hits.executed >= criteria.min_queries
    }
    numbers: dict[str, object] = {policy: round(rate, 4) for policy, rate in rates.items()}
    if not rates:
        return Finding(name, Verdict.NO_DATA, f"No policy had {criteria.min_queries} queries.", numbers)
    outside = [f"{policy} {rate:.1%}" for policy, rate in rates.items() if not low <= rate <= high]
    if outside:
        return Finding(name, Verdict.FAIL, f"Outside: {', '.join(outside)}.", numbers)
    return Finding(name, Verdict.PASS, "Every policy is within it.", numbers)


def _log(evidence: Evidence, _: Criteria) -> Finding:
    name = "no unexpected error in the logs"
    if not evidence.lines:
        return Finding(name, Verdict.NO_DATA, "No line of any log was read.", {})
    numbers: dict[str, object] = {"lines": evidence.lines, "lost": evidence.dropped, **evidence.errors}
    if evidence.errors:
        return Finding(name, Verdict.FAIL, f"{sum(evidence.errors.values())} errors.", numbers)
    if evidence.dropped:
        says = f"No error, but {evidence.dropped:g} records were lost, and may have been some."
        return Finding(name, Verdict.NO_DATA, says, numbers)
    return Finding(name, Verdict.PASS, f"{evidence.lines} lines, and no error.", numbers)


def _memory(evidence: Evidence, criteria: Criteria) -> Finding:
    name = "memory does not grow"
    found = {process: slope(points) for process, points in evidence.memory.items()}
    slopes = {process: one for process, one in found.items() if one is not None}
    numbers: dict[str, object] = {
        process: {"growth in a day": round(one.a_day, 4), "rising pairs": round(one.rising, 3)}
        for process, one in slopes.items()
    }
    leaks = [
        f"{process} {one.a_day:+.1%} a day"
        for process, one in slopes.items()
        if one.a_day > criteria.growth_max and one.rising >= criteria.rising_min
    ]
    if leaks:
        return Finding(name, Verdict.FAIL, f"It does: {', '.join(leaks)}.", numbers)
    if not slopes or len(slopes) < len(found):
        return Finding(name, Verdict.NO_DATA, "Too few points to say so of every process.", numbers)
    return Finding(name, Verdict.PASS, f"Of {len(slopes)} processes, none.", numbers)


def _crashes(evidence: Evidence, _: Criteria) -> Finding:
    name, numbers = "no crash", {"restarts": evidence.restarts}
    if not evidence.answered:
        return Finding(name, Verdict.NO_DATA, "No process ever answered.", {**numbers})
    if evidence.restarts:
        return Finding(name, Verdict.FAIL, f"Restarts of processes: {evidence.restarts}.", {**numbers})
    return Finding(name, Verdict.PASS, "No process restarted.", {**numbers})
