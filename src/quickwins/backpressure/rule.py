"""What a gate is told to do, and why it says no."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import Final, Literal

from quickwins.core.errors import ConfigError

UNLIMITED: Final = sys.maxsize
"""The limit of a gate that refuses nobody."""

MAX_TENANTS: Final = 1_000
"""How many tenants a gate can be told to tell apart."""


class GateKind(StrEnum):
    """How a gate treats those who find no permit."""

    THRESHOLD = "threshold"
    QUEUE = "queue"
    ADAPTIVE = "adaptive"


class Priority(IntEnum):
    """What is lost last, and first. The value is the place in line: smaller goes first."""

    CRITICAL = 0
    NORMAL = 1
    SHEDDABLE = 2


class Nested(StrEnum):
    """What happens to a task that holds a permit and asks for another one that is not free."""

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


@dataclass(frozen=True, slots=True)
class Rule:
    """What a gate is told to do; checked when made.

    Attributes:
        kind: Whether there is a line.
        threshold: The share of permits that may be in use (threshold gates).
        target_seconds: The wait that is fine, and the longest one under overload.
        interval_seconds: How long the oldest wait must stay above the target before that is overload.
        queue_size: How many may wait (queue and adaptive gates); 0: twice the number of permits.
        min_limit: The fewest permits that are learned (adaptive gates).
        reserved_critical: The share of permits that only critical work may take; 0: none.
        reserved_normal: The share of permits that sheddable work may not take, beside the former; 0: none.
        floor: The share of handed-over permits that waiting lower priorities get at least; 0: none.
        tenants: How many tenants are told apart; 0: they are not.
        nested: What a task is told that holds a permit and wants another one that is not free.
        shadow: Count what would be refused, and refuse nothing.
    """

    kind: GateKind
    threshold: float = 1.0
    target_seconds: float = 0.05
    interval_seconds: float = 0.5
    queue_size: int = 0
    min_limit: int = 2
    reserved_critical: float = 0.0
    reserved_normal: float = 0.1
    floor: float = 0.05
    tenants: int = 0
    nested: Nested | Literal["refuse", "allow"] = Nested.REFUSE
    shadow: bool = False

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise ConfigError(f"threshold must be above 0 and at most 1, not {self.threshold!r}")
        for name, value in (
            ("target_seconds", self.target_seconds),
            ("interval_seconds", self.interval_seconds),
        ):
            if not 0 < value < math.inf:
                raise ConfigError(f"{name} must be finite and above 0, not {value!r}")
        if self.queue_size < 0:
            raise ConfigError(f"queue_size must not be below 0, not {self.queue_size!r}")
        if self.min_limit < 1:
            raise ConfigError(f"min_limit must be at least 1, not {self.min_limit!r}")
        for name, value in (
            ("reserved_critical", self.reserved_critical),
            ("reserved_normal", self.reserved_normal),
            ("floor", self.floor),
        ):
            if not 0 <= value < 1:
                raise ConfigError(f"{name} must be at least 0 and below 1, not {value!r}")
        if self.nested not in tuple(Nested):
            raise ConfigError(f"nested must be one of {', '.join(Nested)}, not {self.nested!r}")
        if not 0 <= self.tenants <= MAX_TENANTS:
            raise ConfigError(f"tenants must be between 0 and {MAX_TENANTS}, not {self.tenants!r}")

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
