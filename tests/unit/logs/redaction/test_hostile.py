"""Texts that make patterns try in vain: each is looked at to its end, and in time, which the runner's limit for a test holds."""

from __future__ import annotations

from itertools import product

import pytest

from quickwins.logs.redaction import Redaction
from quickwins.logs.redaction._scan import MAX_LENGTH, Scanner
from tests.unit.logs.redaction.quality import measure

SCANNER = Scanner(Redaction.strict())
BEGINNINGS = (
    "token: ", "token=", "password: ", "Authorization: ", '"password": ', "session=", "--password ", "pin=", "/x?b=", "email: ",
    "name=token value=", "Key (token)=(", "<password>", "Bearer ", "PasswordHasher: ",
)  # fmt: skip
PIECES = (
    "a", "A", "aA", "Aa", "a1", "1", "1.", "a.", "a-", "a_", "-", "a/", "a:", "@", " a", "=", "[", "{", "(", "<", '"', "\\", "%41", "&lt;",
    "\u200b", "ab12", "HTTPServer", "a(", "00", "+1",
)  # fmt: skip


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_a_value_of_one_piece_without_end_is_looked_at(beginning: str) -> None:
    for piece, end in product(PIECES, ("", "!", "\n", "@h:80")):
        text = (beginning + piece * MAX_LENGTH)[: MAX_LENGTH - len(end)] + end
        assert len(SCANNER.text(text, [])) <= MAX_LENGTH


def test_the_packed_shapes_are_looked_at() -> None:
    for shape in measure.load("shapes"):
        first, *rest = [shape] if isinstance(shape, str) else shape
        for text in (first * MAX_LENGTH, first + "".join(rest) * MAX_LENGTH):
            assert len(SCANNER.text(text[:MAX_LENGTH], [])) <= MAX_LENGTH


@pytest.mark.parametrize("value", ["0" * 3_000, "yz" * 1_500, "\\" * 3_000, "a1" * 1_500])
@pytest.mark.parametrize(
    "form", ["feedctl --password {}", "password={}", "curl -u bot:{} x", "PASSWORD '{}'", "<token>{}</token>"]
)
def test_a_long_value_is_hidden_to_its_end(form: str, value: str) -> None:
    assert value[-100:] not in SCANNER.text(form.format(value), [])


@pytest.mark.parametrize("piece", ["v1-", "v12_", "a1.", "V1-", "aB1-", "Aa1_"])
@pytest.mark.parametrize("prefix", ["sk-", "secret_", "pk_", "xoxb-", "glpat-", "v4.local."])
def test_a_key_of_many_short_words_is_looked_at(prefix: str, piece: str) -> None:
    for end in ("", "~", "A1b2C3d4E5", "-"):
        text = f"{prefix}{piece * 60}{end}"
        assert len(SCANNER.text(text, [])) <= len(text)


@pytest.mark.parametrize("times", [1, 40])
def test_a_value_in_brackets_ends_where_they_are_closed(times: int) -> None:
    value = '{"a": [' + '{"]": ["}", 1]}, ' * times + "2]}"
    assert SCANNER.text(f"session={value} of bob", []) == "session=[redacted:pair] of bob"


def test_of_a_value_in_more_brackets_than_are_counted_all_goes() -> None:
    """Beyond it a name and its value would cost as much as all else together."""
    text = SCANNER.text("session={" + "{+{}{}" * 300 + "}" * 602 + " of bob", [])
    assert text == "session=[redacted:pair]"
