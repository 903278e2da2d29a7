"""Finds the other names that a file gives to something: `from a import b as c`, `import a as c`, `c = a.b`, `c = (b, d)`.

Found in the masked text, for names that are rare. Names bound in another file, or by a call, are not followed.
"""

from __future__ import annotations

import re

_USED = re.compile(r"\s+as\s+(\w+)|[ \t]*(?:[\n;,)\]}]|if\b|$)")
"""What follows a name: another name for it, or the end of a value."""

_IMPORTED = re.compile(r"[\w\s.,()\\]*")
_VALUE = re.compile(r"\s*[(\[]?\s*(?:[\w.]+\s*,\s*)*(?:\w+\s*\.\s*)*")
_NAME = re.compile(r"\s*\w+\s*")
_TARGET = re.compile(r"(\w+)\s*(?::[^=:\n]*)?:?\s*$")

# Bounds on how far one look goes, so that the cost of a file grows with its length only.
_MAX_ALIASES = 20
_MAX_STATEMENT = 200
_MAX_IMPORT = 2_000


class Aliases:
    """The aliases in one file."""

    def __init__(self, code: str) -> None:
        self._code = code
        self._known: dict[str, list[str]] = {}

    def of(self, name: str) -> list[str]:
        """The names that mean `name`: itself first, then its aliases and theirs."""
        if name not in self._known:
            found = self._known[name] = [name]
            for one in found:
                if len(found) < _MAX_ALIASES:
                    found += sorted(self._bound_to(one).difference(found))
        return self._known[name]

    def _bound_to(self, name: str) -> set[str]:
        code, found = self._code, set()
        at = code.find(name)  # several times faster than the search of `re`
        while at >= 0:
            end = at + len(name)
            used = _USED.match(code, end)
            if used is not None and not _is_word(code[at - 1 : at]):
                if used[1] is None:
                    found |= self._targets(at)
                elif self._is_imported(at):
                    found.add(used[1])
            at = code.find(name, end)
        return found

    def _is_imported(self, at: int) -> bool:
        start = self._code.rfind("import", max(0, at - _MAX_IMPORT), at)
        return start >= 0 and _IMPORTED.fullmatch(self._code, start, at) is not None

    def _targets(self, at: int) -> set[str]:
        """The names that the value at `at` is assigned to."""
        head, is_assigned, value = self._code[max(0, at - _MAX_STATEMENT) : at].rpartition("=")
        found: set[str] = set()
        pattern = _VALUE
        while is_assigned and pattern.fullmatch(value):
            target = _TARGET.search(head, head.rfind("\n") + 1)
            if target is None:
                break
            found.add(target[1])
            head, is_assigned, value = head.rpartition("=")
            pattern = _NAME  # `a = b = value`
        return found


def _is_word(character: str) -> bool:
    return character.isalnum() or character == "_"
