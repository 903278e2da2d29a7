"""When a migration may begin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.errors import ConfigError
from quickwins.indexes._core.window import Window

MINUTES = st.integers(0, 24 * 60 - 1)


def at(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()


@pytest.mark.parametrize(
    ("window", "inside", "outside"),
    [
        pytest.param(
            "02:00-04:00 UTC", "2026-03-01T02:00+00:00", "2026-03-01T04:00+00:00", id="ends before its end"
        ),
        pytest.param(
            "22:30-05:00 UTC", "2026-03-01T23:00+00:00", "2026-03-01T22:29+00:00", id="before midnight"
        ),
        pytest.param(
            "22:30-05:00 UTC", "2026-03-01T04:59+00:00", "2026-03-01T05:00+00:00", id="after midnight"
        ),
        pytest.param(
            "20:00-24:00 UTC", "2026-03-01T23:59+00:00", "2026-03-02T00:00+00:00", id="up to midnight"
        ),
        pytest.param(
            "02:00-04:00 Europe/Berlin", "2026-01-01T01:30+00:00", "2026-01-01T03:30+00:00", id="winter"
        ),
        pytest.param(
            "02:00-04:00 Europe/Berlin", "2026-07-01T00:30+00:00", "2026-07-01T02:30+00:00", id="summer"
        ),
        pytest.param(
            "01:00-02:00 America/New_York", "2026-11-01T06:30+00:00", "2026-11-01T07:00+00:00", id="twice"
        ),
    ],
)
def test_it_goes_by_the_clocks_of_its_zone(window: str, inside: str, outside: str) -> None:
    assert Window.parse(window).holds(at(inside))
    assert not Window.parse(window).holds(at(outside))


@given(start=MINUTES, end=MINUTES, now=MINUTES)
def test_a_window_and_the_rest_of_the_day_are_the_whole_day(start: int, end: int, now: int) -> None:
    if start == end:
        return
    moment = (datetime(2026, 5, 5, tzinfo=UTC) + timedelta(minutes=now)).timestamp()

    def text(minutes: int) -> str:
        return f"{minutes // 60:02}:{minutes % 60:02}"

    one = Window.parse(f"{text(start)}-{text(end)} UTC").holds(moment)
    assert one != Window.parse(f"{text(end)}-{text(start)} UTC").holds(moment)
    assert one == ((now - start) % 1440 < (end - start) % 1440)


@pytest.mark.parametrize(
    "text", ["", "02:00-04:00", "2-4 UTC", "25:00-26:00 UTC", "02:00-02:00 UTC", "02:00-04:00 Mars/Base", "02:60-03:00 UTC", "24:30-25:00 UTC", "02:00-04:00 ../etc"]
)  # fmt: skip
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match=r"02:00-04:00 UTC|it is empty"):
        Window.parse(text)
