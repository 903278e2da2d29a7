"""What a suppression hides, in a form that can be compared: `noqa:E402,F401`, `type:*`.

Before the colon stands whose directive it is, behind it what is hidden: sorted codes, or `*` for everything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

EVERYTHING = "*"
_BY_PREFIX = ("noqa", "ruff", "flake8")
"""Whose codes stand for all that begin with them: `E` hides `E501` too."""


def spelled(owner: str, names: Iterable[str] = ()) -> str:
    """The codes of a directive of `owner`; without names it hides everything."""
    return f"{owner}:{','.join(sorted({*names} - {''})) or EVERYTHING}"


def owner(codes: str) -> str:
    """Whose directive it is."""
    return codes.partition(":")[0]


def covers(known: str, found: str) -> bool:
    """Whether what `found` hides was hidden by `known` already: the same or less, by a directive of the same owner.

    A part behind `/` narrows a code: `DeprecationWarning` covers `DeprecationWarning/message`.
    """
    if known == found:
        return True
    whose, _, names = known.partition(":")
    other, _, others = found.partition(":")
    if whose != other:
        return False
    hidden = names.split(",")
    by_prefix = whose.startswith(_BY_PREFIX)
    return all(
        any(name in {one, EVERYTHING} or one.startswith(name if by_prefix else f"{name}/") for name in hidden)
        for one in others.split(",")
    )
