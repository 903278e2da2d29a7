"""What a channel is told to do: the pool as a whole, and single methods."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from quickwins.channels.errors import ChannelConflict
from quickwins.core.given import several
from quickwins.core.knobs import Checked, knob

_FULL_NAME = re.compile(r"/[^/]+/[^/]+")
CODES = frozenset(
    {
        "CANCELLED", "UNKNOWN", "INVALID_ARGUMENT", "DEADLINE_EXCEEDED", "NOT_FOUND", "ALREADY_EXISTS",
        "PERMISSION_DENIED", "UNAUTHENTICATED", "RESOURCE_EXHAUSTED", "FAILED_PRECONDITION", "ABORTED",
        "OUT_OF_RANGE", "UNIMPLEMENTED", "INTERNAL", "UNAVAILABLE", "DATA_LOSS",
    }
)  # fmt: skip
"""The names of gRPC's codes for failures."""

MOST_SECONDS = 7e9
"""The longest time-out: gRPC counts nanoseconds since 1970 in 64 bits, and what is beyond has passed to it."""


class Mode(StrEnum):
    """What a channel is made of."""

    SINGLE = "single"
    CORE = "core"
    POOL = "pool"
    AUTO = "auto"


class Pick(StrEnum):
    """How a pool chooses among connected members."""

    ROUND_ROBIN = "round_robin"
    LEAST_INFLIGHT = "least_inflight"


@dataclass(frozen=True, slots=True)
class PoolConfig(Checked):
    """What a channel is told to do. Each knob says what it does; a member is one real connection of a pool."""

    size: int = knob(
        3,
        ge=1,
        le=64,
        words="How many connections a pool has. With 3 the loss of one leaves two thirds of the capacity. Off value: 1, "
        "which is the stock channel.",
    )
    mode: Mode | Literal["single", "core", "pool", "auto"] = knob(
        Mode.AUTO,
        words='"pool": `size` connections to one virtual address, such as a Kubernetes ClusterIP; retries, ejection and '
        'rotation are ours. "core": one channel over several addresses (a headless service); gRPC balances and retries. '
        '"auto": core when the target has several addresses, else pool. Off value: "single", the stock channel.',
    )
    max_age_seconds: float = knob(
        1800.0,
        ge=0,
        le=604_800,
        words="The greatest age of a connection: a balancer sees new ones, and so do new backends. Each lives between 0.8 "
        "and 1 of it, and they are replaced one at a time. Off value: 0.",
    )
    max_attempts: int = knob(
        3,
        ge=1,
        le=10,
        words="How often a call of an idempotent method is tried at most, each time on another member. Off value: 1.",
    )
    backoff_base_seconds: float = knob(
        0.01,
        ge=0.001,
        le=5,
        words="The longest wait before the second attempt; it doubles with each, and the wait is drawn evenly below it.",
    )
    backoff_max_seconds: float = knob(
        1.0,
        ge=0.1,
        le=120,
        words="The longest wait before an attempt, and between a member's attempts to connect.",
    )
    retry_budget_ratio: float = knob(
        0.2,
        ge=0,
        le=1,
        words="How many retries there may be for each call, over the last seconds: an outage of everything adds at most "
        "this share. Off value: 0, no retries.",
    )
    eject_after: int = knob(
        3,
        ge=0,
        le=1_000,
        words="How many calls in a row must end in DEADLINE_EXCEEDED or UNAVAILABLE, with no response in between, before "
        "a member is ejected: gets a new connection, and no calls. At most half of them are out. Off value: 0.",
    )
    ejection_seconds: float = knob(
        5.0,
        gt=0,
        le=3600,
        words="How long an ejected member gets no calls; then one call probes it.",
    )
    max_pushback_seconds: float = knob(
        30.0,
        ge=0,
        le=3600,
        words="The longest that a call waits because its server asks it to (`grpc-retry-pushback-ms`); asked for more, it "
        "is not tried again. Off value: 0.",
    )
    drain_seconds: float = knob(
        300.0,
        gt=0,
        le=86_400,
        words="How long calls may go on on a connection that was replaced, before they are cancelled. Longer than your "
        "longest call; streams that live longer are cut.",
    )
    pick: Pick | Literal["round_robin", "least_inflight"] = knob(
        Pick.ROUND_ROBIN,
        words='"round_robin": strictly in turn. "least_inflight": of two connected members the one with fewer calls, for '
        "calls that differ much in length.",
    )

    def __post_init__(self) -> None:
        Checked.__post_init__(self)
        # As the texts of a file too: an enum inside, strings at the edges.
        object.__setattr__(self, "mode", Mode(self.mode))
        object.__setattr__(self, "pick", Pick(self.pick))


@dataclass(frozen=True, slots=True)
class MethodPolicy:
    """What holds for one method.

    Attributes:
        idempotent: Whether running it twice does no harm. Only then is a call tried again, since a failure may come after
            the server has run it. A stream that the client sends is never sent twice, whatever this says.
        timeout_seconds: The deadline of calls that bring none, at most 7e9; `None`: none.
        codes: With which codes a call is tried again. UNAVAILABLE alone by default; any other means that the server has
            answered.

    Raises:
        ChannelConflict: The timeout is not above 0, or more than gRPC knows, or a code is not one of gRPC's failures.
    """

    idempotent: bool = False
    timeout_seconds: float | None = None
    codes: tuple[str, ...] = ("UNAVAILABLE",)

    def __post_init__(self) -> None:
        seconds = self.timeout_seconds
        if seconds is not None and not 0 < seconds <= MOST_SECONDS:
            raise ChannelConflict(
                f"timeout_seconds={seconds!r} is not allowed: a number above 0 and at most {MOST_SECONDS:g}, or None for no "
                "deadline"
            )
        unknown = [code for code in several("codes", self.codes) if code not in CODES]
        if unknown:
            raise ChannelConflict(f"codes={unknown!r} are not allowed: {', '.join(sorted(CODES))}")


def checked_methods(methods: object) -> dict[str, MethodPolicy]:
    """`methods` as a table of full names.

    Raises:
        ChannelConflict: It is no table, a name is not `/package.Service/Method`, or what it has is no `MethodPolicy`.
    """
    if methods is not None and not isinstance(methods, Mapping):
        raise ChannelConflict(
            f"methods is a {type(methods).__name__}: a MethodPolicy is needed for each full name, in a dictionary"
        )
    table = dict(methods or {})
    for name, policy in table.items():
        if not isinstance(name, str) or not _FULL_NAME.fullmatch(name):
            raise ChannelConflict(
                f"methods[{name!r}] is not allowed: name it in full, '/package.Service/Method'"
            )
        if not isinstance(policy, MethodPolicy):
            raise ChannelConflict(f"methods[{name!r}] is a {type(policy).__name__}: a MethodPolicy is needed")
    return table
