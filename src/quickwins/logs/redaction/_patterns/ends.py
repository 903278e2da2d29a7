"""Where a value inside of a text ends: at its quote, its bracket, its line, or with its word. Pure."""

from __future__ import annotations

import re

from quickwins.logs.redaction._patterns.spans import MARK

WORD = re.compile(r'[^\s"]+')
_STOPS = frozenset("\n\r\"'")
_INSIDE = {quote: re.compile(rf"(?:[^{quote}\\]++|\\.)*+", re.DOTALL) for quote in "\"'`"}
_BRACKETS = re.compile(r"""(?:[^\[\]{}"]++|"(?:[^"\\]++|\\.)*+"?)*+([\[{]++|[\]}]++)""", re.DOTALL)
"""Those that follow, all that open or all that close, behind what has none or has them in quotes."""
_MOST_BRACKETS = 256


def quote_end(text: str, opened: re.Match[str]) -> int:
    """Where what is between quotes ends; the end of the text when nothing closes them."""
    start, quote = opened.end(), opened[2]
    if opened[1] or quote == '"""':  # JSON inside of JSON: it ends at the next quote that is as deep
        end = text.find(opened[1] + quote, start)
        return len(text) if end < 0 else end
    inside = _INSIDE[quote].match(text, start)
    return len(text) if inside is None else inside.end()


def line_end(text: str, at: int, quote: str) -> int:
    """Where the line ends, or the string that began right before the name."""
    ends = [
        end for stop in ("\n", "\r", quote) if stop in _STOPS and (end := _unescaped(text, stop, at)) >= 0
    ]
    return min(ends, default=len(text))


def _unescaped(text: str, stop: str, at: int) -> int:
    """Where `stop` comes next without a backslash before it; -1 where it doesn't."""
    end = text.find(stop, at)
    while end > 0 and text[end - 1] == "\\" and stop not in "\r\n":
        end = text.find(stop, end + 1)
    return end


def word_end(text: str, at: int) -> int:
    """Where the word at `at` ends, marks included, without what closes a list or a sentence."""
    word = WORD.match(text, at)
    if word is None:
        return at
    end = at + max(1, len(word[0].rstrip(",;)]}")))
    if text[end : end + 1] == "]":  # of a mark?
        opened = text.rfind("[", at, end)
        mark = None if opened < 0 else MARK.match(text, opened)
        return end if mark is None else max(end, mark.end())
    return end


def closed(text: str, at: int) -> int:
    """Where the bracket at `at` is closed; the end of the text when nothing closes it, or too many stand between."""
    depth = 0
    end = at
    for _ in range(_MOST_BRACKETS):
        found = _BRACKETS.match(text, end)  # searching, it would try in vain again behind each character
        if found is None:
            break
        start, end = found.span(1)
        if text[start] in "[{":
            depth += end - start
        elif depth <= end - start:
            return start + depth
        else:
            depth -= end - start
    return len(text)
