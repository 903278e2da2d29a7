"""Reads files and folders and collects what is found in them. Nothing that is read is imported or run."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.suppressions.report import Finding, Identity, Report
from quickwins.suppressions.scan import commands, config_files, directives, lexer, statements
from quickwins.suppressions.scan.checks import Check
from quickwins.suppressions.scan.places import Places, fingerprint
from quickwins.suppressions.settings import (
    EXCLUDED,
    EXCLUDED_AT_ROOT,
    MAX_FILE_BYTES,
    Allowance,
    AuditConfig,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from quickwins.core.clock import Clock

_PYTHON = (".py", ".pyi", ".pyw")
MAX_WORDS = 200
_PYTHON_SHEBANG = re.compile(rb"#![^\n]*\bpython")


@dataclass(slots=True)
class _Raw:
    """A finding before it is known how many alike come before it."""

    check: Check
    scope: str
    digest: str
    line: int
    column: int
    what: str


@dataclass(slots=True)
class _Collected:
    findings: list[Finding] = field(default_factory=list)
    names: dict[str, frozenset[str]] = field(default_factory=dict)
    paths: set[str] = field(default_factory=set)
    size_bytes: int = 0


def audit(
    paths: Iterable[str | os.PathLike[str]], config: AuditConfig | None = None, *, clock: Clock | None = None
) -> Report:
    """Find every suppression in files and folders.

    Args:
        paths: Files, whatever their name, and folders. In folders, Python files, configurations of known tools and files
            with command lines are read. Links to folders are not followed.
        config: What to skip and what to allow; `None` means the defaults.
        clock: Tells today's date, in UTC; `None` means the system's.

    Raises:
        ConfigError: A path does not exist.
    """
    config = AuditConfig() if config is None else config
    today = datetime.fromtimestamp((SystemClock() if clock is None else clock).wall(), UTC).date()
    collected = _Collected()
    root = config.root.resolve()
    for file in sorted(set(_files(paths, root, config.exclude))):
        _read(file, _relative(file, root), collected, today)
    return _report(collected, config, today)


def scan_text(path: str, text: str, *, today: date) -> Report:
    """Find every suppression in the text of one file. No file is read; text that cannot be parsed is a finding."""
    collected = _Collected()
    _scan(path, text.encode("utf-8", "surrogatepass"), collected, today)
    return _report(collected, AuditConfig(), today)


def _files(paths: Iterable[str | os.PathLike[str]], root: Path, exclude: tuple[str, ...]) -> Iterator[str]:
    names = {*EXCLUDED, *(one for one in exclude if "/" not in one.strip("/"))}
    places = {str(root / one.strip("/")) for one in (*exclude, *EXCLUDED_AT_ROOT)}
    for path in paths:
        start = os.path.abspath(path)  # noqa: PTH100 -- as text: a Path for each file costs more than reading it; until=never
        if os.path.isfile(start):  # noqa: PTH113 -- as text, see above; until=never
            yield start
            continue
        if not os.path.isdir(start):  # noqa: PTH112 -- as text, see above; until=never
            raise ConfigError(f"{os.fspath(path)}: no such file or folder")
        for folder, folders, files in os.walk(start):
            folders[:] = [
                one
                for one in folders
                if one not in names and f"{folder}/{one}" not in places and not one.endswith(".egg-info")
            ]
            for file in files:
                full = f"{folder}/{file}"
                if full not in places and file not in exclude and (_is_known(file) or _is_script(full, file)):
                    yield full


def _is_known(name: str) -> bool:
    return name.endswith(_PYTHON) or name in config_files.NAMES or commands.is_command_file(name)


def _is_script(path: str, name: str) -> bool:
    """Whether a file without a suffix begins with `#!`."""
    if "." in name.lstrip("."):
        return False
    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- as above; until=never
            return file.read(2) == b"#!"
    except OSError:
        return False


def _relative(file: str, root: Path) -> str:
    prefix = f"{root}{os.sep}"
    return (file.removeprefix(prefix) if file.startswith(prefix) else os.path.relpath(file, root)).replace(
        os.sep, "/"
    )


def _read(file: str, path: str, into: _Collected, today: date) -> None:
    into.paths.add(path)
    try:
        with open(file, "rb") as opened:  # noqa: PTH123 -- as above; until=never
            data = opened.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        _add(into, path, [_unparseable(lexer.Unparseable(str(error.strerror)))])
    else:
        _scan(path, data, into, today)


def _scan(path: str, data: bytes, into: _Collected, today: date) -> None:
    into.paths.add(path)
    into.size_bytes += len(data)
    name = path.rsplit("/", 1)[-1]
    try:
        if len(data) > MAX_FILE_BYTES:
            raise lexer.Unparseable(f"it is larger than {MAX_FILE_BYTES >> 20} MiB")  # noqa: TRY301 -- one handler for all; until=never
        if name.endswith(_PYTHON) or _PYTHON_SHEBANG.match(data):
            found, names = _python(lexer.decoded(data), today)
            if found:
                into.names[path] = names
        else:
            text = lexer.decoded(data)
            if name in config_files.NAMES:
                found = _configured(name, text, today)
            else:
                found = [
                    _Raw(Check.COMMAND_LINE, "", fingerprint(line), number, 1, line[:100])
                    for number, line in commands.command_lines(text)
                ]
    except lexer.Unparseable as error:
        found = [_unparseable(error)]
    _add(into, path, found)


def _python(text: str, today: date) -> tuple[list[_Raw], frozenset[str]]:
    source = lexer.lexed(text)
    places = Places(source)
    at: list[tuple[int, Check, str]] = []
    comments = [text[start:end] for start, end in source.comments]
    low = "".join(comments).lower()
    words = [word for word in directives.WORDS if word in low]
    for (start, _), comment in zip(source.comments, comments, strict=True) if words else ():
        low = comment.lower()
        for word in words:
            if word in low:
                at += [(start, check, what) for check, what in _in_comment(comment, today)]
                break
    first = commands.shebang(text)
    if first is not None:
        at.append((0, Check.COMMAND_LINE, first))
    at += [(offset, check, what) for check, offset, what in statements.statements(source, places)]
    at.sort(key=lambda one: one[0])
    found: list[_Raw] = []
    last, scope, statement, line, column = -1, "", "", 1, 1
    for offset, check, what in at:
        if offset != last:  # one comment can have several
            last = offset
            scope = ".".join(name for _, name in places.scopes(offset))
            statement, line, column = places.statement(offset), places.line(offset), places.column(offset)
        found.append(_Raw(check, scope, statement, line, column, what[:MAX_WORDS]))
    return found, places.names if found else frozenset()


def _in_comment(comment: str, today: date) -> Iterator[tuple[Check, str]]:
    for directive in directives.directives(comment):
        if not directive.may_have_reason:
            yield directive.check, directive.what
            continue
        if directive.is_misread:
            yield Check.MISREAD, directive.what
            continue
        check, addition = _judged(directive.check, comment, today)
        if check is not None:
            yield check, directive.what + addition


def _judged(check: Check, comment: str, today: date) -> tuple[Check | None, str]:
    """The check that still finds something, given the reason in `comment`: `check`, `EXPIRED` or none; and what to add."""
    reason = directives.reason(comment)
    if reason is None:
        return check, ""
    if reason.until is None:
        return check, " (a reason without `until=YYYY-MM-DD`)"
    if reason.until < today:
        return Check.EXPIRED, f" (until {reason.until})"
    return None, ""


def _configured(name: str, text: str, today: date) -> list[_Raw]:
    lines = text.split("\n")
    found = []
    for entry in config_files.entries(name, text):
        number = config_files.locate(lines, entry)
        comment, is_misread = config_files.comment_on(entry, name, lines, number)
        check, addition = (Check.MISREAD, "") if is_misread else _judged(Check.CONFIGURED, comment, today)
        if check is not None:
            what = f"{entry.where} = {entry.value}"[:100]
            found.append(_Raw(check, entry.where, fingerprint(entry.value), number, 1, what + addition))
    return found


def _unparseable(error: lexer.Unparseable) -> _Raw:
    return _Raw(Check.UNPARSEABLE, "", fingerprint(""), error.line, 1, str(error))


def _add(into: _Collected, path: str, found: list[_Raw]) -> None:
    alike: Counter[tuple[Check, str, str]] = Counter()
    for one in found:
        key = (one.check, one.scope, one.digest)
        identity = Identity(path, one.check.value, one.scope, one.digest, alike[key])
        alike[key] += 1
        into.findings.append(Finding(identity, one.line, one.column, one.what))


def _report(collected: _Collected, config: AuditConfig, today: date) -> Report:
    findings = collected.findings
    uncovered = [one for one in findings if one.check is Check.NO_COVER]
    if len(uncovered) <= config.no_cover_quota:
        findings = [one for one in findings if one.check is not Check.NO_COVER]
    findings, allowed, unused, expired = _allow(findings, config.allow, today)
    findings = sorted(
        findings + expired, key=lambda one: (one.path, one.line, one.column, one.identity.check)
    )
    return Report(
        tuple(findings),
        tuple(allowed),
        tuple(unused),
        len(collected.paths),
        collected.size_bytes,
        collected.names,
        frozenset(collected.paths),
    )


def _allow(
    findings: list[Finding], allowances: tuple[Allowance, ...], today: date
) -> tuple[list[Finding], list[Finding], list[str], list[Finding]]:
    """What is left, what is allowed, which allowances cover too little, and a finding for each that has expired."""
    left = list(findings)
    allowed: list[Finding] = []
    unused: list[str] = []
    expired: list[Finding] = []
    for allowance in allowances:
        key = str(allowance)
        if allowance.until < today:
            identity = Identity(
                "pyproject.toml", Check.EXPIRED.value, key, fingerprint(allowance.reason), len(expired)
            )
            expired.append(Finding(identity, 1, 1, f"allowance of {key} (until {allowance.until})"))
            continue
        covered = [
            one
            for one in left
            if one.check is allowance.check
            and one.path == allowance.path
            and (not allowance.scope or one.identity.scope == allowance.scope)
        ]
        if len(covered) < allowance.at_most:
            unused.append(f"{key}: allows {allowance.at_most}, {len(covered)} found")
        covered = covered[: allowance.at_most]
        allowed += covered
        taken = {id(one) for one in covered}
        left = [one for one in left if id(one) not in taken]
    return left, allowed, unused, expired
