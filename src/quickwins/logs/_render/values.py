"""Any value in a form for JSON: redacted, bounded, and never its `repr`.

`Walk` makes a copy of one line's fields. What it does not know becomes `<TypeName>`; depth, breadth and the total
number of values are limited, which also ends cycles; the line says what was left out.

The trap: values are other people's objects. `isinstance` asks them for their `__class__`, so types are looked at instead, and
of subclasses only the methods of the known class are called. A container is copied before anything else is done with it,
in one step of the interpreter, since another thread may change it. A value that breaks all the same is `<TypeName>`, too, and
the others stay.
"""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import fractions
import numbers
import pathlib
import re
import sys
import uuid
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from quickwins.logs.redaction._rules import RedactionRule
    from quickwins.logs.redaction._scan import Scanner

_T = TypeVar("_T")

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
        more = False
        if type(source) is dict and len(source) <= MAX_ITEMS < self._left:
            pairs = list(source.items())
        else:
            pairs, more = self._some(_ITEMS(source) if issubclass(type(source), dict) else source.items())
        self._left -= len(pairs)
        for key, value in pairs:
            if type(key) is str:
                name = key if key in clean else scanner.text(key, self.hits)
                sensitive = scanner.key(key)
            elif issubclass(type(key), str):
                key = str.__str__(key)  # noqa: PLW2901 -- the same key, without what its class does; until=never
                name, sensitive = scanner.text(key, self.hits), scanner.key(key)
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
        if more:
            copy[self._unused(copy, "...")] = f"{len(source) - len(pairs)} more"
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
        try:
            if depth < MAX_DEPTH and (kind is dict or kind is list or kind is tuple):
                return self.mapping(value, depth + 1) if kind is dict else self._items(value, depth + 1)
            return self._other(value, kind, depth)
        except Exception:  # noqa: BLE001 -- whatever a value's own code raises; until=never
            return _named(value)

    def filled(self, template: Any, args: Any) -> str:
        """`template` with `args` for its `%`, as far as they may be shown; never raises.

        What is hidden, and what is no number where one is asked for, is put in as text. Of a template that asks for more
        than there is, the rest stays as it is.

        Args:
            template: Usually a text.
            args: A tuple, or a mapping.
        """
        if type(template) is not str:
            template = str(self.value(template))
        text: str = template
        if not args:
            return text
        if type(args) is tuple and len(args) == 1 and issubclass(type(args[0]), dict) and args[0]:
            args = args[0]  # as `logging` does it
        named = issubclass(type(args), Mapping)
        if not named and type(args) is not tuple:
            args = (args,)
        shown: Any = self.mapping(args) if named else tuple([self.value(one) for one in args])
        try:
            return f"{text % shown}"
        except Exception:  # noqa: BLE001 -- templates that don't fit are common, and no reason to lose a line; until=never
            pieces = iter(() if named else zip(args, shown, strict=True))
            by_name = {name: (args.get(name), one) for name, one in shown.items()} if named else {}
            return _CONVERSION.sub(lambda found: _piece(found, pieces, by_name), text)

    def _items(self, source: Iterable[Any], depth: int) -> list[object]:
        copy: list[object] = []
        clean = self._scanner.clean
        more = False
        if type(source) is list and len(source) <= MAX_ITEMS < self._left:
            values = source[:]
        else:
            values, more = self._some(source)
        self._left -= len(values)
        for value in values:
            kind = type(value)
            if kind in PLAIN or (kind is str and value in clean):
                copy.append(value)
            elif kind is dict or kind is str or (pair := _pair_in(value, kind)) is None:
                copy.append(self.value(value, depth))
            else:
                copy.append(self._pair(pair))
        if more:
            copy.append("...")
        return copy

    def _some(self, items: Iterable[_T]) -> tuple[list[_T], bool]:
        """As many as there is room for, and whether there are more; taken in one step of the interpreter."""
        room = min(MAX_ITEMS, max(0, self._left))
        taken = list(islice(items, room + 1))
        return taken[:room], len(taken) > room

    def _pair(self, pair: list[Any]) -> list[object]:
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

    def _other(self, value: Any, kind: type, depth: int) -> object:
        for container in _CONTAINERS:
            if issubclass(kind, container):
                if depth >= MAX_DEPTH:
                    return _named(value)
                if container is dict:
                    return self.mapping(value, depth + 1)
                return self._items(container.__iter__(value), depth + 1)
        for known, make in _KNOWN:
            if issubclass(kind, known):
                return self._made(make(value), kind, depth)
        numpy: Any = sys.modules.get("numpy")
        if numpy is not None and issubclass(kind, numpy.generic):
            return self._made(value.item(), kind, depth)
        return _named(value)

    def _made(self, made: object, kind: type, depth: int) -> object:
        if type(made) is str:
            return self._scanner.text(made, self.hits)
        return f"<{type_name(kind)}>" if type(made) is kind else self.value(made, depth + 1)

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


def _pair_in(value: Any, kind: type) -> list[Any] | None:
    """A name and its value, if `value`, which is of that kind, is both."""
    for known in _SEQUENCES:
        if issubclass(kind, known):
            parts: list[Any] = list(islice(known.__iter__(value), 3))
            return parts if len(parts) == 2 and type(parts[0]) is str else None  # noqa: PLR2004 -- a pair; until=never
    return None


def type_name(kind: type) -> str:
    """The name of a class, which its metaclass isn't asked for."""
    return _name_of(kind)


def _named(value: object) -> str:
    return f"<{_name_of(type(value))}>"


_name_of: Callable[[type], str] = type.__dict__["__name__"].__get__

_CONVERSION = re.compile(
    r"%(?:\((?P<key>[^()]*)\))?(?P<form>[#0 +-]*(?P<width>\*)?[0-9]*(?:\.(?P<precision>\*)?[0-9]*)?)[hlL]?"
    r"(?P<kind>[diouxXeEfFgGcrsa%])"
)
"""After "printf-style String Formatting" in the standard library's reference."""


def _piece(found: re.Match[str], pieces: Any, named: Mapping[str, Any]) -> str:
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


_ITEMS: Any = dict.items
_SEQUENCES: tuple[Any, ...] = (tuple, list)
_CONTAINERS: tuple[Any, ...] = (dict, list, tuple, set, frozenset)
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
    ((bytes, bytearray, memoryview), lambda one: f"<{type_name(type(one))} {len(one)}>"),
    (complex, complex.__str__),
    (fractions.Fraction, fractions.Fraction.__str__),
    (numbers.Integral, int),
    (numbers.Real, float),
)
"""Types that are shown, and how: by methods of the standard library's classes alone, so that no `repr` of others runs. Other
numbers, such as numpy's, are asked for theirs."""
