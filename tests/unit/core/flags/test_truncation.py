"""A file that was cut short is told from one that was edited, at every length it may be cut to."""

from __future__ import annotations

import tomllib

import pytest

from quickwins.core.flags.truncation import COMPLETE, Good, is_marked, suspicion

PLAIN = """service = "feed"
[backpressure]
enabled = true
threshold = 0.9
percent = 100
[backpressure.names.feed]
threshold = 0.95
"""
MARKED = f"{PLAIN}\n{COMPLETE}\n"


def whole(text: str) -> Good:
    return Good(text, tomllib.loads(text))


def judge(good: str, text: str) -> str | None:
    return suspicion(whole(good), text, tomllib.loads(text))


@pytest.mark.parametrize("good", [pytest.param(PLAIN, id="plain"), pytest.param(MARKED, id="marked")])
def test_no_cut_of_a_good_file_that_is_still_toml_and_says_less_goes_unnoticed(good: str) -> None:
    noticed = 0
    for length in range(len(good)):
        text = good[:length]
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            continue
        if is_marked(text):
            assert values == tomllib.loads(good)
            continue
        assert suspicion(whole(good), text, values) is not None, text
        noticed += 1
    assert noticed > 15


@pytest.mark.parametrize("new", [pytest.param(PLAIN, id="plain"), pytest.param(MARKED, id="marked")])
def test_no_half_written_successor_that_lacks_a_key_or_cuts_a_value_is_taken(new: str) -> None:
    new = new.replace("0.9\n", "0.7\n").replace("100", "50")
    for length in range(len(new)):
        text = new[:length]
        try:
            values = tomllib.loads(text)
        except tomllib.TOMLDecodeError:
            continue
        if suspicion(whole(PLAIN), text, values) is None:
            assert values == tomllib.loads(new), text


@pytest.mark.parametrize(
    ("good", "text", "suspect"),
    [
        pytest.param(PLAIN, PLAIN, False, id="the same"),
        pytest.param(PLAIN, PLAIN.replace("true", "false"), False, id="an edited value"),
        pytest.param(PLAIN, PLAIN + "[flags]\n", False, id="something added"),
        pytest.param(PLAIN, PLAIN.replace("percent = 100\n", ""), True, id="a key removed without the mark"),
        pytest.param(
            PLAIN, PLAIN.replace("percent = 100\n", "") + COMPLETE, False, id="a key removed with the mark"
        ),
        pytest.param(MARKED, MARKED.replace("percent = 100\n", ""), False, id="a key removed, the mark kept"),
        pytest.param(MARKED, PLAIN, True, id="the mark removed"),
        pytest.param(PLAIN, PLAIN.replace("0.95\n", "0.9"), True, id="no line break at the end"),
    ],
)
def test_edits_pass_and_losses_do_not(good: str, text: str, suspect: bool) -> None:
    assert (judge(good, text) is not None) == suspect
