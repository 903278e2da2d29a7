"""Finds what configuration files tell tools to ignore: pyproject.toml, INI files and pyrightconfig.json."""

from __future__ import annotations

import configparser
import json
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quickwins.suppressions.scan.codes import spelled
from quickwins.suppressions.scan.commands import ignoring
from quickwins.suppressions.scan.lexer import Unparseable
from quickwins.suppressions.scan.places import normal
from quickwins.suppressions.scan.statements import is_broad, spec_codes

if TYPE_CHECKING:
    from collections.abc import Iterator

INI_NAMES = {
    "setup.cfg", "tox.ini", "pytest.ini", ".pytest.ini", "mypy.ini", ".mypy.ini", ".flake8", ".coveragerc", ".pylintrc", "pylintrc",
    ".bandit",
}  # fmt: skip
TOML_NAMES = {
    "pyproject.toml",
    "ruff.toml",
    ".ruff.toml",
    "pytest.toml",
    ".pytest.toml",
    "suppressions.toml",
    ".coveragerc.toml",
    ".pylintrc.toml",
    "pylintrc.toml",
}
JSON_NAMES = {"pyrightconfig.json"}
NAMES = INI_NAMES | TOML_NAMES | JSON_NAMES

_RUFF = {"ignore", "extend-ignore"}
_RUFF_PER_FILE = {"per-file-ignores", "extend-per-file-ignores"}
_MYPY_SWITCHES = {"ignore_errors", "ignore_missing_imports"}
_LINT_CODE = re.compile(r"[A-Z]+[0-9]*")
_ON = {"true", "1", "yes", "on"}
_COMMENTS = ("#", ";", "//")
_QUOTED = re.compile(r"[\"']")
_STRING = r'(?P<string>"(?:[^"\\\n]++|\\.)*+")'
_JSON_COMMENT = re.compile(rf"{_STRING}|//[^\n]*+|/\*.*?\*/", re.DOTALL)
_JSON_COMMA = re.compile(rf"{_STRING}|,\s*(?P<bracket>[\]}}])")
_INLINE = re.compile(r"(?<=\S)[ \t]+[#;][ \t]*--[ \t].*")
"""A reason at the end of a line."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing that a configuration ignores.

    Attributes:
        where: The table and key, dotted.
        value: What is ignored.
        key: The key as the file has it; empty if it is the last part of `where`.
    """

    where: str
    value: str
    key: str = ""

    @property
    def codes(self) -> str:
        """What is ignored, see `scan.codes`."""
        if self.where.endswith("filterwarnings"):
            return spec_codes(self.value)
        is_code = _LINT_CODE.fullmatch(self.value) is not None
        return spelled("ruff-config" if is_code else "config", [normal(self.value)])


def entries(name: str, text: str) -> list[Entry]:
    """Everything that a file called `name` ignores.

    Raises:
        Unparseable: It is not in the format that its name says.
    """
    try:
        if name in TOML_NAMES:
            return list(_toml(name, tomllib.loads(text)))
        if name in JSON_NAMES:
            return list(_pyright("pyright", json.loads(_without_extras(text))))
        return list(_ini(name, text))
    except (tomllib.TOMLDecodeError, json.JSONDecodeError, configparser.Error) as error:
        raise Unparseable(
            f"it cannot be parsed: {str(error).splitlines()[0]}", getattr(error, "lineno", 1)
        ) from error


def _without_extras(text: str) -> str:
    """JSON as pyright reads it, with comments and trailing commas, as plain JSON."""
    text = _JSON_COMMENT.sub(lambda found: found["string"] or " ", text)
    return _JSON_COMMA.sub(lambda found: found["string"] or found["bracket"], text)


class Lines:
    """The lines of a configuration file. Ask in order of the entries: each look continues where the last one ended."""

    def __init__(self, lines: list[str]) -> None:
        self._lines = lines
        self._last = (Entry("", ""), "", 0)

    def of(self, entry: Entry) -> int:
        """The line of `entry`, from 1: that of its value after the key, else that of the key."""
        last, last_key, at = self._last
        key = entry.key or entry.where.rsplit(".", 1)[-1]
        if entry.where == last.where:
            key_at = at + (entry.value == last.value)  # the next one in the same list
        else:
            key_at = self._key_from(at + (key == last_key), key)
            if key_at < 0:
                key_at = max(0, self._key_from(0, key))
        value_at = self._value_from(key_at, entry.value.strip())
        found = key_at if value_at < 0 else value_at
        self._last = (entry, key, found)
        return min(found, len(self._lines) - 1) + 1

    def _key_from(self, begin: int, key: str) -> int:
        for number in range(begin, len(self._lines)):
            if key in self._lines[number] and _has_word(self._lines[number], key):
                return number
        return -1

    def _value_from(self, begin: int, value: str) -> int:
        """The first line of the section with the value: in quotes, if there is one."""
        bare = -1
        for number in range(begin, len(self._lines)):
            line = self._lines[number]
            if number > begin and line.startswith("["):
                break
            plain = line.replace('\\"', '"').replace("\\\\", "\\") if "\\" in line else line
            if value in plain and not line.lstrip().startswith(_COMMENTS):
                if f'"{value}"' in plain or f"'{value}'" in plain:
                    return number
                bare = number if bare < 0 else bare
                if not _QUOTED.search(line):
                    break
        return bare


def _has_word(line: str, word: str) -> bool:
    at = line.find(word)
    while at >= 0:
        around = line[max(0, at - 1) : at] + line[at + len(word) : at + len(word) + 1]
        if not any(one.isalnum() or one in "_-" for one in around):
            return True
        at = line.find(word, at + 1)
    return False


def comment_on(entry: Entry, name: str, lines: list[str], number: int) -> tuple[str, bool]:
    """The comment on the line above line `number`, or at its end, and whether a tool reads the latter as part of the value.

    Only TOML has comments at the end of a line; tools that read INI files have not, but for pylint.
    """
    line, above = lines[number - 1], lines[number - 2].strip() if number > 1 else ""
    _, mark, comment = line.partition("# --")
    if mark and (name in TOML_NAMES or entry.where.endswith(".disable")):
        return mark + comment, False
    if name in INI_NAMES and _INLINE.search(line):
        return "", True
    return (f"# {above.lstrip('#;/')}" if above.startswith(_COMMENTS) else ""), False


def _toml(name: str, document: dict[str, Any]) -> Iterator[Entry]:
    if name in {"ruff.toml", ".ruff.toml"}:
        yield from _ruff("ruff", document)
        return
    tool = _table(document, "tool") if "tool" in document or name == "pyproject.toml" else document
    yield from _ruff("tool.ruff", _table(tool, "ruff"))
    yield from _mypy("tool.mypy", _table(tool, "mypy"))
    yield from _pytest("tool.pytest.ini_options", _table(tool, "pytest", "ini_options"))
    yield from _pytest("tool.pytest", _table(tool, "pytest"))
    yield from _coverage("tool.coverage", _table(tool, "coverage"))
    if name == ".coveragerc.toml":
        yield from _coverage("coverage", document)
    for section, table in _table(tool, "pylint").items():
        if isinstance(table, dict):
            yield from _each(f"tool.pylint.{section}.disable", table.get("disable"))
        elif section == "disable":
            yield from _each("tool.pylint.disable", table)
    yield from _flake8("tool.flake8", _table(tool, "flake8"))
    yield from _each("tool.bandit.skips", _table(tool, "bandit").get("skips"))
    yield from _pyright("tool.pyright", _table(tool, "pyright"))


def _ini(name: str, text: str) -> Iterator[Entry]:
    parser = configparser.RawConfigParser(strict=False, allow_no_value=True, inline_comment_prefixes=None)
    parser.read_string(text)
    for section in parser.sections():
        table = {key: _INLINE.sub("", value or "") for key, value in parser.items(section)}
        yield from _ini_section(name, section, table)
        for key in ("commands", "setenv", "set_env"):
            for line in _list(table.get(key), separators="\n"):
                if ignoring(line):
                    yield Entry(f"{section}.{key}", line)


def _ini_section(name: str, section: str, table: dict[str, str]) -> Iterator[Entry]:
    low = section.lower()
    if low in {"pytest", "tool:pytest"}:
        yield from _pytest(section, table)
    elif low == "mypy" or low.startswith("mypy-"):
        yield from _mypy(section, table)
    elif low in {"flake8", "pycodestyle", "pydocstyle"}:
        yield from _flake8(section, table)
    elif low.startswith("coverage:") or name == ".coveragerc":
        part = low.removeprefix("coverage:")
        yield from _coverage(section.rsplit(":", 1)[0], {part: table})
    elif "disable" in table and (name.endswith("pylintrc") or low.startswith(("pylint", "messages"))):
        yield from _each(f"{section}.disable", table["disable"])
    elif low == "bandit":
        yield from _each(f"{section}.skips", table.get("skips"))


def _ruff(where: str, table: dict[str, Any]) -> Iterator[Entry]:
    for part, one in ((where, table), (f"{where}.lint", _table(table, "lint"))):
        for key in _RUFF:
            yield from _each(f"{part}.{key}", one.get(key))
        for key in _RUFF_PER_FILE:
            for pattern, codes in _table(one, key).items():
                for code in _list(codes):
                    yield Entry(f"{part}.{key}.{pattern}", code, pattern)


def _mypy(where: str, table: dict[str, Any]) -> Iterator[Entry]:
    for key, value in table.items():
        if key in _MYPY_SWITCHES and str(value).lower() in _ON:
            yield Entry(f"{where}.{key}", "true")
        elif key == "disable_error_code":
            yield from _each(f"{where}.{key}", value)
        elif key == "follow_imports" and str(value) == "skip":
            yield Entry(f"{where}.{key}", "skip")
    overrides = table.get("overrides")
    for one in overrides if isinstance(overrides, list) else ():
        modules = _list(one.get("module"))
        for entry in _mypy(f"{where}.overrides", one):
            for module in modules:
                yield Entry(
                    f"{entry.where}.{module}",
                    entry.value if entry.value not in {"true", "skip"} else module,
                    "module",
                )


def _pytest(where: str, table: dict[str, Any]) -> Iterator[Entry]:
    for spec in _list(table.get("filterwarnings"), separators="\n"):
        if is_broad(spec) or spec.split(":")[0].strip() == "ignore":
            yield Entry(f"{where}.filterwarnings", spec)
    options = table.get("addopts")
    shown = " ".join(options) if isinstance(options, list) else str(options or "")
    if ignoring(shown):
        yield Entry(f"{where}.addopts", shown.strip())


def _coverage(where: str, table: dict[str, Any]) -> Iterator[Entry]:
    for key in ("exclude_lines", "exclude_also"):
        yield from _each(f"{where}.report.{key}", _table(table, "report").get(key), separators="\n")
    for part in ("run", "report"):
        yield from _each(f"{where}.{part}.omit", _table(table, part).get("omit"), separators="\n,")


def _flake8(where: str, table: dict[str, Any]) -> Iterator[Entry]:
    for key in ("ignore", "extend-ignore", "extend_ignore", "per-file-ignores", "per_file_ignores"):
        yield from _each(f"{where}.{key}", table.get(key), separators="\n" if "per" in key else "\n, ")


def _pyright(where: str, table: dict[str, Any]) -> Iterator[Entry]:
    yield from _each(f"{where}.ignore", table.get("ignore"))
    for key, value in table.items():
        if key.startswith("report") and value in (False, "none"):
            yield Entry(f"{where}.{key}", str(value).lower())


def _each(where: str, values: object, *, separators: str = "\n,") -> Iterator[Entry]:
    for value in _list(values, separators=separators):
        yield Entry(where, value)


def _list(values: object, *, separators: str = "\n,") -> list[str]:
    if isinstance(values, str):
        lines = (line for line in values.splitlines() if not line.lstrip().startswith("#"))
        parts = re.split(f"[{separators}]", "\n".join(lines)) if separators else [values]
        return [part.split(" #")[0].strip() for part in parts if part.split(" #")[0].strip()]
    return [str(value) for value in values] if isinstance(values, list) else []


def _table(table: dict[str, Any], *keys: str) -> dict[str, Any]:
    for key in keys:
        found = table.get(key)
        table = found if isinstance(found, dict) else {}
    return table
