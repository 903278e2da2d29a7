"""The failures of a gated pool."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple

from quickwins.backpressure.rule import RejectReason
from quickwins.core.errors import Rejected

if TYPE_CHECKING:
    from collections.abc import Mapping
    from enum import StrEnum

    from quickwins.core.clock import Deadline


_new = Exception.__new__


class Facts(NamedTuple):
    """What the gate saw when it said no, and when the caller would have had enough."""

    name: str
    inflight: int
    max_size: int
    limit: int | None
    waiting: int
    target_seconds: float
    deadline: Deadline


class PoolExhausted(Rejected):
    """The pool's gate said no before anything was waited for: back off for `retry_after_seconds`, then try again.

    Most refusals are counted, answered and forgotten. So a gate's own carry `Facts`, as a plain tuple, instead of a
    message, which is put together when somebody reads it.
    """

    __slots__ = ("reason", "retry_after_seconds")  # spares each refusal a dictionary
    reason: RejectReason | None
    by_reason: ClassVar[Mapping[StrEnum, tuple[int, str]]] = {
        RejectReason.TENANT: (429, "You have more requests in progress than your share while others wait.")
    }

    def __init__(
        self,
        message: str | tuple[object, ...],  # noqa: ARG002 -- `BaseException.__new__` has taken it; until=never
        *,
        reason: RejectReason | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        # Nothing of our bases' `__init__`: they do the same in three calls, and each refusal would pay for them.
        self.reason = reason
        self.retry_after_seconds = retry_after_seconds

    def __str__(self) -> str:
        said = self.args[0]
        return refusal(self.reason, Facts(*said)) if isinstance(said, tuple) else str(said)


# Not by calling the class, whose `__init__` CPython 3.11 reaches through its C code alone: a sixth of a refusal.
def exhausted(
    facts: tuple[object, ...], reason: RejectReason, retry_after_seconds: float | None
) -> PoolExhausted:
    """A gate's own refusal: a `PoolExhausted` of those `Facts`."""
    error = _new(PoolExhausted, facts)
    error.reason = reason
    error.retry_after_seconds = retry_after_seconds
    return error


class NestedAcquire(PoolExhausted):
    """A task that holds a permit wants another one that is not free. Waiting for it could mean waiting for itself."""


class CallerGone(Exception):
    """Whoever a permit was for has gone while it was waited for. Never leaves the room."""


def refusal(reason: StrEnum | None, facts: Facts) -> str:
    """Why a pool said no, in one sentence; no tenant, statement or address is in it."""
    in_use = f"pool {facts.name!r} has {facts.inflight} of {facts.max_size} permits in use"
    match reason:
        case RejectReason.CLOSED:
            words = f"pool {facts.name!r} is closed"
        case RejectReason.THRESHOLD:
            words = f"{in_use}, its limit is {facts.limit}"
        case RejectReason.QUEUE_FULL:
            words = f"{in_use} and {facts.waiting} waiting: no more may wait"
        case RejectReason.LIMIT:
            words = f"{in_use} and {facts.waiting} waiting: no more may wait at the learned limit of {facts.limit}"
        case RejectReason.DEADLINE:
            words = f"{in_use} and {facts.waiting} waiting: too many for the {facts.deadline} asked for"
        case RejectReason.PRIORITY:
            words = f"{in_use}: what is left is for more important work"
        case RejectReason.TENANT:
            words = f"{in_use}: what is left is for other tenants"
        case _:
            words = f"pool {facts.name!r} is overloaded: no permit within {facts.target_seconds} s"
    return words
