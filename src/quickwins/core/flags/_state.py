"""What a flag decides, from its fields and the wall time alone.

The rule, first match wins:

1. `killed`                          -> off for everybody
2. not `enabled`                     -> off for everybody
3. `expires_at` is reached           -> `fallback_percent` instead of `percent`
4. the percentage is 100             -> on for everybody; no key is needed
5. else                              -> on for the keys whose bucket is below the percentage

The trap: a bucket depends on `salt` and key only, never on the percentage. That is why raising a percentage only
ever adds keys, and why changing the salt reshuffles all of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, Field

from quickwins.core.config import AnyLayerWins, Number, Section
from quickwins.core.digest import BUCKETS, Dice, below

if TYPE_CHECKING:
    from collections.abc import Iterable

_BUCKETS_PER_PERCENT = BUCKETS // 100


def _whole_steps(percent: float) -> float:
    if abs(percent * _BUCKETS_PER_PERCENT - round(percent * _BUCKETS_PER_PERCENT)) > _ROUNDING:
        raise ValueError("Input should have two decimals at most")
    return percent


_ROUNDING = 1e-6
_Percent = Annotated[Number, Field(ge=0, le=100, allow_inf_nan=False), AfterValidator(_whole_steps)]


def _all_or_nothing(percent: float) -> float:
    if percent not in {0, 100}:
        raise ValueError("Input should be 0 or 100: this is on or off for a whole process")
    return percent


_AllOrNothing = Annotated[Number, AfterValidator(_all_or_nothing)]


class FlagSettings(Section):
    """The fields every feature's section begins with."""

    unit: ClassVar[str] = "requests"
    """What a percentage is of."""

    enabled: bool = Field(default=False, description="Whether the feature works at all. Off value: false.")
    percent: _Percent = Field(
        default=100.0,
        description="For how many percent of the keys it is on, in steps of 0.01. At 100 no key is needed; below, a "
        "missing key is off and counted. Off value: 0.",
    )
    killed: Annotated[bool, AnyLayerWins] = Field(
        default=False, description="Off at once and for everybody; true in any source beats all others."
    )
    expires_at: AwareDatetime | None = Field(
        default=None,
        description="From this moment on, with an offset, `fallback_percent` holds. Off value: absent.",
    )
    fallback_percent: _Percent = Field(default=0.0, description="The percentage after `expires_at`.")
    salt: str = Field(
        default="", max_length=200, description="What buckets are drawn with; empty: the feature's name."
    )


class SwitchSettings(FlagSettings):
    """The same for a feature that is on or off for a whole process, which has no keys to draw on."""

    unit = "processes"
    percent: _AllOrNothing = Field(
        default=100.0,
        description="100 or 0: on or off for the whole process, whatever the key. Off value: 0.",
    )
    fallback_percent: _AllOrNothing = Field(
        default=0.0, description="The percentage after `expires_at`: 100 or 0."
    )


class Why(StrEnum):
    """Which rule decided a flag's state."""

    KILLED = "killed"
    DISABLED = "disabled"
    EXPIRED = "expired"
    PERCENT = "percent"
    ON = "on"


@dataclass(frozen=True, slots=True)
class FlagState:
    """One flag, decided: immutable, and cheap to ask.

    Attributes:
        feature: Its name.
        on: On for everybody. One attribute read.
        limit: Keys in buckets below this are on; 0 to 10,000, which is `on`.
        why: The rule that decided.
        salt: What buckets are drawn with.
    """

    feature: str
    on: bool
    limit: int
    why: Why
    salt: str
    _dice: Dice = field(init=False, repr=False, compare=False)
    _below: bytes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_dice", Dice(self.salt))
        object.__setattr__(self, "_below", below(self.limit))

    def admits(self, key: str) -> bool:
        """Whether the feature is on for `key`. Stable across processes, machines and versions."""
        return self.on or (self.limit > 0 and self._dice.draw(key) < self._below)

    @property
    def is_partial(self) -> bool:
        """Whether it is on for some keys and off for others, so that a request needs one."""
        return 0 < self.limit < BUCKETS

    @property
    def percent(self) -> float:
        """The percentage in effect."""
        return self.limit / _BUCKETS_PER_PERCENT

    def __str__(self) -> str:
        return f"{self.percent:g}% ({self.why})"


def decide(feature: str, settings: FlagSettings, wall_now: float) -> FlagState:
    """The state of `feature` at `wall_now`, in seconds since the epoch."""
    if settings.killed:
        percent, why = 0.0, Why.KILLED
    elif not settings.enabled:
        percent, why = 0.0, Why.DISABLED
    elif settings.expires_at is not None and settings.expires_at.timestamp() <= wall_now:
        percent, why = settings.fallback_percent, Why.EXPIRED
    else:
        percent = settings.percent
        why = Why.ON if percent >= 100 else Why.PERCENT  # noqa: PLR2004 -- a hundred percent; until=never
    limit = round(percent * _BUCKETS_PER_PERCENT)
    return FlagState(feature, limit >= BUCKETS, limit, why, settings.salt or feature)


def next_expiry(settings: Iterable[FlagSettings], wall_now: float) -> float | None:
    """The first moment after `wall_now` at which some flag expires, in seconds since the epoch; `None`: never."""
    times = (one.expires_at.timestamp() for one in settings if one.expires_at is not None)
    return min((at for at in times if at > wall_now), default=None)
