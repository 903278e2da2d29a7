"""Hundreds of made-up secrets, none of which may leave a trace, and thousands of clean texts that must stay as they are."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from quickwins.logs.redaction import Redaction, RedactionRule
from quickwins.logs.redaction._find import found
from quickwins.logs.redaction._scan import MAX_LENGTH, Scanner
from quickwins.logs.redaction._suspect import is_suspect
from tests.unit.logs.redaction.corpus import Secret, clean, secrets, traces

SECRETS = secrets()
RULES = sorted({one.rule for one in SECRETS})
STRICT = Redaction.strict()


@pytest.fixture(scope="module")
def scanner() -> Scanner:
    return Scanner(STRICT)


def test_the_corpus_is_no_smaller_than_it_claims() -> None:
    count = Counter(one.rule for one in SECRETS)
    assert sum(count.values()) >= 250
    assert set(count) == set(RedactionRule) - {
        RedactionRule.KEY,
        RedactionRule.TOO_LONG,
        RedactionRule.TOO_MANY,
    }
    assert min(count.values()) >= 25


@pytest.mark.parametrize("rule", RULES)
def test_no_trace_of_a_secret_is_left(rule: RedactionRule, scanner: Scanner) -> None:
    for one in (one for one in SECRETS if one.rule is rule):
        hits: list[RedactionRule] = []
        shown = scanner.text(one.text, hits)
        assert traces(one.secret, shown) == [], one
        assert one.rule in hits, one
        assert scanner.text(shown, []) == shown, one


@pytest.mark.parametrize("rule", RULES)
def test_without_its_rule_a_secret_would_leak(rule: RedactionRule) -> None:
    """The control: each rule is what finds its part of the corpus, and the test above would see it gone."""
    crippled = Scanner(replace(STRICT, rules=STRICT.rules - {rule}))
    part = [one for one in SECRETS if one.rule is rule]
    leaked = [one for one in part if traces(one.secret, crippled.text(one.text, []))]
    assert len(leaked) > len(part) / 2


def test_clean_texts_stay_as_they_are(scanner: Scanner) -> None:
    texts = clean(3_000)
    changed = [(text, shown) for text in texts if (shown := scanner.text(text, [])) is not text]
    assert len(set(texts)) >= 1_500
    assert len(changed) / len(texts) < 0.001, changed[:5]


def test_the_quick_look_lets_nothing_pass_that_the_close_look_finds(scanner: Scanner) -> None:
    for text in [*(one.text for one in SECRETS), *clean(3_000)]:
        assert is_suspect(text) or not found(text, scanner.namer)


@pytest.mark.parametrize("rule", RULES)
def test_a_secret_that_straddles_the_cut_leaves_no_trace(rule: RedactionRule, scanner: Scanner) -> None:
    for one in (one for one in SECRETS[::7] if one.rule is rule and not is_told_by_its_end(one)):
        for behind in range(0, len(one.text) + 1, 3):
            text = "lorem " * 700
            text = f"{text[: MAX_LENGTH - 64 - behind - 1]} {one.text} {'dolor ' * 50}"
            shown = scanner.text(text, [])
            assert traces(one.secret, shown) == [], (one, behind)
            assert len(shown) <= MAX_LENGTH


def is_told_by_its_end(one: Secret) -> bool:
    """Whether what says that it is a secret comes after it, and so behind the cut."""
    return "-----END" in one.text and "-----BEGIN" not in one.text


def test_secrets_in_one_text_go_together(scanner: Scanner) -> None:
    for at in range(0, len(SECRETS) - 5, 5):
        some = SECRETS[at : at + 5]
        shown = scanner.text(" | ".join(one.text for one in some), [])
        for one in some:
            assert traces(one.secret, shown) == []


@pytest.mark.parametrize(
    ("text", "shown", "rule"),
    [
        pytest.param("somebody@example.com", "[redacted:email]", RedactionRule.EMAIL, id="an address"),
        pytest.param("4111 1111 1111 1111", "[redacted:card]", RedactionRule.CARD, id="a card"),
        pytest.param("4111-1111-1111-1111", "[redacted:card]", RedactionRule.CARD, id="a card with hyphens"),
        pytest.param(
            "Bearer abcdefghij1234567890",
            "Bearer [redacted:bearer]",
            RedactionRule.BEARER,
            id="an authorization",
        ),
    ],
)
def test_what_is_all_that_a_field_holds_is_seen_as_in_any_text(
    text: str, shown: str, rule: RedactionRule
) -> None:
    scanner = Scanner(Redaction.strict())
    for before, after in (("", ""), ("it was ", " again")):
        hits: list[RedactionRule] = []
        assert scanner.text(f"{before}{text}{after}", hits) == f"{before}{shown}{after}"
        assert hits == [rule]


@pytest.mark.parametrize("text", ["4111 1111 1111 1112", "git@example.com", "logo@2x.png"])
def test_what_only_looks_like_it_is_shown(text: str) -> None:
    assert Scanner(Redaction.strict()).text(text, []) is text
