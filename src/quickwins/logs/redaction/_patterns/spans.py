"""Where private things are in a text, what stands in their place, and how much may be done to find them."""

from __future__ import annotations

import re
from itertools import islice
from sys import maxsize
from typing import TYPE_CHECKING, TypeAlias

from quickwins.logs.redaction._rules import RedactionRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

Span: TypeAlias = tuple[int, int, RedactionRule]
"""Where something private begins and ends, and what it is. Plain: a named tuple takes five times as long to make."""

MARK = re.compile(r"\[(?:redacted(?::[a-z_]{1,16}(?::[0-9]{1,20})?)?|(?:email|phone):[0-9a-f]{16})\]")
"""What stands in the place of something private."""

MAX_HITS = 32
"""Private things of a text that are named; from the next one on the rest is left out whole. No rule looks for more."""

MOST_WORK = 285
"""What a text may cost, in steps of some three microseconds: for places that may be private and must be judged, and for what the passes
of the patterns over the text take. So no text of 4,096 characters takes more than a millisecond or little more."""

_MARGIN = 512
"""From what begins before the end of the part that is shown, as many characters tell what it is."""
_FOUND = 2
"""What it costs to put a mark in a place, in steps."""
_LOOK = 80
"""What another look takes at least."""
_LEAST_LENGTH, _LEAST_LEFT = 256, 24
"""Characters that are looked at again whatever the first look has cost, and what is left then."""
MOST_ESCAPES, _LEAST_ESCAPES = 1_024, 64
"""Escapes of a text that are undone, and those in a text that is looked at again; what stands behind is left out."""
ESCAPES = 6
"""So many are undone, and found again, in one step."""
_CUT_ROOM = 64
_WORD_LENGTH = 128
SAFE_CUT = ' \t\r\n"{}<>\u3000\u3001\u3002\u300c\u300d'
"""What nothing private goes on behind: white space, quotes, brackets; and since Chinese and Japanese have no spaces, their own space,
comma, full stop and quotes, but nothing that is an ASCII sign in full width."""
_TRAILING_NUMBER = re.compile(r"(?<![^\s\"{}<>])[0-9A-Z ()+./\u00a0\u202f\u2010\u2011\u2013-]{1,48}\Z")
"""Groups of a card, phone or bank account; the rest of it may have been behind the cut."""


def cut(text: str, length: int) -> int:
    """Where nothing private is cut in two, if no more than `length` characters are looked at and a mark must stand there too."""
    head = text[: length - _CUT_ROOM]
    end = 1 + max(head.rfind(stop) for stop in SAFE_CUT)
    number = _TRAILING_NUMBER.search(head, max(0, end - 48), end)
    return end if number is None else number.start()


def word_begins(text: str, end: int) -> int:
    """Where the word begins that `end` is in, if that isn't far; a mark that stands there has no neighbour to look at again."""
    return 1 + max(text.rfind(stop, max(0, end - _WORD_LENGTH), end) for stop in SAFE_CUT) or end


class Work:
    """What all rules together may do for one text. What begins at `end` or behind it is left out, looked at or not.

    Every rule asks before it judges a place, and goes through its places from left to right. When nothing is left, `end` moves
    to the place that couldn't be paid for: what stands before it has been judged by the rule, and the rules that follow stop
    there too, or earlier.

    Attributes:
        left: How much may still be done in this look.
        end: Where the part of the text ends that is shown at all.
        spare: What is kept for the looks that follow.
    """

    __slots__ = ("end", "left", "spare")

    def __init__(self) -> None:
        self.left = MOST_WORK
        self.end = maxsize
        self.spare = 0

    @property
    def is_spent(self) -> bool:
        """Whether nothing is left for another look at the text."""
        return self.left + self.spare < _LOOK

    def escapes(self) -> int:
        """How many escapes may be undone."""
        return max(_LEAST_ESCAPES, min(MOST_ESCAPES, self.left * ESCAPES // 2))

    def look(self, end: int, share: int = 0) -> None:
        """Begin a look at the text, of which the part before `end` counts; there is something left to do.

        A first look that could spend everything would leave the second one a few words, and what that doesn't reach is left out.

        Args:
            end: Where the part ends that is shown.
            share: The part that is kept for a look that follows: 5 for a fifth.
        """
        self.end = end
        left = self.left + self.spare
        self.spare = left // share if share else 0
        self.left = max(left - self.spare, _LEAST_LEFT)

    def afford(self, text: str, steps: int) -> str:
        """As much of `text` as the patterns may pass over, which take so many `steps` for 4,096 characters.

        That is what takes little more than half of what is left for this look, since what is found must be judged too.
        """
        if not steps:
            return text
        most = max(_LEAST_LENGTH, ((self.left * 9 >> 4) << 12) // steps)
        if len(text) > most:
            text = text[: cut(text, most)]
            self.end = min(self.end, len(text))
        self.left -= len(text) * steps >> 12
        return text

    def copy(self, end: int) -> Work:
        """The same for an excerpt of the text, of which the part before `end` counts."""
        inner = Work()
        inner.left, inner.end = self.left, end
        return inner

    def may(self, at: int, cost: int = 1) -> bool:
        """Whether what begins at `at` is to be judged; else a rule is done."""
        if at >= self.end:
            return False
        self.left -= cost
        if self.left >= 0:
            return True
        self.end = at
        return False

    def ahead(self, text: str) -> str:
        """`text` as far as something can begin in it, and the rest of that."""
        return text if self.end + _MARGIN >= len(text) else text[: self.end + _MARGIN]

    def some(self, found: Iterable[Span]) -> list[Span]:
        """What a rule finds, up to the first that is too many."""
        spans = list(islice(found, MAX_HITS + 1))
        if len(spans) > MAX_HITS:
            self.end = min(self.end, spans[MAX_HITS][0])
        self.left -= _FOUND * len(spans)
        return spans

    def matches(
        self, pattern: re.Pattern[str], text: str, start: int = 0, stop: int = maxsize, cost: int = 1
    ) -> Iterator[re.Match[str]]:
        """What `pattern` finds, as far as it is to be judged."""
        for found in pattern.finditer(text, start, stop):
            if not self.may(found.start(), cost):
                return
            yield found

    def near(
        self, pattern: re.Pattern[str], text: str, lower: str, words: tuple[str, ...], lead: int = 0
    ) -> Iterator[re.Match[str]]:
        """What `pattern` finds where one of `words` is: as it would be found in all of the text, without a pass over it.

        Args:
            pattern: What begins at most `lead` characters before a word; made by `led`.
            text: Where to look.
            lower: The same in lower case.
            words: In lower case.
            lead: How far before a word a match may begin.
        """
        for word in words:
            self.left -= len(text) >> 11
            done = 0
            at = lower.find(word)
            while at >= 0:
                start = max(done, at - lead)
                if not self.may(start):
                    return
                found = pattern.match(text, start)
                if found is not None:
                    yield found
                    done = found.end()
                at = lower.find(word, max(at + 1, done))


def led(pattern: str, lead: int = 0) -> re.Pattern[str]:
    """A pattern for `Work.near`: up to `lead` characters, then what is looked for in a group of its own."""
    return re.compile(rf"(?s:.{{0,{lead}}}?)(?:{pattern})" if lead else pattern)
