"""`quickwins flags simulate`."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from quickwins.cli.flags.simulate import MAX_KEY_BYTES, Moves, at_percent, read_keys, reporting, who_moves
from quickwins.core.clock import FakeClock
from quickwins.core.errors import ConfigError
from quickwins.core.flags import Flags, FlagSettings, MemorySource
from quickwins.facade import SECTIONS
from tests.unit.cli.conftest import Answer

Call = Callable[..., Answer]
PERCENTS = st.integers(0, 10_000).map(lambda hundredths: hundredths / 100)


def test_counts_who_is_on_before_and_after(quickwins: Call, config: Path) -> None:
    answer = quickwins("flags", "simulate", "backpressure", "--to", "50", "--json")

    facts = answer.document
    assert answer.code == 0
    assert (facts["feature"], facts["from"], facts["to"], facts["keys"]) == (
        "backpressure",
        10.0,
        50.0,
        10_000,
    )
    assert abs(facts["before"] - 1_000) < 150
    assert abs(facts["after"] - 5_000) < 250
    assert (facts["added"], facts["removed"]) == (facts["after"] - facts["before"], 0)


def test_lists_the_keys_that_move_before_the_counts(quickwins: Call, config: Path) -> None:
    given = ("flags", "simulate", "backpressure", "--from", "100", "--to", "0", "--count", "2", "--list")

    rows = quickwins(*given).rows
    lines = quickwins(*given, "--json").out.splitlines()

    assert rows[:2] == [["removed", "key-0"], ["removed", "key-1"]]
    assert rows[-1] == ["removed", "2"]
    assert [json.loads(line) for line in lines[:2]] == [
        {"moves": "removed", "key": "key-0"},
        {"moves": "removed", "key": "key-1"},
    ]
    assert json.loads(lines[2])["removed"] == 2


def test_takes_keys_from_a_file(quickwins: Call, config: Path, folder: Path) -> None:
    (folder / "keys").write_bytes("user-1\n\nuser-2\r\nüser".encode())

    given = ("flags", "simulate", "backpressure", "--from", "0", "--to", "100", "--keys", "keys", "--list")

    assert [row[1] for row in quickwins(*given).rows[:3]] == ["user-1", "user-2", "üser"]


def test_takes_keys_from_stdin(quickwins: Call, config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=io.BytesIO(b"a\nb\n")))

    document = quickwins("flags", "simulate", "backpressure", "--to", "1", "--keys", "-", "--json").document

    assert document["keys"] == 2


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["--to", "10", "--keys", "nowhere"], "nowhere: No such file or directory", id="no file"),
        pytest.param(["--to", "10", "--keys", "-", "--count", "3"], "exclude each other", id="both"),
        pytest.param(["--to", "101"], "Invalid value for '--to'", id="out of range"),
        pytest.param(["--to", "1.375"], "1.375 is not allowed: ", id="finer than a bucket"),
        pytest.param([], "--to", id="no percentage"),
    ],
)
def test_a_mistake_ends_with_2(quickwins: Call, config: Path, arguments: list[str], expected: str) -> None:
    answer = quickwins("flags", "simulate", "backpressure", *arguments)

    assert answer.code == 2
    assert answer.out == ""
    assert expected in answer.err


@given(PERCENTS, PERCENTS, st.lists(st.text(max_size=20), max_size=50), st.text(max_size=5))
def test_raising_only_adds_lowering_only_removes_and_the_counts_add_up(
    start: float, end: float, keys: list[str], salt: str
) -> None:
    settings = FlagSettings(salt=salt)
    moves = Moves()

    moved = list(who_moves(keys, at_percent("f", settings, start), at_percent("f", settings, end), moves))

    assert moves.keys == len(keys)
    assert moves.after == moves.before + moves.added - moves.removed
    assert len(moved) == moves.added + moves.removed
    assert (moves.removed if end >= start else moves.added) == 0


@pytest.mark.parametrize("salt", ["", "spring"])
def test_says_what_the_running_flag_would_say(salt: str) -> None:
    source = MemorySource({"backpressure": {"enabled": True, "percent": 30, "salt": salt}})
    flag = Flags(SECTIONS, [source], registry=CollectorRegistry()).flag("backpressure")
    keys = [f"user-{number}" for number in range(300)]

    settings = FlagSettings(killed=True, salt=salt)
    off, thirty = at_percent("backpressure", settings, 0), at_percent("backpressure", settings, 30)

    added = {key for key, _ in who_moves(keys, off, thirty, Moves())}
    assert added == {key for key in keys if flag.active_for(key)}


def test_keys_are_read_one_at_a_time_and_none_is_longer_than_its_bound() -> None:
    class Endless(io.RawIOBase):
        given = 0

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            assert 0 < size <= MAX_KEY_BYTES + 2
            self.given += size
            return b"x" * size

    file = Endless()
    with pytest.raises(ConfigError, match="stdin: line 1 is longer than 4096 bytes"):
        list(read_keys(file, "stdin"))  # type: ignore[arg-type]  # -- bytes are what the test is about; until=never
    assert file.given <= MAX_KEY_BYTES + 2


def test_the_longest_key_is_read_whatever_ends_its_line() -> None:
    longest = b"x" * MAX_KEY_BYTES
    file = io.BytesIO(longest + b"\n" + longest + b"\r\n" + longest)

    assert [len(key) for key in read_keys(file, "keys")] == [MAX_KEY_BYTES] * 3


def test_a_key_that_is_not_utf8_is_named_by_its_line() -> None:
    with pytest.raises(ConfigError, match="keys: line 2 is not UTF-8"):
        list(read_keys(io.BytesIO(b"a\n\xff\n"), "keys"))


def test_says_about_every_two_seconds_how_many_keys_there_were(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()

    def keys() -> Iterator[str]:
        for number in range(10_000):
            clock.now += 0.0005  # 2,000 keys a second
            yield f"key-{number}"

    assert sum(1 for _ in reporting(keys(), clock)) == 10_000
    assert capsys.readouterr().err == "quickwins: 4096 keys so far\nquickwins: 8192 keys so far\n"
