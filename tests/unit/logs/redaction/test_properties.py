"""Redaction under text that nobody thought of: hypothesis, and seeded fuzz in volume."""

from __future__ import annotations

import re
import unicodedata
from random import Random
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from quickwins.logs.redaction import Redaction, RedactionRule
from quickwins.logs.redaction._find import found
from quickwins.logs.redaction._scan import MAX_LENGTH, Scanner
from quickwins.logs.redaction._suspect import is_suspect
from tests.soak import times
from tests.unit.logs.redaction.corpus import SCHEMES, Secret, clean, secrets, traces

if TYPE_CHECKING:
    from quickwins.logs.redaction._patterns.spans import Span

SECRETS = secrets()
SCANNER = Scanner(Redaction.strict())
NAMED = Scanner(Redaction.strict(pseudonym_key=b"0123456789abcdef"))

VOLUME = times(100_000, soak=1_000_000)

FRAGMENTS = (
    "@", "=", "?", "+", "%", ":", '"', "'", "#", "&", ";", ",", ".", "-", "_", "/", "\\", "[", "]", "{", "}", "(", ")", "<", ">",
    " ", "  ", "\n", "\r\n", "\t", "\0", "\x1b[31m", "\u2028", "\u202e", "\ud800", "\udfff", "😀", "ä", "字", "\u0130", "\u212a",
    "a", "Z", "0", "00", "0123", "4111", "4111 1111 ", "555", "+49", "1 (555)", "eyJ", "eyJhbGciOi.", "Bearer ", "basic ", "Token ",
    "password", "token=", "pin: ", "email", "cookie: ", "api key", "://", "u:p@h.example", "http", "?a=", "&b=", "#c=", "%40", "%3D",
    "%2525", "%00", "%zz", "-----BEGIN ", "-----END ", "KEY-----", "AK" + "IA", "gh" + "p_", "sk" + "-", "SG.", "tel:", "DE89 ",
    "[redacted]", "[redacted:email]", "[email:0123456789abcdef]", "[redacted:too_long:9]", "bob@example.com", "://[redacted", "null",
    '\\"', "b'", "', '", "=>", ":=", "==", "AAAA", "abcdef123456", "x.y", "...",
)  # fmt: skip

TEXTS = st.text(st.characters(), max_size=60)  # lone surrogates and NULs included
PIECES = st.lists(st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=5)), max_size=14).map("".join)
CUT = re.compile(r"(?:\[redacted:too_(?:many|long:\d+)\])+\Z")
BOUNDARY = st.sampled_from([" ", "\n", "\t", '"', " (", ") ", "<", ">", "{", "}"])


def looked(text: str, scanner: Scanner) -> list[Span]:
    """What a close look finds; not what its budget leaves out, since nobody looks closely at what the quick look has passed."""
    return [span for span in found(text, scanner.namer) if span[2] is not RedactionRule.TOO_MANY]


def holds(scanner: Scanner, text: str) -> None:
    """What is true of every text."""
    hits: list[RedactionRule] = []
    shown = scanner.text(text, hits)
    assert bool(hits) == (shown is not text) or shown == text
    assert len(shown) <= MAX_LENGTH
    again = scanner.text(shown, [])
    if again != shown:  # of what its budget has cut less may be left: the mark counts as text, too
        assert CUT.search(shown), (text, shown, again)
        assert CUT.search(again), (text, shown, again)
        assert shown.startswith(CUT.sub("", again)), (text, shown, again)
    if len(text) <= MAX_LENGTH and not is_suspect(text):
        assert not looked(text, scanner), text
    if shown is not text:
        for one in set(shown) - set(text):
            assert unicodedata.category(one)[0] in "LNPS", one


@given(TEXTS)
def test_any_text_holds(text: str) -> None:
    holds(SCANNER, text)
    holds(NAMED, text)


@given(PIECES)
def test_any_mixture_of_what_secrets_are_made_of_holds(text: str) -> None:
    holds(SCANNER, text)
    holds(NAMED, text)


@given(
    st.one_of(TEXTS, PIECES),
    BOUNDARY,
    st.sampled_from([one for one in SECRETS if one.text == one.secret]),
    BOUNDARY,
    TEXTS,
)
def test_a_secret_between_boundaries_is_found_anywhere(
    before: str, left: str, one: Secret, right: str, after: str
) -> None:
    secret = one.secret
    text = f"{before}{left}{secret}{right}{after}"
    shown = SCANNER.text(text, [])
    outside = set(traces(secret, before) + traces(secret, after))
    assert [piece for piece in traces(secret, shown) if piece not in outside] == []


@given(st.sampled_from(SCHEMES), st.text("abcXYZ019-._~!$&*+,;=%", min_size=6, max_size=40), TEXTS)
def test_credentials_of_any_url_go(scheme: str, secret: str, before: str) -> None:
    shown = SCANNER.text(f"{before} {scheme}://user:{secret}@host.internal/x", [])
    assert traces(secret, shown) == traces(secret, before)


@given(
    st.lists(
        st.tuples(
            st.text("abcdef_", min_size=1, max_size=8),
            st.text("0123456789ghijk%+._~-", min_size=6, max_size=20),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_all_values_of_a_query_go_and_their_names_stay(parameters: list[tuple[str, str]]) -> None:
    shown = SCANNER.text("/x?" + "&".join(f"{name}={value}" for name, value in parameters), [])
    assert shown == "/x?" + "&".join(f"{name}=[redacted]" for name, _ in parameters)


@settings(max_examples=20)
@given(st.sampled_from(FRAGMENTS), st.integers(1, 5_000))
def test_one_fragment_repeated_holds(fragment: str, times: int) -> None:
    holds(SCANNER, fragment * times)


@pytest.mark.no_cover  # tracing takes longer than the texts
@pytest.mark.parametrize("texts", [2_000, pytest.param(VOLUME, marks=pytest.mark.volume)])
def test_seeded_texts_hold(texts: int) -> None:
    rng = Random(20261126)
    plain = clean(2_000)
    for number in range(texts):
        pieces = rng.choices(FRAGMENTS, k=rng.randrange(1, 9))
        kind = number % 10
        if kind == 0:
            pieces.insert(rng.randrange(len(pieces)), rng.choice(SECRETS).text)
        elif kind == 1:
            pieces.insert(rng.randrange(len(pieces)), rng.choice(plain))
        elif kind == 2:
            pieces.append(chr(rng.randrange(0x110000)))
        text = "".join(pieces)
        hits: list[RedactionRule] = []
        shown = SCANNER.text(text, hits)
        if shown is not text:
            assert SCANNER.text(shown, []) == shown, (text, shown)
        elif number % 4 == 0 and not is_suspect(text):
            assert not looked(text, SCANNER), text


@pytest.mark.parametrize("texts", [500, pytest.param(VOLUME // 10, marks=pytest.mark.volume)])
def test_seeded_secrets_between_boundaries_are_found(texts: int) -> None:
    rng = Random(7)
    plain = clean(2_000, seed=5)
    whole = [one for one in SECRETS if one.text == one.secret]
    for _ in range(texts):
        one = rng.choice(whole)
        before, after = rng.choice(plain), rng.choice(plain)
        shown = SCANNER.text(f"{before} {one.secret} {after}", [])
        outside = set(traces(one.secret, before) + traces(one.secret, after))
        assert set(traces(one.secret, shown)) <= outside, (before, one, after)
