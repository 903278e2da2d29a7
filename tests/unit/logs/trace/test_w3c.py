"""W3C Trace Context: the cases of its own test suite, round trips, and that nothing that comes in ever raises."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quickwins.core.tracing import MAX_TRACEPARENT
from quickwins.logs._trace.w3c import (
    RANDOM,
    SAMPLED,
    Trace,
    new_trace,
    parse_correlation,
    parse_traceparent,
    parse_tracestate,
)

TRACE_ID = "12345678901234567890123456789012"
SPAN_ID = "1234567890123456"
VALID = f"00-{TRACE_ID}-{SPAN_ID}-01"

hex_digits = "0123456789abcdef"
trace_ids = st.text(hex_digits, min_size=32, max_size=32).filter(lambda text: text.strip("0"))
span_ids = st.text(hex_digits, min_size=16, max_size=16).filter(lambda text: text.strip("0"))


@pytest.mark.parametrize(
    ("value", "flags"),
    [
        pytest.param(VALID, 1, id="sampled"),
        pytest.param(f"00-{TRACE_ID}-{SPAN_ID}-00", 0, id="not sampled"),
        pytest.param(f"00-{TRACE_ID}-{SPAN_ID}-03", 3, id="random trace id"),
        pytest.param(f"00-{TRACE_ID}-{SPAN_ID}-ff", 3, id="flags of the future are not passed on"),
        pytest.param(f"cc-{TRACE_ID}-{SPAN_ID}-01", 1, id="a later version"),
        pytest.param(f"cc-{TRACE_ID}-{SPAN_ID}-03", 1, id="of a later version only the sampled flag"),
        pytest.param(f"cc-{TRACE_ID}-{SPAN_ID}-01-what-the-future-will-be-like", 1, id="with more fields"),
        pytest.param(f" {VALID}", 1, id="space before"),
        pytest.param(f"\t{VALID}", 1, id="tab before"),
        pytest.param(f"{VALID} ", 1, id="space after"),
        pytest.param(f"{VALID}\t", 1, id="tab after"),
        pytest.param(f"\t {VALID} \t", 1, id="both around"),
    ],
)
def test_a_valid_traceparent_is_read(value: str, flags: int) -> None:
    expected = Trace(TRACE_ID, SPAN_ID, flags)
    assert parse_traceparent(value) == expected
    assert parse_traceparent(value.encode()) == expected


@pytest.mark.parametrize(
    "value",
    [
        pytest.param("", id="empty"),
        pytest.param(f"{VALID}.", id="one character more in version 00"),
        pytest.param(f"{VALID}-what-the-future-will-be-like", id="more fields in version 00"),
        pytest.param(f"{VALID}-", id="a dash more in version 00"),
        pytest.param(f"cc-{TRACE_ID}-{SPAN_ID}-01.what", id="a later version that goes on without a dash"),
        pytest.param(f"cc-{TRACE_ID}-{SPAN_ID}-0", id="a later version that is too short"),
        pytest.param(f"ff-{TRACE_ID}-{SPAN_ID}-01", id="version ff"),
        pytest.param(f".0-{TRACE_ID}-{SPAN_ID}-01", id="version with a dot first"),
        pytest.param(f"0.-{TRACE_ID}-{SPAN_ID}-01", id="version with a dot last"),
        pytest.param(f"000-{TRACE_ID}-{SPAN_ID}-01", id="version of three"),
        pytest.param(f"0000-{TRACE_ID}-{SPAN_ID}-01", id="version of four"),
        pytest.param(f"0-{TRACE_ID}-{SPAN_ID}-01", id="version of one"),
        pytest.param(f"00-{'0' * 32}-{SPAN_ID}-01", id="trace id of zeros"),
        pytest.param(f"00-.{TRACE_ID[1:]}-{SPAN_ID}-01", id="trace id with a dot first"),
        pytest.param(f"00-{TRACE_ID[1:]}.-{SPAN_ID}-01", id="trace id with a dot last"),
        pytest.param(f"00-{TRACE_ID}3-{SPAN_ID}-01", id="trace id too long"),
        pytest.param(f"00-{TRACE_ID[1:]}-{SPAN_ID}-01", id="trace id too short"),
        pytest.param(f"00-{TRACE_ID}-{'0' * 16}-01", id="span id of zeros"),
        pytest.param(f"00-{TRACE_ID}-.{SPAN_ID[1:]}-01", id="span id with a dot first"),
        pytest.param(f"00-{TRACE_ID}-{SPAN_ID[1:]}.-01", id="span id with a dot last"),
        pytest.param(f"00-{TRACE_ID}-{SPAN_ID}7-01", id="span id too long"),
        pytest.param(f"00-{TRACE_ID}-{SPAN_ID[1:]}-01", id="span id too short"),
        pytest.param(f"00-{TRACE_ID}-{SPAN_ID}-.0", id="flags with a dot first"),
        pytest.param(f"00-{TRACE_ID}-{SPAN_ID}-0.", id="flags with a dot last"),
        pytest.param(f"00-{TRACE_ID}-{SPAN_ID}-001", id="flags of three"),
        pytest.param(f"00-{TRACE_ID}-{SPAN_ID}-1", id="flags of one"),
        pytest.param(f"00-{'A' * 32}-{SPAN_ID}-01", id="upper case"),
        pytest.param(f"00-{TRACE_ID}-{SPAN_ID}-0A", id="flags in upper case"),
        pytest.param(f"00_{TRACE_ID}_{SPAN_ID}_01", id="other separators"),
        pytest.param(f"{VALID}\n", id="a line feed"),
        pytest.param(VALID.replace("1", "\u0661"), id="digits of another script"),
        pytest.param(f"cc-{TRACE_ID}-{SPAN_ID}-01-{'x' * MAX_TRACEPARENT}", id="prohibitively long"),
    ],
)
def test_any_other_traceparent_is_none(value: str) -> None:
    assert parse_traceparent(value) is None
    assert parse_traceparent(value.encode()) is None


ALL_KEY_CHARACTERS = "abcdefghijklmnopqrstuvwxyz0123456789_-*/"
ALL_VALUE_CHARACTERS = "".join(chr(code) for code in range(0x20, 0x7F) if chr(code) not in ",=")


def members(first: int, last: int) -> str:
    return ",".join(f"bar{number:02}={number:02}" for number in range(first, last + 1))


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        pytest.param("foo=1", "foo=1", id="one"),
        pytest.param("foo=1,bar=2", "foo=1,bar=2", id="two"),
        pytest.param("foo=1,bar=2,rojo=1,congo=2,baz=3", "foo=1,bar=2,rojo=1,congo=2,baz=3", id="in order"),
        pytest.param("", "", id="empty"),
        pytest.param("foo=1,", "foo=1", id="an empty header after"),
        pytest.param(",foo=1", "foo=1", id="an empty header before"),
        pytest.param("foo=1,foo=1", "foo=1", id="the same key with the same value"),
        pytest.param("foo=1,foo=2,bar=3", "foo=1,bar=3", id="the same key with another value"),
        pytest.param("foo=1 \t , \t bar=2, \t baz=3", "foo=1,bar=2,baz=3", id="space and tabs"),
        pytest.param("foo=1\t \t,\t \tbar=2,\t \tbaz=3", "foo=1,bar=2,baz=3", id="tabs and space"),
        pytest.param("\t foo=1 \t", "foo=1", id="space around all"),
        pytest.param("foo=  1", "foo=  1", id="space before a value belongs to it"),
        pytest.param(
            f"{ALL_KEY_CHARACTERS}={ALL_VALUE_CHARACTERS}",
            f"{ALL_KEY_CHARACTERS}={ALL_VALUE_CHARACTERS}",
            id="every character",
        ),
        pytest.param(
            f"{ALL_KEY_CHARACTERS}@a-z0-9_-*/={ALL_VALUE_CHARACTERS}",
            f"{ALL_KEY_CHARACTERS}@a-z0-9_-*/={ALL_VALUE_CHARACTERS}",
            id="every character of a tenant's key",
        ),
        pytest.param("foo@=1,bar=2", "foo@=1,bar=2", id="an at sign last"),
        pytest.param("foo@@bar=1,bar=2", "foo@@bar=1,bar=2", id="two at signs"),
        pytest.param("foo@bar@baz=1,bar=2", "foo@bar@baz=1,bar=2", id="two at signs apart"),
        pytest.param("1foo=1", "1foo=1", id="a digit first"),
        pytest.param(f"foo=1,{'z' * 256}=1", f"foo=1,{'z' * 256}=1", id="a key of 256"),
        pytest.param(members(1, 32), members(1, 32), id="32 members"),
        pytest.param(members(1, 33), "", id="33 members"),
        pytest.param(f"foo=1,{'z' * 257}=1", "", id="a key of 257"),
        pytest.param(f"foo={'v' * 256}", f"foo={'v' * 256}", id="a value of 256"),
        pytest.param(f"foo={'v' * 257}", "", id="a value of 257"),
        pytest.param("foo =1", "", id="space in a key"),
        pytest.param("FOO=1", "", id="upper case"),
        pytest.param("foo.bar=1", "", id="a dot"),
        pytest.param("@foo=1,bar=2", "", id="an at sign first"),
        pytest.param("foo=bar=baz", "", id="two equals signs"),
        pytest.param("foo=,bar=3", "", id="no value"),
        pytest.param("foo", "", id="no equals sign"),
        pytest.param("foo=1,bar=\x7f", "", id="DEL"),
        pytest.param("foo=1\n,bar=2", "", id="a line feed"),
        pytest.param("foo=ü", "", id="not ASCII"),
        pytest.param(f"a={'x' * 200},b={'x' * 200},c={'x' * 200}", "", id="too long in all"),
    ],
)
def test_a_tracestate_is_kept_or_dropped_whole(value: str, kept: str) -> None:
    assert parse_tracestate(value) == kept
    assert parse_tracestate(value.encode()) == kept


@given(trace_ids, span_ids, st.integers(0, 3))
def test_what_is_written_is_read_again(trace_id: str, span_id: str, flags: int) -> None:
    trace = Trace(trace_id, span_id, flags)
    assert len(trace.traceparent) == 55
    assert parse_traceparent(trace.traceparent) == trace


@given(
    st.dictionaries(
        st.from_regex(r"[a-z0-9][a-z0-9_\-*/@]{0,8}", fullmatch=True),
        st.from_regex(r"[ -+\--<>-~]{0,3}[!-+\--<>-~]", fullmatch=True),
        max_size=32,
    )
)
def test_a_tracestate_that_is_passed_on_is_passed_on_unchanged(state: dict[str, str]) -> None:
    text = ",".join(f"{key}={value}" for key, value in state.items())
    kept = parse_tracestate(text)
    assert kept == (text if len(text) <= 512 else "")
    assert parse_tracestate(kept) == kept


anything = st.one_of(
    st.binary(max_size=80),
    st.text(max_size=80),
    st.text(hex_digits + "-", min_size=50, max_size=60),
    st.binary(min_size=500, max_size=530),
)


@given(anything)
@example(b"\xff" * 55)
@example("\ud800" * 55)
def test_nothing_that_comes_in_raises_and_what_is_accepted_is_clean(value: bytes | str) -> None:
    trace = parse_traceparent(value)
    if trace is not None:
        assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]", trace.traceparent)
    state = parse_tracestate(value)
    assert len(state) <= 512
    assert re.fullmatch(r"[ -~]*", state)
    for trusted in (False, True):
        correlation = parse_correlation(value, trusted=trusted)
        assert correlation is None or re.fullmatch(r"[A-Za-z0-9_-]{1,64}", correlation)


class Scripted:
    """Randomness that is not."""

    def __init__(self, *bits: int) -> None:
        self._bits = list(bits)

    def getrandbits(self, k: int, /) -> int:
        return self._bits.pop(0)


def test_an_id_of_zeros_is_never_given() -> None:
    no_trace, no_span = 7, 5 << 64
    good = (0xABC << 64) | 0xDEF
    assert new_trace(Scripted(0, no_trace, no_span, good)) == Trace(
        f"{0xABC:032x}", f"{0xDEF:016x}", SAMPLED | RANDOM
    )
    parent = Trace(TRACE_ID, SPAN_ID, SAMPLED, "foo=1")
    assert parent.child(Scripted(0, 0xDEF)) == Trace(TRACE_ID, f"{0xDEF:016x}", SAMPLED, "foo=1")


def test_the_same_randomness_gives_the_same_ids_and_other_another() -> None:
    assert new_trace(random.Random(1)) == new_trace(random.Random(1))
    source = random.Random(1)
    made = [new_trace(source) for _ in range(1_000)]
    assert len({trace.trace_id for trace in made}) == len({trace.span_id for trace in made}) == 1_000


UUID = "0190A7B2-6c1e-7f00-8a3B-0123456789ab"
ULID = "01arz3ndektsv4rrffq69g5fav"


@pytest.mark.parametrize(
    ("value", "public", "trusted"),
    [
        pytest.param(UUID, UUID.lower(), UUID.lower(), id="uuid"),
        pytest.param(UUID.replace("-", ""), *[UUID.replace("-", "").lower()] * 2, id="uuid without hyphens"),
        pytest.param(ULID, ULID.upper(), ULID.upper(), id="ulid"),
        pytest.param("ABCDEF0123456789", "abcdef0123456789", "abcdef0123456789", id="16 hex digits"),
        pytest.param("f" * 64, "f" * 64, "f" * 64, id="64 hex digits"),
        pytest.param("1" * 32, "1" * 32, "1" * 32, id="32 decimal digits"),
        pytest.param("f" * 65, None, None, id="65 hex digits"),
        pytest.param("f" * 15, None, "f" * 15, id="15 hex digits"),
        pytest.param("order-7_A", None, "order-7_A", id="a token"),
        pytest.param("x" * 64, None, "x" * 64, id="a token of 64"),
        pytest.param("x" * 65, None, None, id="a token of 65"),
        pytest.param("81arz3ndektsv4rrffq69g5fav", None, "81arz3ndektsv4rrffq69g5fav", id="past ULIDs"),
        pytest.param("4111111111111111", None, "4111111111111111", id="the number of a card"),
        pytest.param("", None, None, id="empty"),
        pytest.param("a@example.com", None, None, id="an address"),
        pytest.param(f"{UUID}\r\nset-cookie: a=b", None, None, id="another header"),
        pytest.param(f"{UUID}\n", None, None, id="a line feed"),
        pytest.param(f" {UUID}", None, None, id="space before"),
        pytest.param("{" + UUID + "}", None, None, id="braces"),
        pytest.param("\u017f" * 16, None, None, id="a letter that folds into ASCII"),
        pytest.param("\u0661" * 16, None, None, id="digits of another script"),
    ],
)
def test_a_correlation_id_is_taken_over_or_not_at_all(
    value: str, public: str | None, trusted: str | None
) -> None:
    assert parse_correlation(value, trusted=False) == public
    assert parse_correlation(value.encode(), trusted=False) == public
    assert parse_correlation(value, trusted=True) == trusted


@pytest.mark.parametrize(
    "value",
    [None, 7, 1.5, object(), ["a" * 32], bytearray(b"a" * 32)],
    ids=lambda value: type(value).__name__,
)
def test_a_correlation_id_is_text(value: object) -> None:
    assert parse_correlation(value, trusted=True) is None
