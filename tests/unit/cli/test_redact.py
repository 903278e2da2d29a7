"""`quickwins logs redact`, on a small log with secrets."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from quickwins.logs.redaction import Redaction
from quickwins.logs.trial import tried
from tests.unit.cli.conftest import Answer

Call = Callable[..., Answer]

LINES = [
    "started on 0.0.0.0:8080",
    "no account for somebody@example.com",
    "login failed: password=hunter2",
    "Invalid token: Signature has expired",
    json.dumps({"event": "login", "password": "hunter2", "n": 1}),
    "GET /feed?cursor=abcdefgh 200",
]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "app.log"
    path.write_text("\n".join(LINES) + "\n")
    return path


def test_a_row_for_each_rule_and_no_secret(quickwins: Call, log: Path) -> None:
    answer = quickwins("logs", "redact", str(log))
    assert answer.code == 3
    assert "hunter2" not in answer.out
    rows = [line.split("\t") for line in answer.out.splitlines()]
    assert rows[0] == ["rule", "times", "lines", "where", "would be written"]
    assert sorted(row[0] for row in rows[1:]) == ["email", "key", "pair", "query"]
    assert rows[1][1:4] == ["1", "1", f"{log}:2"]
    assert "6 lines; 4 would change, 6666.7 of 10,000" in answer.err


def test_json_has_a_line_for_each_that_would_change(quickwins: Call, log: Path) -> None:
    answer = quickwins("logs", "redact", str(log), "--json")
    found = [json.loads(line) for line in answer.out.splitlines()]
    assert [one["rules"] for one in found] == [{"email": 1}, {"pair": 1}, {"key": 1}, {"query": 1}]
    assert json.loads(found[2]["shown"]) == {"event": "login", "password": "[redacted:key]", "n": 1}


def test_relaxed_and_names(quickwins: Call, log: Path) -> None:
    assert "query" not in quickwins("logs", "redact", str(log), "--relaxed").out
    assert "\nkey\t" not in quickwins("logs", "redact", str(log), "--safe-key", "password").out
    assert "\nkey\t2\t" in quickwins("logs", "redact", str(log), "--key", "n").out


def test_gzip_and_nothing_to_change(quickwins: Call, tmp_path: Path) -> None:
    path = tmp_path / "app.log.gz"
    path.write_bytes(gzip.compress(b"started\nready"))
    answer = quickwins("logs", "redact", str(path))
    assert answer.code == 0
    assert answer.out == ""
    assert "2 lines; 0 would change" in answer.err


def test_a_file_that_is_not_there(quickwins: Call, tmp_path: Path) -> None:
    answer = quickwins("logs", "redact", str(tmp_path / "no.log"))
    assert answer.code == 2
    assert "no.log" in answer.err


def test_what_is_no_json_is_a_text() -> None:
    (finding,) = tried([b'{"password": "hunter2\n'], Redaction.strict())
    assert finding.number == 1
    assert finding.shown == '{"password": "[redacted:pair]'
