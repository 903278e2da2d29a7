"""`quickwins logs redact`: what redaction would change in somebody's own logs."""

# No `from __future__ import annotations` in modules with commands: Typer reads the annotations.

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.output import counted, note, print_json, print_rows
from quickwins.logs.redaction import Redaction, RedactionRule
from quickwins.logs.timeline import MAX_LINE_BYTES, Log

if TYPE_CHECKING:
    from quickwins.logs.trial import Finding

COLUMNS = ("rule", "times", "lines", "where", "would be written")
_EXCERPT = 60
_MARK = re.compile(r"\[redacted(?::(?P<rule>[a-z_]+))?")


def redact(
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILES",
            help="Logs of any kind, gzipped or not; - is standard input.",
            show_default=False,
        ),
    ],
    relaxed: Annotated[
        bool,
        typer.Option("--relaxed", help="Try what Redaction.relaxed() hides instead of Redaction.strict()."),
    ] = False,
    keys: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="NAME",
            help="One more name whose value is private; may be given more than once.",
            show_default=False,
        ),
    ] = None,
    safe_keys: Annotated[
        list[str] | None,
        typer.Option(
            "--safe-key",
            metavar="NAME",
            help="A name that sounds private and is not; may be given more than once.",
            show_default=False,
        ),
    ] = None,
    examples: Annotated[
        int, typer.Option(min=0, metavar="LINES", help="How many lines to show of each rule.")
    ] = 3,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print each line that would change, with the rules, instead of a table."),
    ] = False,
) -> None:
    """Show what redaction would change in your logs.

    By rule, before you turn it on. Each row has a rule, how often and in how many lines it would hide something, and a line as it would be written, with the
    file and the number of the line, so that you can look up what is hidden; it is not printed. Lines that are JSON objects are
    looked at field by field.

    Exits with 3 if a line would change, 0 if none, 2 if a file cannot be opened.
    """
    from quickwins.logs.trial import tried  # needs the extra `logs`, which other commands don't

    make = Redaction.relaxed if relaxed else Redaction.strict
    redaction = make(keys=keys or (), safe_keys=safe_keys or ())
    logs = [Log.stdin() if name == "-" else Log.file(Path(name)) for name in files]
    tally = _Tally(examples)
    for log in logs:
        for finding in tried(tally.counted(_lines(log)), redaction):
            tally.add(log, finding)
            if as_json:
                print_json(
                    {
                        "where": f"{log.name}:{finding.number}",
                        "rules": {str(rule): times for rule, times in finding.rules.items()},
                        "shown": finding.shown,
                    }
                )
    if tally.times and not as_json:
        print_rows(COLUMNS, tally.rows())
    share = f", {1e4 * tally.changed / tally.seen:.1f} of 10,000" if tally.seen else ""
    note(
        f"{counted(len(logs), 'file')}, {counted(tally.seen, 'line')}; {tally.changed:,} would change{share}"
    )
    if tally.changed:
        raise typer.Exit(ExitCode.FINDING)


class _Tally:
    """What was found, by rule."""

    def __init__(self, examples: int) -> None:
        self.seen = self.changed = 0
        self.times: Counter[RedactionRule] = Counter()
        self._lines: Counter[RedactionRule] = Counter()
        self._examples: dict[RedactionRule, list[tuple[str, str]]] = {}
        self._most = examples

    def counted(self, lines: Iterator[bytes]) -> Iterator[bytes]:
        for line in lines:
            self.seen += 1
            yield line

    def add(self, log: Log, finding: "Finding") -> None:
        self.changed += 1
        self.times += finding.rules
        self._lines.update(finding.rules.keys())
        for rule in finding.rules:
            some = self._examples.setdefault(rule, [])
            if len(some) < self._most:
                some.append((f"{log.name}:{finding.number}", _excerpt(finding, rule)))

    def rows(self) -> list[tuple[str, ...]]:
        return [
            (rule, f"{times:,}", f"{self._lines[rule]:,}", where, text)
            for rule, times in self.times.most_common()
            for where, text in self._examples[rule] or [("", "")]
        ]


def _lines(log: Log) -> Iterator[bytes]:
    """The lines of a log; of one that is too long, pieces."""
    rest = b""
    for chunk in log.chunks(lambda reason: note(f"{log.name}: {reason}")):
        *whole, rest = (rest + chunk).split(b"\n")
        yield from whole
        while len(rest) > MAX_LINE_BYTES:
            yield rest[:MAX_LINE_BYTES]
            rest = rest[MAX_LINE_BYTES:]
    if rest:
        yield rest


def _excerpt(finding: "Finding", rule: RedactionRule) -> str:
    """The surroundings of the rule's first mark."""
    text = finding.shown
    mark = next((one for one in _MARK.finditer(text) if one["rule"] == rule), None) or _MARK.search(text)
    at = mark.start() if mark else 0
    first, last = max(0, at - _EXCERPT), at + _EXCERPT
    return f"{'…' if first else ''}{text[first:last]}{'…' if last < len(text) else ''}"
