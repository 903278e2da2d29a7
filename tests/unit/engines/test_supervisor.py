from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.engines._supervisor import descendants, process_parents


def test_everything_below_a_process_is_found_and_nothing_else() -> None:
    assert descendants(10, {10: 1, 11: 10, 12: 11, 13: 12, 14: 10, 20: 1, 21: 20}) == {11, 12, 13, 14}
    assert descendants(21, {20: 1, 21: 20}) == set()


@given(st.dictionaries(st.integers(0, 30), st.integers(0, 30)), st.integers(0, 30))
def test_any_table_even_one_with_circles_ends_and_each_is_reached_through_its_parent(
    parents: dict[int, int], root: int
) -> None:
    below = descendants(root, parents)
    assert root not in below
    assert all(parents[pid] in below | {root} for pid in below)
    assert all(pid in below for pid, parent in parents.items() if parent in below | {root} and pid != root)


def test_this_process_and_its_parent_are_in_the_table() -> None:
    assert process_parents()[os.getpid()] == os.getppid()


def test_without_proc_the_table_is_read_from_ps(monkeypatch: pytest.MonkeyPatch) -> None:
    def run(argv: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        assert argv[1:] == ["-A", "-o", "pid=,ppid=,state="]
        return subprocess.CompletedProcess(
            argv, 0, "    1     0 Ss\n   42     1 S+\n  43    42 Z\n 44  42 T\n"
        )

    monkeypatch.setattr(Path, "exists", lambda self: False)
    monkeypatch.setattr(subprocess, "run", run)
    assert process_parents() == {1: 0, 42: 1, 44: 42}
