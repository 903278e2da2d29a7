"""Lines that a process numbered and that aren't there. Pure, and bounded in memory.

The rule: a process gives each line the next number (`seq`). So where the next line of an instance that is there has a
greater number than the one after the last, the numbers in between are lost lines. What comes before the first line that is
there, or after the last, nobody can tell. A number that isn't greater begins another process of that name, as a container
that is started again has it, or lines that were delivered twice: neither is a loss.

One instance's lines may be in several logs, as after a rotation, and these be given in any order. So what follows without a gap
in one log is a piece, and the pieces of all logs are put together by their times.

Only lines as we write them are looked at, as bytes: most are not parsed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.logs.timeline._entries import microseconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from quickwins.logs.timeline._query import Query

MAX_PIECES = 20_000
"""How many pieces are told apart, of all instances together; what comes after that is not looked at."""

_TIME = b'{"timestamp":"'
_TIME_ENDS = len(_TIME) + len("2026-11-26T01:21:49.123456Z")
_SERVICE, _INSTANCE, _SEQ = b'"service.name":"', b'"service.instance.id":"', b',"seq":'
_DIGITS = 18
"""Of a number; nobody counts further."""
_NAMED = re.compile(rb'"service\.name":("(?:[^"\\]|\\.)*"),"service\.instance\.id":("[^"\\]*)').fullmatch


@dataclass(frozen=True, slots=True)
class Gap:
    """Lines that are missing.

    Attributes:
        service: Whose they were.
        instance: Which of its processes wrote them (`service.instance.id`).
        seq: The first number that is missing.
        count: How many are.
        after_micros: When the line before them was written, in microseconds since the epoch.
        before_micros: When the one after them was.
    """

    service: str
    instance: str
    seq: int
    count: int
    after_micros: int
    before_micros: int


@dataclass(slots=True)
class _Piece:
    """Lines that follow each other: the time of the first, its number and the last one's, and the last line."""

    begins: bytes
    first: int
    last: int
    line: bytes


class Numbers:
    """Follows the numbers of all instances, log by log.

    Attributes:
        full: Whether there were too many gaps to keep them all.
    """

    def __init__(self, max_pieces: int = MAX_PIECES) -> None:
        self._pieces: dict[bytes, list[_Piece]] = {}
        self._open: dict[bytes, _Piece] = {}
        self._left = max_pieces
        self.full = False

    def begin(self) -> None:
        """Another log begins."""
        self._open.clear()

    def saw(self, line: bytes) -> None:
        """The next line of the log."""
        at = line.rfind(_SEQ, -len(_SEQ) - _DIGITS - 1)
        if at < 0:
            return
        service = line.find(_SERVICE)
        named = line[service : line.find(b'"', line.find(_INSTANCE, service) + len(_INSTANCE))]
        number = line[at + len(_SEQ) : -1]
        if not number.isdigit() or line[-1:] != b"}":
            return
        seq, piece = int(number), self._open.get(named)
        if piece is not None and seq == piece.last + 1:
            piece.last, piece.line = seq, line
        elif line.startswith(_TIME) and _NAMED(named) is not None:
            self._another(named, seq, line, piece)

    def _another(self, named: bytes, seq: int, line: bytes, before: _Piece | None) -> None:
        if not self._left:
            self.full = True
            return
        self._left -= 1
        begins = _time(line)
        if before is not None:  # a clock may be set back
            begins = max(begins, before.begins)
        self._open[named] = piece = _Piece(begins, seq, seq, line)
        self._pieces.setdefault(named, []).append(piece)

    def gaps(self, query: Query) -> tuple[Gap, ...]:
        """What is missing of the services and in the time that are asked for, in the order in which it happened."""
        found = (
            gap
            for named, pieces in self._pieces.items()
            for gap in _between(named, pieces)
            if (not query.services or gap.service in query.services)
            and (query.since is None or gap.before_micros >= query.since)
            and (query.until is None or gap.after_micros <= query.until)
        )
        return tuple(sorted(found, key=lambda gap: (gap.after_micros, gap.service, gap.instance)))


def _between(named: bytes, pieces: list[_Piece]) -> Iterator[Gap]:
    found = _NAMED(named)
    assert found is not None
    service, instance = _text(found[1]), _text(found[2] + b'"')
    before: _Piece | None = None
    highest = 0
    for piece in sorted(pieces, key=lambda one: one.begins):
        if before is not None and piece.first > before.last + 1 and piece.first != highest + 1:
            after_micros, before_micros = _micros(_time(before.line)), _micros(piece.begins)
            if after_micros is not None and before_micros is not None:
                missing = piece.first - before.last - 1
                yield Gap(service, instance, before.last + 1, missing, after_micros, before_micros)
        before, highest = piece, max(highest, piece.last)


def _time(line: bytes) -> bytes:
    return line[len(_TIME) : _TIME_ENDS]


def _text(raw: bytes) -> str:
    try:
        return str(json.loads(raw))
    except ValueError:  # it merely looked like ours
        return raw.decode(errors="replace")


def _micros(time: bytes) -> int | None:
    return microseconds(time.decode("ascii", "replace"))
