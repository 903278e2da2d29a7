"""How commands print: tables for people at a terminal, tab-separated lines otherwise, JSON when asked for.

Results go to stdout, everything else to stderr: a program that reads stdout reads nothing but results.
"""

from __future__ import annotations

import io
import json
import os
import sys
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from typing import TextIO

LEGIBLE_WIDTH: Final = 12
"""A column that breaks words into pieces shorter than this can't be read."""
_GAP: Final = 3


def print_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table at a terminal; otherwise a line of column names and a line for each row, separated by tabs.

    At a terminal that is too narrow for it, each row is a block with a line for each column.
    """
    shown = [[plain(cell) for cell in row] for row in rows]
    if not sys.stdout.isatty():
        for line in (columns, *shown):
            print("\t".join(line))
        return
    console = Console()
    if _needed_width(columns, shown) > console.width:
        _print_blocks(columns, shown)
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in shown:
        table.add_row(*map(Text, row))
    console.print(table)


def _needed_width(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    words = [
        [word for cell in column for word in cell.split()] for column in zip(columns, *rows, strict=True)
    ]
    widths = [min(LEGIBLE_WIDTH, max(map(cell_len, column))) for column in words]
    return sum(widths) + _GAP * (len(columns) - 1)


def _print_blocks(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    width = max(map(cell_len, columns))
    for row in rows:
        for column, cell in zip(columns, row, strict=True):
            print(set_cell_size(column, width), cell, sep="  ")
        print()


def print_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Like `print_table`, for many rows that end in a long cell: it wraps as the terminal likes and can be copied."""
    shown = [[plain(cell) for cell in row] for row in (columns, *rows)]
    if sys.stdout.isatty():
        widths = [max(map(cell_len, column)) for column in zip(*(row[:-1] for row in shown), strict=True)]
        for row in shown:
            print(*map(set_cell_size, row[:-1], widths), row[-1], sep="  ")
        return
    for row in shown:
        print("\t".join(row))


def print_line(*cells: object) -> None:
    """One tab-separated line that is seen at once, for what arrives piece by piece."""
    print("\t".join(map(plain, cells)), flush=True)


def print_json(document: object) -> None:
    """One JSON document on one line."""
    print(json.dumps(document), flush=True)


def note(text: str) -> None:
    """Something beside the result, on stderr; each line begins with the program's name. Nobody has to read it."""
    with unheard(sys.stderr):
        for line in text.splitlines():
            print(f"quickwins: {printable(line)}", file=sys.stderr, flush=True)


@contextmanager
def unheard(stream: TextIO) -> Iterator[None]:
    """Go on without `stream` when its reader has left: a pipe that `head` has closed, a terminal that is gone."""
    try:
        yield
        stream.flush()
    except OSError:
        hush(stream)


def open_streams() -> None:
    """Let the standard streams take all that is printed.

    Where they are closed, as by some schedulers, Python has none: it goes nowhere. A letter that their encoding lacks is
    spelled out.
    """
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, os.fdopen(os.open(os.devnull, os.O_WRONLY), "w", encoding="utf-8"))
        elif isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def hush(stream: TextIO) -> None:
    """Let what is still in `stream`, and all that comes, go nowhere: the interpreter would fail on it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def counted(number: int, what: str) -> str:
    """`1 line`, `2 lines`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


@contextmanager
def working(what: str) -> Iterator[None]:
    """Say on stderr what takes a while: a moving line at a terminal, one plain line otherwise."""
    console = Console(stderr=True)
    if console.is_terminal:
        with console.status(Text(what)):
            yield
    else:
        note(what)
        yield


def plain(value: object) -> str:
    """`value` as one cell: TOML's spelling, `-` for nothing, control characters escaped."""
    if value is None or value == "":
        return "-"
    if isinstance(value, str):
        return printable(value)
    return printable(json.dumps(value, default=str))


def assignments(changes: Mapping[str, object] | None) -> str:
    """`changes` as `quickwins flags set` takes them."""
    shown = ((key, "" if value is None else plain(value)) for key, value in (changes or {}).items())
    return " ".join(f"{key}={value}" for key, value in shown)


def printable(text: str) -> str:
    """`text` without the characters that would move a terminal's cursor or break a line."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def timestamp(wall: float) -> str:
    """A moment in UTC, to the millisecond."""
    return datetime.fromtimestamp(wall, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
