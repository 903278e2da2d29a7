"""History is appended whole, bounded, and readable after a crash."""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pytest

from quickwins.core.audit import AuditLog


def append_many(path: Path, worker: int) -> None:
    log = AuditLog(path, max_bytes=1 << 20)
    for number in range(200):
        log.append({"worker": worker, "number": number, "filler": "x" * 100})


def test_records_come_back_in_order(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    for number in range(3):
        log.append({"number": number, "text": "line\nbreak\u2028"})
    assert [one["number"] for one in log.records()] == [0, 1, 2]
    assert len((tmp_path / "audit.jsonl").read_bytes().splitlines()) == 3


def test_a_torn_or_foreign_line_is_passed_over(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl")
    log.append({"number": 1})
    with log.path.open("ab") as file:
        file.write(b'[1]\n{"number": 2, "tor\n')
    log.append({"number": 3})
    assert [one["number"] for one in log.records()] == [1, 3]


def test_a_full_file_is_rotated_and_never_takes_more_than_twice_its_size(tmp_path: Path) -> None:
    log = AuditLog(tmp_path / "audit.jsonl", max_bytes=1000)
    for number in range(100):
        log.append({"number": number, "filler": "x" * 50})
    assert log.path.stat().st_size <= 1000
    assert log.rotated_path.stat().st_size <= 1000
    assert [one["number"] for one in log.records()][-1] == 99


def test_an_unwritable_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="Not a directory"):
        AuditLog(Path(__file__) / "audit.jsonl").append({})
    assert list(AuditLog(tmp_path / "missing.jsonl").records()) == []


def test_processes_that_share_a_file_lose_and_tear_nothing(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        list(pool.map(append_many, [path] * 4, range(4)))
    seen = sorted((int(str(one["worker"])), int(str(one["number"]))) for one in AuditLog(path).records())
    assert seen == [(worker, number) for worker in range(4) for number in range(200)]
