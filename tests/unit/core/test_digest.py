"""The digest is the same everywhere and forever, and never mixes its parts up."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.digest import BUCKETS, Dice, below, digest

SRC = Path(__file__).parents[3] / "src"

GOLDEN_BUCKETS = [
    ("backpressure", "user-1", 740),
    ("backpressure", "user-2", 1431),
    ("query_cache", "user-1", 1732),
    ("", "", 7891),
    ("sälz", "naïve-κλειδί", 1216),
    ("backpressure", "\ud800 lone", 3840),
    ("a" * 200, "b" * 10_000, 6106),
]
GOLDEN_DIGEST = "d1d18e0f8cf34ce75ea68193da0e44b3"
PROGRAM = """
import json, sys
from quickwins.core.digest import Dice, digest
cases = json.load(sys.stdin)
print(json.dumps([[Dice(salt).bucket(key) for salt, key in cases], digest("a", b"bc", key=b"k").hex()]))
"""


def interpreters() -> list[str]:
    """Every CPython of 3.11 or later on this machine, by its path."""
    names = [f"python3.{minor}" for minor in range(11, 16)]
    found = [shutil.which(name) for name in names]
    roots = [Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"]
    found += [str(path) for root in roots for name in names for path in root.glob(f"*/bin/{name}")]
    return [sys.executable, *dict.fromkeys(path for path in found if path and runs(path))]


def runs(path: str) -> bool:
    return subprocess.run([path, "-c", "pass"], capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("seed", ["0", "1", "4242"])
def test_golden_vectors_hold_for_every_hash_seed_and_interpreter(seed: str) -> None:
    cases = json.dumps([(salt, key) for salt, key, _ in GOLDEN_BUCKETS])
    for interpreter in interpreters():
        done = subprocess.run(
            [interpreter, "-c", PROGRAM],
            input=cases,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": str(SRC), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            check=True,
        )
        assert json.loads(done.stdout) == [[number for *_, number in GOLDEN_BUCKETS], GOLDEN_DIGEST], (
            interpreter
        )


@given(st.lists(st.binary(max_size=20), max_size=5), st.lists(st.binary(max_size=20), max_size=5))
def test_two_sequences_of_parts_meet_only_when_equal(one: list[bytes], other: list[bytes]) -> None:
    assert (digest(*one) == digest(*other)) == (one == other)


def test_moving_a_byte_from_one_part_to_the_next_changes_the_digest() -> None:
    assert digest("ab", "c") != digest("a", "bc")


@given(st.binary(min_size=1, max_size=64), st.integers(min_value=1, max_value=64))
def test_a_key_changes_the_digest_and_the_size_is_as_asked(key: bytes, size: int) -> None:
    assert len(digest("x", key=key, size_bytes=size)) == size
    assert digest("x", key=key) != digest("x")


@given(st.text(), st.text() | st.text(min_size=250, max_size=300), st.integers(0, BUCKETS))
def test_a_draw_is_the_digest_and_is_below_a_limit_when_its_bucket_is(
    salt: str, key: str, limit: int
) -> None:
    dice = Dice(salt)
    draw = dice.draw(key)
    assert draw == digest(salt, key, size_bytes=8)
    assert dice.bucket(key) == int.from_bytes(draw, "big") * BUCKETS // 2**64
    assert (draw < below(limit)) == (dice.bucket(key) < limit)


@pytest.mark.parametrize("limit", [0, 1, 2, 3333, 5000, 9999, BUCKETS])
def test_the_edge_of_a_limit_is_exact(limit: int) -> None:
    for value in {
        0,
        max(0, -(-(limit << 64) // BUCKETS) - 1),
        min(2**64 - 1, -(-(limit << 64) // BUCKETS)),
        2**64 - 1,
    }:
        assert (value.to_bytes(8, "big") < below(limit)) == (value * BUCKETS >> 64 < limit)
