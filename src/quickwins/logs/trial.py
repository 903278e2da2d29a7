"""What redaction would change in logs that were written without it: how one decides before turning it on. Pure.

    for finding in tried(open("app.log", "rb"), Redaction.strict()):
        print(finding.number, finding.rules, finding.shown)

Nothing that is hidden is in a finding, so that it can be shown to anyone who may see redacted logs.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.core.errors import needs_extra
from quickwins.logs._render.values import Walk
from quickwins.logs.redaction._scan import Scanner

with needs_extra("logs"):
    import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quickwins.logs.redaction._rules import Redaction, RedactionRule

__all__ = ["Finding", "tried"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A line that would change.

    Attributes:
        number: Of the line, from 1.
        rules: How often each rule would hide something.
        shown: The line as it would be written.
    """

    number: int
    rules: Counter[RedactionRule]
    shown: str


def tried(lines: Iterable[bytes], redaction: Redaction) -> Iterator[Finding]:
    """The lines that `redaction` would change, one after the other.

    A line that is a JSON object is looked at as the fields of a record, and any other as one text. What is only cut short
    counts as `too_long`, as it does in a service.

    Args:
        lines: With or without their ends.
        redaction: What is tried.
    """
    scanner = Scanner(redaction)
    for number, line in enumerate(lines, 1):
        hits: list[RedactionRule] = []
        shown = _shown(line.rstrip(b"\r\n"), scanner, hits)
        if hits:
            yield Finding(number, Counter(hits), shown)


def _shown(line: bytes, scanner: Scanner, hits: list[RedactionRule]) -> str:
    if line.startswith(b"{"):
        try:
            fields = orjson.loads(line)
        except orjson.JSONDecodeError:
            pass
        else:
            return orjson.dumps(Walk(scanner, hits).mapping(fields)).decode()
    return scanner.text(line.decode("utf-8", "replace"), hits)
