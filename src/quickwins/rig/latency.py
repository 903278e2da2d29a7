"""Percentiles of latencies, from an HDR histogram (needs the extra `rig`)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.core.errors import needs_extra

if TYPE_CHECKING:
    from collections.abc import Iterable

_MICROSECONDS = 1_000_000
_HIGHEST_MICROSECONDS = 3_600 * _MICROSECONDS
_SIGNIFICANT_FIGURES = 3


@dataclass(frozen=True, slots=True)
class LatencySummary:
    """How many latencies there were, and their percentiles, which are `None` if there were none.

    Precise to three significant figures, in steps of at least a microsecond; anything longer than an hour counts as an
    hour (G. Tene's HdrHistogram). `max_seconds` is exact.

    Attributes:
        count: How many there were.
        p50_seconds: The median.
        p90_seconds: Nine in ten were no longer than this.
        p99_seconds: 99 in 100 were no longer than this.
        p999_seconds: 999 in 1,000 were no longer than this.
        max_seconds: The longest.
    """

    count: int
    p50_seconds: float | None = None
    p90_seconds: float | None = None
    p99_seconds: float | None = None
    p999_seconds: float | None = None
    max_seconds: float | None = None

    @classmethod
    def of(cls, latencies_seconds: Iterable[float]) -> LatencySummary:
        """Summarise any number of latencies. One below zero, from a clock's rounding, counts as zero.

        Raises:
            MissingExtraError: The package `hdrhistogram` is not installed.
        """
        with needs_extra("rig"):
            from hdrh.histogram import HdrHistogram

        histogram = HdrHistogram(1, _HIGHEST_MICROSECONDS, _SIGNIFICANT_FIGURES)
        longest = 0.0
        for seconds in latencies_seconds:
            longest = max(longest, seconds)
            # The histogram drops what is out of range without an error, so clamp: the worst must not vanish.
            histogram.record_value(min(max(0, round(seconds * _MICROSECONDS)), _HIGHEST_MICROSECONDS))
        count = int(histogram.get_total_count())
        if count == 0:
            return cls(0)
        at = histogram.get_percentile_to_value_dict([50.0, 90.0, 99.0, 99.9])
        # A bucket answers with its upper edge, which may lie above everything recorded in it.
        p50, p90, p99, p999 = (min(at[q] / _MICROSECONDS, longest) for q in (50.0, 90.0, 99.0, 99.9))
        return cls(count, p50, p90, p99, p999, longest)
