"""RESP 3, cut anywhere, hostile or not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.query_cache.stores._resp import (
    MAX_ITEMS,
    MAX_LINE_BYTES,
    Parser,
    ProtocolError,
    Push,
    Refusal,
    command,
)

REPLIES = (
    b"+OK\r\n:-12\r\n$5\r\na\r\nbc\r\n$0\r\n\r\n$-1\r\n*-1\r\n_\r\n#t\r\n#f\r\n,1.5\r\n(123456789012345678901\r\n"
    b"*3\r\n:1\r\n*0\r\n$1\r\nx\r\n%1\r\n+k\r\n+v\r\n>2\r\n+kind\r\n$2\r\n\r\n\r\n~1\r\n:7\r\n"
)
READ = [
    b"OK", -12, b"a\r\nbc", b"", None, None, None, True, False, 1.5, 123456789012345678901,
    [1, [], b"x"], [b"k", b"v"], Push([b"kind", b"\r\n"]), [7],
]  # fmt: skip


@given(st.lists(st.integers(1, 40), max_size=40))
def test_replies_are_read_wherever_they_are_cut(lengths: list[int]) -> None:
    parser, found, start = Parser(), [], 0
    for length in lengths:
        found += parser.feed(REPLIES[start : start + length])
        start += length
    found += parser.feed(REPLIES[start:])
    assert found == READ
    assert [type(one) for one in found] == [type(one) for one in READ]


def test_an_error_is_a_reply_of_its_kind() -> None:
    first, second, third = Parser().feed(b"-MOVED 12 127.0.0.1:7001\r\n!7\r\nOOM x y\r\n:1\r\n")
    assert isinstance(first, Refusal)
    assert isinstance(second, Refusal)
    assert (first.kind, second.kind, third) == ("MOVED", "OOM", 1)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"hello\r\n", id="no reply"),
        pytest.param(b"$x\r\n", id="no number"),
        pytest.param(b":1.5\r\n", id="no whole number"),
        pytest.param(b"$9999999999\r\n", id="too long"),
        pytest.param(b"*%d\r\n" % (MAX_ITEMS + 1), id="too many"),
        pytest.param(b"*1\r\n" * 9 + b":1\r\n", id="too deep"),
        pytest.param(b"+" + b"x" * MAX_LINE_BYTES, id="a line without an end"),
    ],
)
def test_what_is_no_reply_is_said(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        Parser().feed(data)


def test_a_long_reply_is_not_looked_at_before_it_is_there() -> None:
    parser = Parser()
    assert parser.feed(b"$3000000\r\n") == []
    for _ in range(29):
        assert parser.feed(b"x" * 100_000) == []
    assert parser.feed(b"x" * 100_000 + b"\r\n+OK\r\n") == [b"x" * 3_000_000, b"OK"]


@given(st.lists(st.binary(max_size=20), min_size=1, max_size=5))
def test_a_command_is_read_as_it_was_written(words: list[bytes]) -> None:
    assert Parser().feed(command(*words)) == [words]
