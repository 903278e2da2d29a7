"""What a configuration kills, whatever else is wrong with it: a kill needs nothing but itself.

The rule: `killed = true` below `[feature]`, in any spelling; `Killed: "yes"` means it too. In a text that is not TOML it is looked
for line by line, because the typo that keeps it from being read is most likely in the line beside it. The trap: such a line
inside a string of several lines, of a text that is not TOML, kills too. Turning off is safe, so that is the side to err on.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import TypeAdapter, ValidationError

_BOOL: TypeAdapter[bool] = TypeAdapter(bool)
_QUOTED = r"""\s*["']?{}["']?\s*"""
_KILLED = _QUOTED.format("killed") + r"[=:]\s*(?P<value>[^#,}]*)"
_SECTION = _QUOTED.format(r"(?P<section>[\w-]+)")
_HEADER = re.compile(r"\s*\[+\s*(?P<name>[^\]#]*)")
_ALONE = re.compile(_KILLED, re.IGNORECASE)
_BELOW = re.compile(rf"{_SECTION}(?:\.|[=:]\s*\{{(?:.*[,\s])?){_KILLED}", re.IGNORECASE)
"""`feature.killed = true`, and `feature = {killed = true}`."""
_LINE_END = re.compile(r"\r\n?|\n")


def killed_in(values: Mapping[str, Any]) -> frozenset[str]:
    """The features that a layer's `values` kill, valid or not."""
    return frozenset(name.casefold() for name, section in values.items() if _kills(section))


def _kills(section: object) -> bool:
    if isinstance(section, list):  # of tables: `[[feature]]`
        return any(map(_kills, section))
    return isinstance(section, Mapping) and any(
        isinstance(key, str) and key.casefold() == "killed" and _is_true(value)
        for key, value in section.items()
    )


def _is_true(value: object) -> bool:
    try:
        return _BOOL.validate_python(value)
    except ValidationError:
        return False


def killed_by_line(text: str) -> frozenset[str]:
    """The features that a text kills which is not TOML."""
    found = set()
    section = ""
    for line in _LINE_END.split(text):
        if header := _HEADER.match(line):
            section = _name(header)
        elif section and (alone := _ALONE.match(line)):
            if _says_true(alone):
                found.add(section)
        elif not section and (below := _BELOW.match(line)) and _says_true(below):
            found.add(below["section"].casefold())
    return frozenset(found)


def _says_true(said: re.Match[str]) -> bool:
    return _is_true(said["value"].strip().strip("\"'"))


def kill_by_line(text: str, feature: str) -> str:
    """A text that is not TOML, with the line that kills `feature`."""
    lines = text.split("\n")
    section = ""
    header_at: int | None = None
    for at, line in enumerate(lines):
        if header := _HEADER.match(line):
            section = _name(header)
            header_at = at if section == feature and header_at is None else header_at
        elif section == feature and _ALONE.match(line):
            _, mark, comment = line.partition("#")
            lines[at] = f"killed = true  {mark}{comment}".rstrip(" ")
            return "\n".join(lines)
    if header_at is None:
        return _appended(text, feature)
    lines.insert(header_at + 1, "killed = true")
    return "\n".join(lines)


def kills_by_line(text: str, feature: str) -> Iterator[str]:
    """Texts of which one kills `feature`, the likeliest first: what looks like its header may be inside of a string."""
    yield kill_by_line(text, feature)
    lines = text.split("\n")
    for at, line in enumerate(lines):
        header = _HEADER.match(line)
        if header and _name(header) == feature:
            yield "\n".join([*lines[: at + 1], "killed = true", *lines[at + 1 :]])
    yield _appended(text, feature)  # all of them are


def _appended(text: str, feature: str) -> str:
    return f"{text.rstrip()}\n\n[{feature}]\nkilled = true\n"


def _name(header: re.Match[str]) -> str:
    return header["name"].strip().strip("\"'").casefold()
