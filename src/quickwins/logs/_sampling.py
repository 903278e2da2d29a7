"""Which records of a frequent event are kept: the first of each second, then one of so many. Pure.

The rule, first match wins:

1. warnings, errors and whatever is slow    -> kept
2. the first `first` of this event this second  -> kept
3. every `every`th after them               -> kept, and the line says `log.sample_rate`
4. else                                     -> left out, and counted

The trap: a rate can only be multiplied back where it was recorded; so the first ones, kept whole, carry none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.core.knobs import Checked, knob
from quickwins.logs._levels import WARNING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickwins.logs._levels import Level

MAX_EVENTS = 1_000
"""How many events are counted separately in one second; any more share one count."""

_REST = ""


@dataclass(frozen=True, slots=True)
class Sampling(Checked):
    """How much of a frequent event to keep: everything, unless `every` says otherwise. Each knob says what it does."""

    first: int = knob(
        100, ge=0, le=1_000_000, words="How many records of an event are kept each second, whatever comes."
    )
    every: int = knob(
        1,
        ge=1,
        le=1_000_000,
        words="After those, one of so many is kept; warnings, errors and slow requests always. Off value: 1, all are kept.",
    )
    slow_ms: float = knob(
        1_000.0,
        ge=10.0,
        le=3_600_000.0,
        words="A record whose `duration_ms` is at least this many milliseconds is always kept.",
    )


class Sampler:
    """Counts the events of the current second. Threads may share it; their counts may be off by a few."""

    __slots__ = ("_second", "_seen", "sampling")

    def __init__(self, sampling: Sampling) -> None:
        self.sampling = sampling
        self._second = -1
        self._seen: dict[str, int] = {}

    def rate(self, level: Level, event: str, fields: Mapping[str, object], second: int) -> int:
        """How many records this one stands for: 0 means leave it out, 1 that it stands for itself alone.

        Args:
            level: Of the record.
            event: Its event.
            fields: What it says.
            second: The current one, on any clock.
        """
        if level.number >= WARNING.number:
            return 1
        duration = fields.get("duration_ms")
        if type(duration) in {int, float} and duration >= self.sampling.slow_ms:  # type: ignore[operator]  # -- a number, as just seen; until=never
            return 1
        if second != self._second:
            self._second, self._seen = second, {}
        seen = self._seen
        key = event if type(event) is str and (event in seen or len(seen) < MAX_EVENTS) else _REST
        count = seen[key] = seen.get(key, 0) + 1
        past = count - self.sampling.first
        if past <= 0:
            return 1
        return self.sampling.every if past % self.sampling.every == 0 else 0
