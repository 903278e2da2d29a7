"""Percentiles: near the exact ones, and nothing lost at the ends."""

from __future__ import annotations

import math
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.errors import MissingExtraError
from quickwins.rig import LatencySummary


@given(st.lists(st.floats(min_value=1e-5, max_value=3_000), min_size=1, max_size=300))
def test_percentiles_are_within_the_precision_of_the_exact_ones(latencies: list[float]) -> None:
    summary = LatencySummary.of(latencies)
    ordered = sorted(latencies)
    assert summary.count == len(latencies)
    assert summary.max_seconds == ordered[-1]
    for quantile, value in (
        (0.5, summary.p50_seconds),
        (0.9, summary.p90_seconds),
        (0.99, summary.p99_seconds),
        (0.999, summary.p999_seconds),
    ):
        rank = max(1, int(quantile * len(ordered) + 0.5))
        assert value is not None
        # Three figures, and a microsecond.
        assert math.isclose(value, ordered[rank - 1], rel_tol=2e-3, abs_tol=1.1e-6)
        assert value <= ordered[-1]


def test_no_latencies_have_no_percentiles() -> None:
    assert LatencySummary.of([]) == LatencySummary(0, None, None, None, None, None)


def test_what_is_out_of_range_is_clamped_and_not_lost() -> None:
    summary = LatencySummary.of([-0.001, 10_000.0, 10_000.0])
    assert summary.count == 3
    assert summary.max_seconds == 10_000.0
    assert summary.p99_seconds == pytest.approx(3_600, rel=1e-3)


def test_without_the_histogram_package_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hdrh.histogram", None)
    monkeypatch.setitem(sys.modules, "hdrh", None)
    with pytest.raises(MissingExtraError, match=r"quickwins\[rig\]"):
        LatencySummary.of([0.1])
