"""Where lines come from: files, gzipped or not, and streams."""

from __future__ import annotations

import gzip
import random
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.core.errors import ConfigError, QuickWinsError
from quickwins.logs.timeline import (
    Log,
    Query,
    Severity,
)
from quickwins.logs.timeline._files import lines
from tests.unit.logs.timeline.incident import START, A, line, log, memory, shown


@given(
    st.lists(st.binary(max_size=12).map(lambda one: one.replace(b"\n", b""))),
    st.binary(max_size=12).map(lambda one: one.replace(b"\n", b"")),
    st.lists(st.integers(min_value=0, max_value=200)),
)
def test_lines_are_the_same_however_the_text_is_cut_into_pieces(
    whole: list[bytes], last: bytes, cuts: list[int]
) -> None:
    text = b"".join(one + b"\n" for one in whole) + last
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    pieces = [text[start:end] for start, end in pairwise(places)]

    expected = [one if len(one) <= 8 else None for one in (*whole, *([last] if last else []))]
    assert list(lines(pieces, max_bytes=8)) == expected


def test_a_line_that_never_ends_is_not_held() -> None:
    tracemalloc.start()
    try:
        assert list(lines((b"%01000d" % n for n in range(10_000)), max_bytes=10_000)) == [None]
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 1_000_000, "of ten million bytes"


def test_gzip_is_known_by_its_content(tmp_path: Path) -> None:
    zipped, plain = tmp_path / "a.log", tmp_path / "b.gz"
    zipped.write_bytes(gzip.compress(line(1, "a") + b"\n") + gzip.compress(line(3, "a") + b"\n"))
    plain.write_bytes(line(2, "b"))

    reading = shown([Log.file(zipped), Log.file(plain)])

    assert [entry.service for entry in reading.result.entries] == ["a", "b", "a"]
    assert [book.failure for book in reading.books] == ["", ""]


def packed() -> bytes:
    rng = random.Random(1)
    return gzip.compress(b"".join(line(n, noise=rng.getrandbits(200)) + b"\n" for n in range(5_000)))


@pytest.mark.parametrize("query", [Query(), Query(trace=A)], ids=["all", "trace"])
def test_of_a_truncated_gzip_the_beginning_is_kept(tmp_path: Path, query: Query) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(packed()[:-20_000])

    reading = shown([Log.file(path), log(tmp_path / "b", line(trace_id=A))], query)

    broken, whole = reading.books
    assert "ends early" in broken.failure
    assert 1_000 < broken.lines < 5_000
    assert (whole.failure, reading.result.matched > 0) == ("", True)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(packed()[:-8] + bytes(8), id="wrong sum"),
        pytest.param(packed() + packed()[:10] + b"\x07" * 100, id="no such kind of block"),
    ],
)
def test_of_a_corrupt_gzip_the_beginning_is_kept(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(data)

    reading = shown([Log.file(path), log(tmp_path / "b", line())], limit=9_999)

    assert "corrupt" in reading.books[0].failure
    assert len(reading.result.entries) == 5_001


def test_rubbish_behind_a_gzip_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(line() + b"\n") + b"rubbish")

    reading = shown([Log.file(path)])

    assert len(reading.result.entries) == 1
    assert "corrupt" in reading.books[0].failure


def test_a_file_that_goes_away_is_said_and_not_fatal(tmp_path: Path) -> None:
    gone, there = log(tmp_path / "gone", line()), log(tmp_path / "there", line())
    (tmp_path / "gone").unlink()

    reading = shown([gone, there])

    assert len(reading.result.entries) == 1
    assert [book.failure for book in reading.books] == ["No such file or directory", ""]


def test_what_cannot_be_opened_is_named_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ConfigError, match="nowhere: No such file"):
        Log.file(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="a folder"):
        Log.file(tmp_path)
    log(tmp_path / "a")
    monkeypatch.setattr("os.access", lambda *_: False)
    with pytest.raises(ConfigError, match="may not read"):
        Log.file(tmp_path / "a")


def test_a_book_says_from_when_to_when(tmp_path: Path) -> None:
    content = (b"?", line(0), *(line(n) for n in range(1, 9)), line(9), b"", line(10)[:-9])

    for query in (Query(), Query(trace=A), Query(severity=Severity.FATAL)):
        (book,) = shown([log(tmp_path / "a", *content)], query).books
        assert (book.begins, book.ends) == (START, START + 9_000_000)


def test_a_stream_is_copied_only_when_a_second_look_may_be_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfileobj", full)
    assert len(shown([memory(line())]).result.entries) == 1
    assert len(shown([log(tmp_path / "a", line(trace_id=A))], Query(trace=A)).result.entries) == 1
    with pytest.raises(QuickWinsError, match="memory cannot be kept for a second look: No space left"):
        shown([memory(line())], Query(trace=A))
