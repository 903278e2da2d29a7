"""How much two statements have in common."""

from __future__ import annotations

import re
from collections import Counter

_WORD = re.compile(r"\w+")
_IMPORT = re.compile(r"(?:from (?P<module>[\w. ]+) )?import (?P<names>.*)")
_EMPTY = (" . . .", " pass")


def similarity(ours: str, theirs: str) -> float:
    """From 0, nothing, to 1: the same words, in any order.

    What a formatter joins or splits at a colon counts as the same. In imports only the names count, since those are
    what is hidden.
    """
    if ours == theirs:
        return 1.0
    longer, shorter = sorted((ours, theirs), key=len, reverse=True)
    if longer.endswith(f": {shorter}") or longer.removeprefix(shorter) in _EMPTY:
        return 1.0
    mine, other = _IMPORT.match(ours), _IMPORT.match(theirs)
    if mine and other:
        first, second = (set(one["names"].split()) - {"as", "."} for one in (mine, other))
        common = len(first & second)
        # Imports of one module are joined and split when they are sorted.
        of = (
            min(len(first), len(second))
            if mine["module"] == other["module"]
            else (len(first) + len(second)) / 2
        )
        return common / of if common else 0.0
    if mine or other:
        return 0.0
    words = [Counter(_WORD.findall(one.lower())) for one in (ours, theirs)]
    total = words[0].total() + words[1].total()
    return 2 * (words[0] & words[1]).total() / total if total else 0.0
