"""What a soak has seen, as plain facts."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Suite:
    """What the reports of the tests say.

    Attributes:
        passed: How many passed.
        failed: How many failed or could not be run.
        skipped: How many were left out.
    """

    passed: int
    failed: int
    skipped: int


@dataclass(frozen=True, slots=True)
class Pool:
    """What a gated pool did.

    Attributes:
        refused: Acquisitions that its gate refused.
        highest: The highest utilisation seen at a look.
        limit_share: The gate's limit by the pool's size; `None`: the pool was never in use at a look.
        size: The pool's size; `None` as above.
    """

    refused: float = 0.0
    highest: float = 0.0
    limit_share: float | None = None
    size: float | None = None


@dataclass(frozen=True, slots=True)
class Hits:
    """What a policy's answers were: found, or executed."""

    found: float = 0.0
    executed: float = 0.0


@dataclass(frozen=True, slots=True)
class Evidence:
    """Everything that was seen.

    Attributes:
        seconds: How long it was watched.
        looks: How many looks there were at processes.
        answered: How many of them were answered.
        restarts: How many processes restarted.
        tests: Of their reports; `None`: there was none.
        pools: By service and pool.
        hits: By policy.
        errors: Lines of the logs at ERROR and above, by event.
        lines: How many lines of logs were read; `None`: no log was named.
        dropped: Log records that were lost.
        memory: For each process, the lowest resident bytes of each stretch, with when that was, in order.
    """

    seconds: float
    looks: int = 0
    answered: int = 0
    restarts: int = 0
    tests: Suite | None = None
    pools: dict[str, Pool] = field(default_factory=dict)
    hits: dict[str, Hits] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)
    lines: int | None = None
    dropped: float = 0.0
    memory: dict[str, tuple[tuple[float, float], ...]] = field(default_factory=dict)
