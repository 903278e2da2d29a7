"""Names that are values, inside of a text: `{"name": "DB_PASSWORD", "value": …}`, `<input name="password" value=…>`. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from quickwins.logs.redaction._labels import LABELS
from quickwins.logs.redaction._names import Kind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_NAME = re.compile(r"""\\{0,4}["'`]?([\w.\[\]-]{2,100})""")
_NAMES = re.compile(r"""[\[(]([^\])\n]{0,200})[\])]""")
_STRING = re.compile(r"""["']([^"'\\]{1,100})\\{0,4}["']""")
_APART = re.compile(r"[{}<>]|\n[ \t]*\n|\n[ ]*-[ ]")
"""What ends an object, an element, a paragraph, an item of a list."""
_NEAR = 256


class Labels:
    """Hears the names of a text one after the other, and tells where the value of a private one is. For one text."""

    __slots__ = ("_kind", "_label", "_private", "_value")

    def __init__(self, private: Callable[[str], Kind]) -> None:
        self._private = private
        self._label = 0
        self._kind = Kind.NONE
        self._value: re.Match[str] | None = None

    def hear(self, text: str, found: re.Match[str]) -> Iterator[tuple[re.Match[str], Kind]]:
        """The name whose value must be hidden, and of what kind it is: the one heard now, or the last one before it.

        Args:
            text: All of it.
            found: A name and its separator; the name is a label or stands beside one.
        """
        name = found[1]
        if name in LABELS or name == "type":
            kind = self._called(text, found)
            if not kind:
                return
            if self._value is not None and _is_near(text, self._value.end(), found.start()):
                yield self._value, kind
                self._value = None
                return
            self._label, self._kind = found.end(), kind
        elif self._kind and _is_near(text, self._label, found.start()):
            yield found, self._kind
            self._kind = Kind.NONE
        else:
            self._value = found

    def waits_at(self, end: int) -> int:
        """Where the name begins whose label may stand at `end` or behind it; `end` itself where there is none."""
        value = self._value
        return end if value is None or end - value.end() > _NEAR else value.start()

    def _called(self, text: str, found: re.Match[str]) -> Kind:
        """What the value of a label says that another value is."""
        several = _NAMES.match(text, found.end())
        if several is not None:
            kinds = [kind for one in _STRING.findall(several[1]) if (kind := self._private(one))]
            return Kind.SECRET if kinds else Kind.NONE
        one = _NAME.match(text, found.end())
        if one is None or (found[1] == "type" and one[1].lower() != "password"):
            return Kind.NONE
        return self._private(one[1])


def _is_near(text: str, at: int, other: int) -> bool:
    return other - at <= _NEAR and _APART.search(text, at, other) is None
