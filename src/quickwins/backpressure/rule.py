"""What a gate is told to do, and why it says no."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import Final, Literal

from quickwins.core.knobs import Checked, knob

UNLIMITED: Final = sys.maxsize
"""The limit of a gate that refuses nobody."""


class GateKind(StrEnum):
    """What a gate does with callers that find no permit."""

    THRESHOLD = "threshold"
    QUEUE = "queue"
    ADAPTIVE = "adaptive"


class Priority(IntEnum):
    """How much work matters: what is shed last, and what first. The value is the place in line: smaller goes first."""

    CRITICAL = 0
    NORMAL = 1
    SHEDDABLE = 2


class Nested(StrEnum):
    """What a gate does with a task that holds a permit and asks for another one that is not free."""

    REFUSE = "refuse"
    ALLOW = "allow"


class RejectReason(StrEnum):
    """Why a gate said no."""

    __hash__ = str.__hash__  # that of Enum is Python code, and each refusal counts itself under its reason

    THRESHOLD = "threshold"
    QUEUE_FULL = "queue_full"
    QUEUE_DELAY = "queue_delay"
    DEADLINE = "deadline"
    LIMIT = "limit"
    PRIORITY = "priority"
    TENANT = "tenant"
    NESTED = "nested"
    CLOSED = "closed"


# As in `_core.verdict`: common refusals don't look their reason up.
THRESHOLD: Final = RejectReason.THRESHOLD
QUEUE_FULL: Final = RejectReason.QUEUE_FULL
CLOSED: Final = RejectReason.CLOSED


@dataclass(frozen=True, slots=True)
class Rule(Checked):
    """What a gate is told to do. Each knob says what it does; the permits of a pool are its connections."""

    kind: GateKind = knob(
        GateKind.THRESHOLD,
        words='"threshold": refuse as soon as a share of the permits is in use. "queue": use all of them, and let callers '
        'wait in a line that is bounded in length and in time. "adaptive": the same with a limit that is learned from hold '
        "times and failures. Off value of all: enabled = false.",
    )
    threshold: float = knob(
        0.85,
        gt=0,
        le=1,
        words="Refuse when this share of the permits is in use, rounded up to whole ones. 0.85 leaves a pool of ten one "
        "spare connection for health checks and migrations. Only the threshold gate reads it. Off value: 1.0.",
    )
    target_seconds: float = knob(
        0.05,
        ge=0.001,
        le=30,
        words="The wait in line that is fine, and the longest one under overload. 0.05 suits statements of up to some "
        "20 ms; choose no less than a permit is held for, on average. Half a minute at most: callers have gone by then. The "
        "queue and adaptive gates read it.",
    )
    interval_seconds: float = knob(
        0.5,
        ge=0.001,
        le=300,
        words="How long the oldest in line must have waited for more than the target before that is overload: bursts "
        "shorter than this are absorbed. Ten targets leave room for a few rounds of service. The queue and adaptive gates "
        "read it.",
    )
    queue_size: int = knob(
        0,
        ge=0,
        le=100_000,
        words="How many may wait. 0: twice the number of permits, which is two rounds of service. The queue and adaptive "
        "gates read it.",
    )
    min_limit: int = knob(
        2,
        ge=1,
        le=100_000,
        words="The fewest permits that the adaptive gate comes down to; the most is all of them.",
    )
    reserved_critical: float = knob(
        0.0,
        ge=0,
        lt=1,
        words="The share of permits, rounded up to whole ones, that only critical work may take. Critical work goes first "
        "in line anyway; reserve where it must not wait at all. Off value: 0.",
    )
    reserved_normal: float = knob(
        0.1,
        ge=0,
        lt=1,
        words="The share of permits, rounded up, that sheddable work may not take on top of that: a burst of it leaves one "
        "in ten to the rest. Off value: 0.",
    )
    floor: float = knob(
        0.05,
        ge=0,
        le=0.5,
        words="The share of permits handed to the line that waiting work of a lower priority gets at least: with 0.05 it "
        "has one of any twenty, whatever is more important. With more than half it would come first. Off value: 0, and then "
        "it may starve.",
    )
    tenants: int = knob(
        0,
        ge=0,
        le=1_000,
        words="How many tenants are told apart, and share fairly; those beyond count as one. Off value: 0.",
    )
    nested: Nested | Literal["refuse", "allow"] = knob(
        Nested.REFUSE,
        words='What a task is told that holds a permit and asks for another one that is not free. "refuse": at once, with '
        "the place where it took the first, since ten such tasks on a pool of ten wait for each other for ever. "
        '"allow": it waits like any other; for services that have counted.',
    )
    shadow: bool = knob(
        False,
        words="Count what would be refused in db_pool_shadow_rejected_total, and refuse nothing: how to start in "
        "production. Off value: false.",
    )
    retry_after_seconds: float = knob(
        1.0,
        ge=0.01,
        le=60,
        words="What a refused caller is told to wait, on average; each is told something between half and one and a half "
        "times as much, so that they don't come back together.",
    )

    @property
    def has_line(self) -> bool:
        """Whether callers may wait."""
        return self.kind is not GateKind.THRESHOLD

    def limit(self, max_size: int) -> int | None:
        """The permits of a resource of `max_size`, before anything is learned or reserved; `None`: any number."""
        if self.has_line:
            return max_size
        return None if self.threshold >= 1 else limit_of(self.threshold, max_size)

    def limits(self, limit: int | None, max_size: int) -> tuple[int, int, int]:
        """The permits from which on each priority is no longer admitted, for the `limit` in force.

        Critical work may use what a threshold leaves free. Nobody's limit is below 1: reserving everything would be
        another way to switch a pool off.
        """
        if limit is None:
            return UNLIMITED, UNLIMITED, UNLIMITED
        critical = limit if self.has_line else max_size
        normal = max(1, min(limit, critical - limit_of(self.reserved_critical, max_size)))
        return critical, normal, max(1, normal - limit_of(self.reserved_normal, max_size))

    def room(self, max_size: int) -> int:
        """How many may wait for a resource of `max_size`."""
        return (self.queue_size or 2 * max_size) if self.has_line else 0


def limit_of(share: float, max_size: int) -> int:
    """The smallest whole number of permits that is at least `share` of `max_size`."""
    # As people wrote it: 0.07 * 100 is 7.000000000000001 in binary, and 0.07 of 100 is 7.
    return math.ceil(Fraction(str(share)) * max_size)
