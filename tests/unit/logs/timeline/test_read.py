"""Several logs read as one story."""

from __future__ import annotations

import json
import random
from datetime import datetime, timedelta, timezone
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.logs.timeline.incident import START, line, log, memory, shown


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(min_value=0, max_value=30),
                st.sampled_from(["feed", "gateway"]),
                st.integers(min_value=0, max_value=5),
            )
        ),
        max_size=4,
    ),
    st.randoms(use_true_random=False),
    st.integers(min_value=1, max_value=40),
)
def test_nearly_sorted_files_become_what_sorting_everything_gives(
    files: list[list[tuple[int, str, int]]], rng: random.Random, limit: int
) -> None:
    sources, everything = [], []
    for file, content in enumerate(files):
        nearly = sorted(content, key=lambda one: one[0] + rng.uniform(-5, 5))
        sources.append(
            memory(*(line(micros / 1e6, service, seq=seq) for micros, service, seq in nearly), name=str(file))
        )
        everything += [(START + micros, service, seq) for micros, service, seq in nearly]

    reading = shown(sources, limit=limit)

    found = [(entry.micros, entry.service, entry.seq) for entry in reading.result.entries]
    assert found == sorted(everything)[:limit]
    assert reading.result.matched == len(everything)


def test_the_same_moment_in_two_offsets_is_the_same_moment(tmp_path: Path) -> None:
    elsewhere = datetime.fromtimestamp(START / 1e6, timezone(timedelta(hours=5, minutes=30)))
    foreign = json.dumps({"timestamp": elsewhere.isoformat(), "service.name": "b"}).encode()

    reading = shown([log(tmp_path / "a", line(0.001, "a"), line(-0.001, "a")), log(tmp_path / "b", foreign)])

    assert [entry.service for entry in reading.result.entries] == ["a", "b", "a"]
