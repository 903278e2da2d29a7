"""Any value in a form for JSON: redacted, bounded, and never its `repr`.

`Walk` makes a copy of one line's fields. What it does not know becomes `<TypeName>`; depth, breadth and the total
number of values are limited, which also ends cycles; the line says what was left out.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import pathlib
import re
import uuid
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from quickwins.logs.redaction._rules import RedactionRule
    from quickwins.logs.redaction._scan import Scanner

MAX_DEPTH = 8
MAX_ITEMS = 100
"""How many items of one container are kept."""
MAX_VALUES = 1_000
"""How many values a line holds, nested ones included."""

PLAIN = frozenset({bool, float, type(None)})
"""Types whose values hold nothing to redact, and which JSON knows."""

LARGEST_PLAIN_INTEGER = 10**11
"""Integers up to here are shorter than any card number, and fit into 64 bits."""
_SIGNED, _UNSIGNED = -(1 << 63), 1 << 64

UNSAFE = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ud800-\udfff\ufeff\ufff9-\ufffb]"
)
"""Characters that end a line for some splitter, move a cursor, change the direction of writing, or cannot be
encoded."""


class Walk:
    """A copy of one line's fields. For one line, by one thread.

    Attributes:
        hits: The rules that replaced something, one entry each time.
    """

    __slots__ = ("_left", "_scanner", "hits")

    def __init__(self, scanner: Scanner, hits: list[RedactionRule] | None = None) -> None:
        self._scanner = scanner
        self._left = MAX_VALUES
        self.hits: list[RedactionRule] = [] if hits is None else hits

    def mapping(self, source: Mapping[Any, Any], depth: int = 0) -> dict[str, object]:
        """A copy of `source`; its keys are scanned like values, and values under sensitive keys are not shown."""
        copy: dict[str, object] = {}
        scanner = self._scanner
        clean = scanner.clean
        for place, (key, value) in enumerate(source.items()):
            if place >= MAX_ITEMS or self._left <= 0:
                copy[self._unused(copy, "...")] = f"{len(source) - place} more"
                break
            self._left -= 1
            if type(key) is str:
                name = key if key in clean else scanner.text(key, self.hits)
                sensitive = scanner.key(key)
            else:
                name, sensitive = self._key(key), False
            if name in copy:  # two keys look alike once they are redacted
                name = self._unused(copy, name)
            if sensitive and value is not None and type(value) is not bool:
                copy[name] = scanner.hidden(key, value, self.hits)
                continue
            kind = type(value)
            if kind is str:
                copy[name] = value if value in clean else scanner.text(value, self.hits)
            elif kind in PLAIN:
                copy[name] = value
            else:
                copy[name] = self.value(value, depth)
        return copy

    def value(self, value: Any, depth: int = 0) -> object:
        """A copy of `value`; `<TypeName>` for what is not known, and for containers deeper than `MAX_DEPTH`."""
        kind = type(value)
        if kind is str:
            return value if value in self._scanner.clean else self._scanner.text(value, self.hits)
        if kind in PLAIN:
            return value
        if kind is int:
            return self._integer(value)
        if kind is dict or kind is list or kind is tuple:
            if depth >= MAX_DEPTH:
                return _named(value)
            return self.mapping(value, depth + 1) if kind is dict else self._items(value, depth + 1)
        return self._other(value, depth)

    def _items(self, source: Iterable[Any], depth: int) -> list[object]:
        copy: list[object] = []
        for value in source:
            if len(copy) >= MAX_ITEMS or self._left <= 0:
                copy.append("...")
                break
            self._left -= 1
            copy.append(self._pair(value) if _is_pair(value) else self.value(value, depth))
        return copy

    def _pair(self, pair: tuple[str, Any] | list[Any]) -> list[object]:
        """One of a list of names and values, such as headers: a mapping in another form."""
        return [part for item in self.mapping({pair[0]: pair[1]}, MAX_DEPTH - 1).items() for part in item]

    def _integer(self, value: int) -> object:
        if -LARGEST_PLAIN_INTEGER < value < LARGEST_PLAIN_INTEGER:
            return value
        if not _SIGNED <= value < _UNSIGNED:
            # Beyond 64 bits readers lose digits, so it is text; bounded, because making the digits takes quadratic
            # time.
            return self._scanner.text(str(value), self.hits) if value.bit_length() <= 512 else "<int>"  # noqa: PLR2004 -- any bound will do; until=never
        return self._scanner.number(value, self.hits)

    def _other(self, value: Any, depth: int) -> object:
        for known, make in _KNOWN:
            if isinstance(value, known):
                made = make(value)
                return (
                    self._scanner.text(made, self.hits) if type(made) is str else self.value(made, depth + 1)
                )
        if isinstance(value, (dict, list, tuple, set, frozenset)) and depth < MAX_DEPTH:
            return (
                self.mapping(value, depth + 1) if isinstance(value, dict) else self._items(value, depth + 1)
            )
        return _named(value)

    def _key(self, key: object) -> str:
        made = self.value(key, MAX_DEPTH)
        return (
            made
            if type(made) is str
            else str(made)
            if type(made) in PLAIN or type(made) is int
            else _named(key)
        )

    @staticmethod
    def _unused(copy: dict[str, object], name: str) -> str:
        number = 2
        while (made := f"{name}#{number}" if name != "..." or number > 2 else name) in copy:  # noqa: PLR2004 -- the second of that name; until=never
            number += 1
        return made


def _is_pair(value: object) -> bool:
    if not isinstance(value, (tuple, list)) or len(value) != 2:  # noqa: PLR2004 -- a pair; until=never
        return False
    return type(value[0]) is str


def _named(value: object) -> str:
    return f"<{type(value).__name__}>"


_KNOWN: tuple[tuple[type | tuple[type, ...], Callable[[Any], object]], ...] = (
    (enum.Enum, lambda one: one.value if type(one.value) in {str, int, bool} else one.name),
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (dt.datetime, dt.datetime.isoformat),
    (dt.date, dt.date.isoformat),
    (dt.time, dt.time.isoformat),
    (dt.timedelta, dt.timedelta.total_seconds),
    (uuid.UUID, uuid.UUID.__str__),
    (decimal.Decimal, decimal.Decimal.__str__),
    (pathlib.PurePath, pathlib.PurePath.__str__),
    ((bytes, bytearray, memoryview), lambda one: f"<{type(one).__name__} {len(one)}>"),
)
"""Types that are shown, and how: by methods of the standard library's classes alone, so that no `repr` of others runs."""
