"""Reads files and folders and collects what is found in them. Nothing that is read is imported or run."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from functools import lru_cache, partial
from operator import itemgetter
from typing import TYPE_CHECKING

from quickwins.core.clock import SystemClock
from quickwins.core.given import several
from quickwins.suppressions._tree import CYTHON, NOTEBOOK, PYTHON, files_in, relative
from quickwins.suppressions.report import Finding, Identity, Report
from quickwins.suppressions.scan import commands, config_files, directives, lexer, notebooks, statements
from quickwins.suppressions.scan.checks import Check
from quickwins.suppressions.scan.codes import spelled
from quickwins.suppressions.scan.places import Places, Seat, normal
from quickwins.suppressions.settings import MAX_FILE_BYTES, Allowance, AuditConfig

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from quickwins.core.clock import Clock

MAX_WORDS = 200
_SHORT = 200
_PYTHON_SHEBANG = re.compile(rb"#![^\n]*\bpython")


@dataclass(slots=True)
class _Raw:
    """A finding before it is known how many alike come before it."""

    check: Check
    codes: str
    scope: str
    statement: str
    line: int
    column: int
    what: str
    sits: Seat | Callable[[], Seat] = field(default_factory=Seat)
    cell: int = 0


@dataclass(frozen=True, slots=True)
class _Found:
    """A finding before it is known where it is."""

    check: Check
    what: str
    codes: str
    is_comment: bool = False
    of_next: bool = False


@dataclass(slots=True)
class _Collected:
    findings: list[Finding] = field(default_factory=list)
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
        ConfigError: A path does not exist, or `paths` is one text.
    """
    config = AuditConfig() if config is None else config
    today = datetime.fromtimestamp((SystemClock() if clock is None else clock).wall(), UTC).date()
    collected = _Collected()
    root = config.root.resolve()
    for file in sorted(set(files_in(several("paths", paths), root, config))):
        _read(file, relative(file, root), collected, today, config.version)
    return _report(collected, config, today, partial(_text, root))


def scan_text(path: str, text: str, *, today: date) -> Report:
    """Find every suppression in the text of one file. No file is read; text that cannot be parsed is a finding."""
    collected = _Collected()
    _scan(path, text.encode("utf-8", "surrogatepass"), collected, today)
    return _report(collected, AuditConfig(), today, {path: text}.get)


def _text(root: Path, path: str) -> str:
    """The text of a file; empty if it cannot be read."""
    try:
        text = lexer.decoded((root / path).read_bytes())
        return "\n".join(source for _, source in notebooks.cells(text)) if path.endswith(NOTEBOOK) else text
    except (OSError, lexer.Unparseable):
        return ""


def _read(file: str, path: str, into: _Collected, today: date, target: tuple[int, int] | None) -> None:
    if not os.path.isfile(file):  # noqa: PTH113 -- as above; until=never
        return  # a link to nothing, such as an editor's lock, or a pipe
    into.paths.add(path)
    try:
        with open(file, "rb", buffering=0) as opened:  # noqa: PTH123 -- as above; until=never
            # Asked for so much, Python would get room for so much.
            is_large = os.fstat(opened.fileno()).st_size > MAX_FILE_BYTES
            data = opened.read(MAX_FILE_BYTES + 1) if is_large else opened.read()
    except OSError as error:
        _add(into, path, [_unparseable(lexer.Unparseable(str(error.strerror)))])
    else:
        _scan(path, data, into, today, target)


def _scan(
    path: str, data: bytes, into: _Collected, today: date, target: tuple[int, int] | None = None
) -> None:
    into.paths.add(path)
    into.size_bytes += len(data)
    name = path.rsplit("/", 1)[-1]
    try:
        if len(data) > MAX_FILE_BYTES:
            raise lexer.Unparseable(f"it is larger than {MAX_FILE_BYTES >> 20} MiB")  # noqa: TRY301 -- one handler for all; until=never
        if name.endswith(PYTHON):
            found = _python(lexer.decoded(data), today, target)
        elif name.endswith(CYTHON):
            found = _python(lexer.decoded(data), today, lexer.NEWEST)
        elif name.endswith(NOTEBOOK):
            found = _notebook(lexer.decoded(data), today)
        elif name in config_files.NAMES:
            found = _configured(name, lexer.decoded(data), today)
        elif _PYTHON_SHEBANG.match(data):
            # What else has a null character is an archive, say, that begins with such a line.
            found = [] if b"\0" in data else _python(lexer.decoded(data), today, target)
        else:
            found = [
                _Raw(Check.COMMAND_LINE, spelled("run", [what]), "", normal(line), number, 1, line[:100])
                for number, line, what in commands.command_lines(lexer.read_anyhow(data))
            ]
    except lexer.Unparseable as error:
        found = [_unparseable(error)]
    _add(into, path, found)


def _python(text: str, today: date, target: tuple[int, int] | None) -> list[_Raw]:
    source = lexer.lexed(text, target)
    places = Places(source)
    at: list[tuple[int, _Found]] = []
    comments = source.remarks
    low = "".join(comments).lower()
    words = [word for word in directives.WORDS if word in low]
    for (start, _), comment in zip(source.comments, comments, strict=True) if words else ():
        low = comment.lower()
        for word in words:
            if word in low:
                look = _in_short_comment if len(comment) <= _SHORT else _in_comment
                at += [(start, one) for one in look(comment, today)]
                break
    first = commands.shebang(text)
    if first is not None:
        at.append((0, _Found(Check.COMMAND_LINE, first, spelled("run", [commands.ignoring(first)]))))
    at += [
        (offset, _Found(check, what, codes))
        for check, offset, what, codes in statements.statements(source, places)
    ]
    at.sort(key=itemgetter(0))
    found: list[_Raw] = []
    last, line, column = -1, 1, 1
    is_general = False
    home: tuple[str, str, Callable[[], Seat]] | None = None
    general: tuple[str, str, Seat] | None = None
    for offset, one in at:
        if offset != last:  # one comment can have very many
            last = offset
            line, column = places.line(offset), places.column(offset)
            is_general = one.is_comment and places.is_alone(offset)
            home = general = None
        scope: str
        sits: Seat | Callable[[], Seat]
        if is_general and not one.of_next:
            # About the file or block, whatever comes next in it.
            general = general or (places.scope(offset), "", Seat())
            scope, statement, sits = general
        else:
            home = home or _home(places, offset)
            scope, statement, sits = home
        found.append(_Raw(one.check, one.codes, scope, statement, line, column, one.what[:MAX_WORDS], sits))
    return found


def _home(places: Places, offset: int) -> tuple[str, str, Callable[[], Seat]]:
    """The scope, the statement and the seat of what is at `offset`."""
    at_home = places.home(offset)
    return places.scope(at_home), places.statement(at_home), partial(places.seat, at_home)


def _notebook(text: str, today: date) -> list[_Raw]:
    """The findings in each cell; one that is not Python, but a shell's, say, has none."""
    found = []
    for number, source in notebooks.cells(text):
        try:
            in_cell = _python(source, today, lexer.NEWEST)
        except lexer.Unparseable:
            continue
        found += [replace(one, cell=number) for one in in_cell]
    return found


@lru_cache(maxsize=1_000)  # most are there many times
def _in_short_comment(comment: str, today: date) -> tuple[_Found, ...]:
    return tuple(_in_comment(comment, today))


def _in_comment(comment: str, today: date) -> Iterator[_Found]:
    found = directives.directives(comment)
    reason = directives.reason(comment) if any(one.may_have_reason for one in found) else None
    for directive in found:
        check: Check | None = directive.check
        addition = ""
        if directive.is_misread:
            check = Check.MISREAD
        elif directive.may_have_reason:
            check, addition = _judged(directive.check, reason, today)
        if check is not None:
            yield _Found(
                check,
                directive.what + addition,
                directive.codes,
                is_comment=True,
                of_next=directive.of_next,
            )


def _judged(check: Check, reason: directives.Reason | None, today: date) -> tuple[Check | None, str]:
    """The check that still finds something, given the reason in a comment: `check`, `EXPIRED` or none; and what to add."""
    if reason is None:
        return check, ""
    if reason.until is None:
        return check, " (a reason without `until=YYYY-MM-DD`)"
    if directives.is_too_far(reason.until, today):
        return check, f" (until {reason.until}: more than two years ahead)"
    if reason.until < today:
        return Check.EXPIRED, f" (until {reason.until})"
    return None, ""


def _configured(name: str, text: str, today: date) -> list[_Raw]:
    lines = text.split("\n")
    placed = config_files.Lines(lines)
    found = []
    for entry in config_files.entries(name, text):
        number = placed.of(entry)
        comment, is_misread = config_files.comment_on(entry, name, lines, number)
        check, addition = (
            (Check.MISREAD, "")
            if is_misread
            else _judged(Check.CONFIGURED, directives.reason(comment), today)
        )
        if check is not None:
            what = f"{entry.where} = {entry.value}"[:100]
            found.append(
                _Raw(check, entry.codes, entry.where, normal(entry.value), number, 1, what + addition)
            )
    return found


def _unparseable(error: lexer.Unparseable) -> _Raw:
    return _Raw(Check.UNPARSEABLE, "", "", "", error.line, 1, str(error))


def _add(into: _Collected, path: str, found: list[_Raw]) -> None:
    alike: Counter[Identity] = Counter()
    for one in found:
        first = Identity(path, one.check.value, one.codes, one.scope, one.statement, 0, one.sits)
        identity = replace(first, ordinal=alike[first]) if alike[first] else first
        alike[first] += 1
        into.findings.append(Finding(identity, one.line, one.column, one.what, one.cell))


def _report(
    collected: _Collected, config: AuditConfig, today: date, text: Callable[[str], str | None]
) -> Report:
    findings = collected.findings
    uncovered = [one for one in findings if one.check is Check.NO_COVER]
    if len(uncovered) <= config.no_cover_quota:
        findings = [one for one in findings if one.check is not Check.NO_COVER]
    findings = [one for one in findings if config.counts(one.check, one.path)]
    findings, allowed, unused, expired = _allow(findings, config.allow, today)
    findings = sorted(
        findings + expired, key=lambda one: (one.path, one.cell, one.line, one.column, one.identity.check)
    )
    return Report(
        tuple(findings),
        tuple(allowed),
        tuple(unused),
        len(collected.paths),
        collected.size_bytes,
        frozenset(collected.paths),
        lambda path: text(path) or "",
        config.counts,
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
        too_far = directives.is_too_far(allowance.until, today)
        if allowance.until < today or too_far:
            identity = Identity(
                "pyproject.toml",
                Check.EXPIRED.value,
                "allowance:*",
                key,
                normal(allowance.reason),
                len(expired),
            )
            addition = ": more than two years ahead" if too_far else ""
            expired.append(Finding(identity, 1, 1, f"allowance of {key} (until {allowance.until}{addition})"))
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
