"""Each row of the table of issuers: its example is found wherever a text has it, and its prefix alone is a word."""

from __future__ import annotations

import pytest

from quickwins.logs.redaction import Redaction
from quickwins.logs.redaction._patterns.issuers import ALPHABETS, ISSUERS, Issuer
from quickwins.logs.redaction._scan import Scanner

SCANNER = Scanner(Redaction.strict())


@pytest.mark.parametrize("issuer", ISSUERS, ids=lambda one: one.name)
def test_the_example_is_found(issuer: Issuer) -> None:
    for prefix in issuer.prefixes:
        for before, after in (
            ("", ""),
            ("call with ", " failed"),
            ('{"v": "', '"}'),
            ("https://api.example/v1/", "/items"),
            ("x\\n", ""),
        ):
            shown = SCANNER.text(f"{before}{prefix}{issuer.example}{after}", [])
            assert issuer.example not in shown, (prefix, shown)


@pytest.mark.parametrize("issuer", ISSUERS, ids=lambda one: one.name)
def test_the_example_has_the_length_of_the_row(issuer: Issuer) -> None:
    assert issuer.least <= len(issuer.example)
    assert issuer.most is None or len(issuer.example) <= issuer.most
    assert issuer.alphabet in ALPHABETS.values()
    assert issuer.source


@pytest.mark.parametrize(
    "text", ["{}", "call with {} failed", '{{"v": "{}"}}', "id={},", "aws/{}/s3", "x {} y {}"]
)
@pytest.mark.parametrize("key", ["AKIA" + "GHUKPJDKUOQRTONH", "ASIA" + "QWLZKVXPEJTRHMBY"])
def test_an_aws_key_may_have_no_digit(text: str, key: str) -> None:
    shown = SCANNER.text(text.format(key, key), [])
    assert key not in shown
    assert "[redacted:api_key]" in shown


@pytest.mark.parametrize("text", ["ASIAPACIFIC", "xAKIA" + "GHUKPJDKUOQRTONH", "AKIA" + "GHUKPJDKUOQRTONHX"])
def test_capitals_that_begin_as_one_and_are_none_stay(text: str) -> None:
    assert SCANNER.text(text, []) is text


def test_a_prefix_alone_is_no_key() -> None:
    for issuer in ISSUERS:
        for prefix in issuer.prefixes:
            text = f"the value must begin with {prefix} and no space"
            assert SCANNER.text(text, []) is text


def test_nobody_is_there_twice() -> None:
    prefixes = [prefix for issuer in ISSUERS for prefix in issuer.prefixes]
    assert len(prefixes) == len(set(prefixes))
    assert len(prefixes) > 250
