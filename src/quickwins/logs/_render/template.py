"""What stands for a conversion of a `%` template whose arguments do not fit. Pure."""

from __future__ import annotations

import decimal
import fractions
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

CONVERSION = re.compile(
    r"%(?:\((?P<key>[^()]*)\))?(?P<form>[#0 +-]*(?P<width>\*)?[0-9]*(?:\.(?P<precision>\*)?[0-9]*)?)[hlL]?"
    r"(?P<kind>[diouxXeEfFgGcrsa%])"
)
"""After "printf-style String Formatting" in the standard library's reference."""


def piece(found: re.Match[str], pieces: Any, named: Mapping[str, Any]) -> str:
    """What stands for one conversion of a template."""
    kind, form = found["kind"], found["form"]
    if kind == "%":
        return "%"
    if found["key"] is not None:
        value, shown = named.get(found["key"], (None, found[0]))
    else:
        stars = [next(pieces, (0, 0))[1] for star in (found["width"], found["precision"]) if star]
        for star in stars:
            form = form.replace("*", str(star) if type(star) is int else "", 1)
        value, shown = next(pieces, (found[0], found[0]))
    try:
        return str(f"%{form}{kind}" % (shown if kind in "sra" else _number(value, shown),))
    except Exception:  # noqa: BLE001 -- it is no number, or the number's class raises; until=never
        return str(shown)


def _number(value: Any, shown: object) -> object:
    """The number that `shown` is the text of."""
    for kind in (decimal.Decimal, fractions.Fraction):
        if issubclass(type(value), kind) and str(kind(value)) == shown:
            return kind(value)
    return shown
