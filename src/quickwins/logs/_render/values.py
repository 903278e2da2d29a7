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
from urllib.parse import urlunsplit

from quickwins.logs._render.labels import FLAT, beside, fields_of
from quickwins.logs._render.template import CONVERSION, piece
from quickwins.logs.redaction._labels import BESIDE, LABELS, LONGEST_NAME
from quickwins.logs.redaction._names import Kind
from quickwins.logs.redaction._patterns.spans import MARK
from quickwins.logs.redaction._patterns.values import could_be
from quickwins.logs.redaction._scan import MAX_LENGTH

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

LONG = 128
MAX_CHARACTERS = 32_768
"""Characters of a line's longer texts that are looked at: twice as many as a line holds. What comes then would be left out of
it, so no time is spent on it."""
MAX_KEY_BYTES = 64
LARGEST_CARD = 1e16
"""Beyond it a float is not exact."""
LARGEST_PLAIN_INTEGER = 10**11
"""Integers up to here are shorter than any card number, and fit into 64 bits."""
_LEAST = -LARGEST_PLAIN_INTEGER
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
        unread: How many texts were not looked at, since the line had enough already.
    """

    __slots__ = ("_left", "_room", "_scanner", "hits", "unread")

    def __init__(self, scanner: Scanner, hits: list[RedactionRule] | None = None) -> None:
        self._scanner = scanner
        self._left = MAX_VALUES
        self._room = MAX_CHARACTERS
        self.unread = 0
        self.hits: list[RedactionRule] = [] if hits is None else hits

    def mapping(  # noqa: C901, PLR0912 -- one loop with few calls: every nested value passes here; until=never
        self, source: Mapping[Any, Any], depth: int = 0
    ) -> dict[str, object]:
        """A copy of `source`; its keys are scanned like values, and values under sensitive keys are not shown."""
        copy: dict[str, object] = {}
        scanner = self._scanner
        clean, kinds = scanner.clean, scanner.kinds
        more = False
        if type(source) is dict and len(source) <= MAX_ITEMS < self._left:
            pairs = list(source.items())
        else:
            pairs, more = self._some(_ITEMS(source) if issubclass(type(source), dict) else source.items())
        self._left -= len(pairs)
        for key, value in pairs:
            if type(key) is str:
                name = key if key in clean else scanner.text(key, self.hits)
            else:
                key, name = self._key(key)  # noqa: PLW2901 -- the same key, without what its class does; until=never
            sensitive = kinds.get(key)
            if sensitive is None:
                sensitive = scanner.key(key)
            if name in copy:  # two keys look alike once they are redacted
                name = self._unused(copy, name)
            if sensitive and value is not None and not scanner.is_fact(sensitive, value):
                copy[name] = scanner.hidden(key, value, self.hits)
                continue
            kind = type(value)
            if kind is str:
                copy[name] = value if value in clean else self._text(value)
            elif kind in PLAIN and kind is not float:
                copy[name] = value
            else:
                copy[name] = self.value(value, depth)
        if more:
            copy[self._unused(copy, "...")] = f"{len(source) - len(pairs)} more"
        if not LABELS.isdisjoint(copy) and not BESIDE.isdisjoint(copy):
            self._hide_beside(copy)
        return copy

    def _text(self, value: str) -> str:
        """`value` without what is private in it; only its length once the line has had more text than it can hold."""
        if len(value) > LONG:
            self._room -= min(len(value), MAX_LENGTH)
            if self._room < 0:
                self.unread += 1
                return f"<{len(value)} characters>"
        return self._scanner.text(value, self.hits)

    def _hide_beside(self, copy: dict[str, object]) -> None:
        """Hide what another value in `copy` says is private."""
        scanner = self._scanner
        for name, called in [*beside(copy, scanner.key)]:
            value = copy[name]
            if value is None or scanner.is_fact(scanner.key(called), value) or is_mark(value):
                continue
            copy[name] = scanner.hidden(called, value, self.hits)

    def value(self, value: Any, depth: int = 0) -> object:
        """A copy of `value`; `<TypeName>` for what is not known, and for containers deeper than `MAX_DEPTH`."""
        kind = type(value)
        if kind is str:
            return value if value in self._scanner.clean else self._text(value)
        if kind is int or kind in PLAIN:
            if kind is not float and (kind is not int or _LEAST < value < LARGEST_PLAIN_INTEGER):
                return value
            return self._integer(value) if kind is int else self._float(value)
        try:
            if (kind is dict or kind is list) and depth < MAX_DEPTH:
                return self.mapping(value, depth + 1) if kind is dict else self._items(value, depth + 1)
            return self._other(value, kind, depth)
        except Exception:  # noqa: BLE001 -- whatever a value's own code raises; until=never
            return _named(value)

    def filled(self, template: Any, args: Any) -> str:
        """`template` with `args` for its `%`, as far as they may be shown; never raises.

        What is hidden, and what is no number where one is asked for, is put in as text. Of a template that asks for more
        than there is, the rest stays as it is; what it does not ask for stands behind it.

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
            made = CONVERSION.sub(lambda found: piece(found, pieces, by_name), text)
            return " ".join([made, *(str(one) for _, one in pieces)])

    def _items(self, source: Iterable[Any], depth: int) -> list[object]:
        copy: list[object] = []
        clean = self._scanner.clean
        more = False
        if type(source) is list and len(source) <= MAX_ITEMS < self._left:
            values = source[:]
        else:
            values, more = self._some(source)
        self._left -= len(values)
        before: str | None = None
        for value in values:
            kind = type(value)
            if before is not None and kind is str and self._is_named(before, value):
                copy.append(self._scanner.hidden(before, value, self.hits))
                before = None
                continue
            before = value if kind is str and (value in FLAT or value[:1] == "-") else None
            if kind is not float and (kind in PLAIN or (kind is str and value in clean)):
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

    def _is_single(self, pair: list[Any]) -> bool:
        """Whether a tuple of two, which is in no list of them, is a private name and its value, and not two names."""
        return bool(self._scanner.key(pair[0])) and not (type(pair[1]) is str and self._scanner.key(pair[1]))

    def _is_named(self, before: str, value: str) -> bool:
        """Whether `before`, an option or a header in a flat list, is the private name of `value`, which comes next."""
        option = before[:1] == "-"
        if option and value[:1] == "-":
            return False
        kind = self._scanner.key(before[:LONGEST_NAME].lstrip("-"))
        return bool(kind) and (option or could_be(kind, value) or kind is Kind.LINE)

    def _float(self, value: float) -> object:
        """`value`, unless it is whole and could be the number of a card."""
        if not LARGEST_PLAIN_INTEGER <= abs(value) < LARGEST_CARD or not value.is_integer():
            return value
        return (
            value
            if self._scanner.number(int(value), []) == int(value)
            else self._scanner.number(int(value), self.hits)
        )

    def _integer(self, value: int) -> object:
        if not _SIGNED <= value < _UNSIGNED:
            # Beyond 64 bits readers lose digits, so it is text; bounded, because making the digits takes quadratic
            # time.
            return self._scanner.text(str(value), self.hits) if value.bit_length() <= 512 else "<int>"  # noqa: PLR2004 -- any bound will do; until=never
        return self._scanner.number(value, self.hits)

    def _other(self, value: Any, kind: type, depth: int) -> object:
        for container in _CONTAINERS:
            if issubclass(kind, container):
                return self._contained(value, kind, container, depth)
        for known, make in _KNOWN:
            if issubclass(kind, known):
                return self._made(make(value), kind, depth)
        numpy: Any = sys.modules.get("numpy")
        if numpy is not None and issubclass(kind, numpy.generic):
            return self._made(value.item(), kind, depth)
        return _named(value)

    def _contained(self, value: Any, kind: type, container: Any, depth: int) -> object:
        if depth >= MAX_DEPTH:
            return _named(value)
        if container is dict:
            return self.mapping(value, depth + 1)
        if container is tuple and (names := fields_of(kind)) is not None:
            return self._named_tuple(names, tuple.__iter__(value), depth + 1)
        if kind is tuple and (pair := _pair_in(value, kind)) is not None and self._is_single(pair):
            return self._pair(pair)
        return self._items(container.__iter__(value), depth + 1)

    def _named_tuple(self, names: tuple[str, ...], values: Iterable[object], depth: int) -> object:
        """By the names of its fields; what `urlsplit` returns, as the URL that it is of."""
        fields = dict(zip(names, values, strict=False))
        if names[:2] == ("scheme", "netloc") and all(type(one) is str for one in fields.values()):
            parts = [str(fields.get(name, "")) for name in ("scheme", "netloc", "path", "query", "fragment")]
            return self._scanner.text(urlunsplit(parts), self.hits)
        return self.mapping(fields, depth)

    def _made(self, made: object, kind: type, depth: int) -> object:
        if type(made) is str:
            return self._text(made)
        return f"<{type_name(kind)}>" if type(made) is kind else self.value(made, depth + 1)

    def _key(self, key: object) -> tuple[str, str]:
        """What a key that is no plain text says as a name, and what is shown of it."""
        called = name_in(key)
        if issubclass(type(key), str):
            return called or "", self._scanner.text(called or "", self.hits)
        made = self.value(key, MAX_DEPTH)
        shown = (
            made
            if type(made) is str
            else str(made)
            if type(made) in PLAIN or type(made) is int
            else _named(key)
        )
        return shown if called is None else called, shown

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
            return parts if len(parts) == 2 and name_in(parts[0]) is not None else None  # noqa: PLR2004 -- a pair; until=never
    return None


def name_in(key: Any) -> str | None:
    """The text of `key`, if it may be a name: a text, bytes, a member of an enumeration."""
    kind = type(key)
    if kind is str:
        return key  # type: ignore[no-any-return]  # -- a str, as just seen; until=never
    if issubclass(kind, str):
        return str.__str__(key)
    if issubclass(kind, bytes):
        return bytes.decode(key[:MAX_KEY_BYTES], "ascii", "replace")
    if issubclass(kind, enum.Enum):
        return key.value if type(key.value) is str else key.name
    return None


def is_mark(value: object) -> bool:
    """Whether `value` is hidden already."""
    return type(value) is str and MARK.fullmatch(value) is not None


def type_name(kind: type) -> str:
    """The name of a class, which its metaclass isn't asked for."""
    return _name_of(kind)


def _named(value: object) -> str:
    return f"<{_name_of(type(value))}>"


_name_of: Callable[[type], str] = type.__dict__["__name__"].__get__


def _moment(text: str) -> str:
    """`text`, unless it is the beginning of time: what derives from `datetime` and is none, such as pandas' `NaT`, says that."""
    if text.startswith("0001-01-01"):
        raise ValueError(text)
    return text


_ITEMS: Any = dict.items
_SEQUENCES: tuple[Any, ...] = (tuple, list)
_CONTAINERS: tuple[Any, ...] = (dict, list, tuple, set, frozenset)
_KNOWN: tuple[tuple[type | tuple[type, ...], Callable[[Any], object]], ...] = (
    (enum.Enum, lambda one: one.value if type(one.value) in {str, int, bool} else one.name),
    (str, str.__str__),
    (int, int.__int__),
    (float, float.__float__),
    (dt.datetime, lambda one: _moment(dt.datetime.isoformat(one))),
    (dt.date, lambda one: _moment(dt.date.isoformat(one))),
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
