"""What the adapters count: requests by feature, cohort and outcome, in plain numbers that Prometheus reads when it scrapes."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError
from quickwins.core.given import several
from quickwins.core.metrics import Reading, Tallies, Tally
from quickwins.rollout.metrics import REQUESTS, SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prometheus_client import CollectorRegistry

    from quickwins.core.flags import Flag, Flags


class Cohort(StrEnum):
    """Whether the feature was on for a request when it came in."""

    ON = "on"
    OFF = "off"


class Ended(StrEnum):
    """How a request ended."""

    OK = "ok"
    ERROR = "error"
    REFUSED = "refused"
    TIMEOUT = "timeout"


class Counts:
    """The numbers of one feature, for every cohort. Any thread may count."""

    __slots__ = ("__weakref__", "feature", "flag", "requests", "seconds")

    def __init__(self, flag: Flag) -> None:
        self.flag = flag
        self.feature = flag.feature
        self.requests = {(cohort, ended): 0 for cohort in Cohort for ended in Ended}
        self.seconds = {cohort: Tally(SECONDS) for cohort in Cohort}

    def cohort(self) -> Cohort:
        """That of the request at hand, by its pin."""
        return Cohort.ON if self.flag.active() else Cohort.OFF

    def count(self, cohort: Cohort, ended: Ended, seconds: float) -> None:
        """One request more. The time of a refusal says nothing of how fast the feature is."""
        self.requests[cohort, ended] += 1
        if ended is not Ended.REFUSED:
            self.seconds[cohort].observe(seconds)


def _requests(counts: Counts) -> dict[tuple[str, ...], int]:
    # Both cohorts from the start: a series that appears at its first error has no increase for Prometheus.
    return {(counts.feature, cohort, ended): n for (cohort, ended), n in counts.requests.items()}


def _seconds(counts: Counts) -> dict[tuple[str, ...], Tally]:
    return {(counts.feature, cohort): tally for cohort, tally in counts.seconds.items()}


def counted(
    flags: Flags, features: Iterable[str], *, registry: CollectorRegistry | None
) -> tuple[tuple[Counts, ...], tuple[Tallies, ...]]:
    """What is counted for each of `features`, and the series of it, which end with what this returns.

    Raises:
        ConfigError: No feature is named, or one has no flag.
    """
    made = tuple(Counts(flags.flag(feature)) for feature in several("features", features))
    if not made:
        raise ConfigError("name the features whose cohorts are to be counted: each costs some 250 series")
    service = flags.snapshot.settings.service
    readings = (Reading(REQUESTS, _requests), Reading(SECONDS, _seconds))
    return made, tuple(Tallies(one, readings, registry=registry, service=service) for one in made)
