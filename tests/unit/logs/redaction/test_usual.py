"""A secret that stands alone, or amid plain words, is found in one step: it must say what the rules would."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from quickwins.logs.redaction import Redaction, RedactionRule
from quickwins.logs.redaction._scan import Scanner

SCANNERS = [Scanner(Redaction.strict()), Scanner(Redaction.strict(pseudonym_key=b"0123456789abcdef"))]
WORDS = st.lists(
    st.one_of(
        st.sampled_from(
            [
                "it",
                "was",
                "sent",
                "To",
                "password",
                "Password",
                "is",
                "Bearer",
                "bearer",
                "Basic",
                "basic",
                "Token",
                "token",
                "OAuth",
                "Key",
                "Splunk",
                "secret",
                "A",
                "user",
                "pwd",
                "DE",
                "call",
                "Negotiate",
                "identified",
                "By",
                "passphrase",
                "AKIA",
                "eyJ",
                "Duplicate",
                "entry",
                "phone",
            ]
        ),
        st.text("abcXYZ", min_size=1, max_size=9),
    ),
    max_size=4,
)
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N"
DIGITS = st.text("0123456789", min_size=4, max_size=4)
PART = st.text("abcXYZ0189_-", min_size=8, max_size=24)
USUAL = st.one_of(
    st.builds(
        "{}@{}{}".format,
        st.one_of(st.sampled_from(["git", "worker1", "celery"]), st.text("abcXY019._+-", min_size=1, max_size=20)),
        st.text("abc-1", max_size=9),
        st.sampled_from([".example.com", "x.io", "openssh.com", ".service", ".a.internal"]),
    ),
    st.builds("eyJ{}.{}.{}".format, PART, PART, PART),
    st.builds("Bearer {}".format, st.text("abcXYZ0189", min_size=15, max_size=50)),
    st.builds(lambda gap, groups: gap.join(groups), st.sampled_from(" -"), st.tuples(DIGITS, DIGITS, DIGITS, DIGITS)),
    st.sampled_from(["4111 1111 1111 1111", "5500-0000-0000-0004", "bob@example.com", "4111 1111 1111 1111 123"]),
)  # fmt: skip


@given(WORDS, USUAL, WORDS, st.sampled_from(SCANNERS))
@example(["Sent", "Token"], JWT, [], SCANNERS[0])
@example(["basic"], JWT, ["again"], SCANNERS[0])
@example(["password"], JWT, ["is"], SCANNERS[0])
@example(["Bearer"], "bob.smith12345@example.com", [], SCANNERS[1])
def test_the_rules_say_the_same(before: list[str], secret: str, after: list[str], scanner: Scanner) -> None:
    text = " ".join([*before, secret, *after])
    hits: list[RedactionRule] = []
    others: list[RedactionRule] = []
    # A line's end is the border of every secret and part of none; with it the text is looked at rule by rule.
    assert scanner.text(text, hits) + "\n" == scanner.text(f"{text}\n", others)
    assert hits == others


@pytest.mark.parametrize(
    "name",
    [
        "celery@feed.example.com",
        "chacha@openssh.com",
        "postgres@db.example.com",
        "getty@tty.service",
        "git@github.com",
    ],
)
def test_an_address_of_no_person_stays_where_it_fills_the_field(name: str) -> None:
    assert SCANNERS[0].text(name, []) == name


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Sent a link to bob@example.com again", "Sent a link to [redacted:email] again"),
        ("card 4111 1111 1111 1111 was declined", "card [redacted:card] was declined"),
        ("it was Bearer 0123456789abcdef01234567 this time", "it was Bearer [redacted:bearer] this time"),
    ],
)
def test_the_words_around_it_stay(text: str, shown: str) -> None:
    assert SCANNERS[0].text(text, []) == shown
