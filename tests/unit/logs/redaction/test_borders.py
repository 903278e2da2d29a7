"""What stands right before or after a secret, spelled out, encoded or invisible, hides it from no rule."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quickwins.logs.redaction import Redaction
from quickwins.logs.redaction._plain import Plain
from quickwins.logs.redaction._scan import Scanner
from tests.unit.logs.redaction.corpus import secrets, traces
from tests.unit.logs.redaction.quality import measure

SCANNER = Scanner(Redaction.strict())
ESCAPES = (
    "\\n", "\\t", "\\r\\n", "\\\\n", "\\u0022", "\\u000a", "\\x0a", "%0A", "%0D%0A", "%22", "%09", "&quot;", "&lt;", "&gt;", "&#34;",
    "&#x22;", "\x1b[32m", "\x1b[0m", "\\x1b[31m", "\\u001b[0m", "\\033[1m", "\u200b", "\ufeff", "\u2060", "\n", "\t", " ", "(", ")", ",",
    ";", '"', "'", "|", "\uff1a", "\u3000",
)  # fmt: skip
WHOLE = [one for one in secrets() if one.text == one.secret and "\n" not in one.text]
CONTEXTS = sorted(
    {
        case["fields"]["m"].replace(case["secrets"][0], "\0")
        for case in measure.load("secrets")
        if "m" in case["fields"]
    }
)


@pytest.mark.parametrize("escape", ESCAPES)
def test_right_behind_and_before_each_escape_each_secret_is_found(escape: str) -> None:
    shown = [
        text
        for one in WHOLE
        for text in (f"{escape}{one.secret}", f"a b{escape}{one.secret}{escape} x", f"{one.secret}{escape}x")
        if traces(one.secret, SCANNER.text(text, []))
    ]
    assert shown == []


@given(
    st.sampled_from(WHOLE),
    st.sampled_from(ESCAPES),
    st.sampled_from(ESCAPES),
    st.sampled_from(["", "x", "it was", "a b"]),
)
def test_between_any_escapes_a_secret_is_found(one: object, left: str, right: str, word: str) -> None:
    secret = one.secret  # type: ignore[attr-defined]  # -- one of the corpus; until=never
    assert traces(secret, SCANNER.text(f"{word}{left}{secret}{right} {word}", [])) == []


@given(st.sampled_from(CONTEXTS), st.data())
def test_an_escape_at_any_place_of_any_context_hides_no_token(context: str, data: st.DataObject) -> None:
    secret = "gh" + "p_" + "aB3dE6gH9jK2mN5pQ8sT1vW4yZ7bC0fG3hJ6"
    at = data.draw(st.integers(0, len(context)))
    text = f"{context[:at]}{data.draw(st.sampled_from(ESCAPES))}{context[at:]}".replace("\0", secret)
    if secret in Plain(text).text and not _is_behind_a_letter(text, secret):
        assert secret not in SCANNER.text(text, [])


def _is_behind_a_letter(text: str, secret: str) -> bool:
    plain = Plain(text).text
    before = plain[plain.find(secret) - 1 : plain.find(secret)]
    return before.isascii() and before.isalpha()


@given(st.text(st.sampled_from("a%41\\nu0022x&quot;<\u200b\uff21\x1b[m ")))
def test_each_place_without_escapes_has_one_with_them(text: str) -> None:
    plain = Plain(text)
    places = [plain.place(at) for at in range(len(plain.text) + 1)]
    assert places == sorted(places)
    assert places[-1] <= len(text)
    if not plain.changed:
        assert plain.text == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a%40b", "a@b"),
        ("a%0Ab", "a\nb"),
        ("a\\nb", "a\nb"),
        ("a\\u0022b", 'a"b'),
        ("a\\x41b", "aAb"),
        ("a&lt;b&#34;", 'a<b"'),
        ("\x1b[31mred\x1b[0m", " red "),
        ("\\x1b[31mred", " red"),
        ("a\u200bb", "ab"),
        ("\uff21\uff22", "AB"),
        ("50% off", "50% off"),
        ("%2541", "%2541"),
    ],
)
def test_what_an_escape_stands_for(text: str, plain: str) -> None:
    assert Plain(text).text == plain
