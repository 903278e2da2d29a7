"""The work of placing findings grows with the length of a file, however it is made: counted in characters, not in seconds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date
from types import FrameType
from typing import Any

import pytest

from quickwins.suppressions import scan_text
from quickwins.suppressions.scan.lexer import Lexed, lexed
from quickwins.suppressions.scan.places import Places

FEW, MANY = 250, 1_000

SHAPES: dict[str, Callable[[int], str]] = {
    "a list with a comment on each row": lambda n: "X = [\n" + "".join(f'    "row {i}",  # noqa: E501\n' for i in range(n)) + "]\n",
    "a list of equal rows": lambda n: "X = [\n" + "    1,  # noqa: E501\n" * n + "]\n",
    "a list in a function, at the margin": lambda n: "def f():\n    x = [\n" + "1,  # noqa\n" * n + "    ]\n    y = 1  # noqa\n",
    "a list with comments on lines of their own": lambda n: "X = [\n" + "    # noqa\n    1,\n" * n + "]\n",
    "strings one after another": lambda n: "x = (\n" + '    "a"  # noqa\n' * n + ")\n",
    "an import of many names": lambda n: "from a import (\n" + "".join(f"    name_{i},  # noqa: F401\n" for i in range(n)) + ")\n",
    "statements": lambda n: "".join(f"x_{i} = f({i})  # noqa: E501\n" for i in range(n)),
    "equal statements": lambda n: "x = f(1)  # noqa: E501\n" * n,
    "equal statements of several lines": lambda n: "x = f(\n    1,\n)  # noqa: E501\n" * n,
    "methods": lambda n: "class A:\n" + "".join(f"    def f_{i}(self):\n        x = 1  # type: ignore[x]\n" for i in range(n)),
    "clauses in one function": lambda n: "def f():\n" + "    try:\n        g()\n    except E:  # noqa\n        pass\n" * n,
    "comments before a statement": lambda n: "# pylint: disable-next=x\n" * n + "x = [\n" + "1,\n" * n + "]\n",
    "a statement continued by backslashes": lambda n: "x = 1 + \\\n" + "    2 + \\\n" * n + "    3  # noqa\n",
    "blocks in blocks": lambda n: "".join("  " * (i % 40) + "if x:  # noqa\n" for i in range(n)),
}  # fmt: skip


class Counted(str):  # noqa: SLOT000  # -- a str with slots cannot have a field of its own; until=never
    """Text that counts how many of its characters are looked at."""

    seen = 0

    def _between(self, begin: Any, end: Any) -> None:
        self.seen += max(0, (len(self) if end is None else min(end, len(self))) - (begin or 0))

    def __getitem__(self, index: Any) -> str:
        if isinstance(index, slice):
            self._between(index.start, index.stop)
        return super().__getitem__(index)

    def count(self, part: str, begin: Any = None, end: Any = None, /) -> int:
        self._between(begin, end)
        return super().count(part, begin, end)

    def find(self, part: str, begin: Any = None, end: Any = None, /) -> int:
        found = super().find(part, begin, end)
        self._between(begin, end if found < 0 else found)
        return found

    def rfind(self, part: str, begin: Any = None, end: Any = None, /) -> int:
        found = super().rfind(part, begin, end)
        self._between(begin if found < 0 else found, end)
        return found


def looked_at(text: str) -> int:
    """How many characters are looked at to place all comments of a file, in order."""
    source = lexed(text)
    whole, code = Counted(source.text), Counted(source.code)
    places = Places(Lexed(whole, code, source.pieces))
    for start, _ in source.comments:
        places.line(start)
        places.column(start)
        places.is_alone(start)
        home = places.home(start)
        places.scope(home)
        places.statement(home)
        places.seat(home)
    return whole.seen + code.seen


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_four_times_the_lines_are_four_times_the_characters(shape: Callable[[int], str]) -> None:
    few, many = looked_at(shape(FEW)), looked_at(shape(MANY))
    assert many <= 1.25 * MANY / FEW * few


def steps(path: str, text: str) -> int:
    """How many lines of Python a scan runs."""
    count = 0

    def trace(_frame: FrameType, _event: str, _arg: object) -> Any:
        nonlocal count
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        scan_text(path, text, today=date(2026, 6, 1))
    finally:
        sys.settrace(before)
    return count


FILES: dict[str, tuple[str, Callable[[int], str]]] = {
    "filters": ("x.py", lambda n: "def f():\n" + "    warnings.simplefilter('ignore')\n" * n),
    "filters in a block": ("x.py", lambda n: "def f():\n    with catch_warnings():\n" + "        simplefilter('ignore')\n" * n),
    "clauses": ("x.py", lambda n: "def f():\n" + "    try:\n        g()\n    except Exception:\n        pass\n" * n),
    "rows": ("x.py", SHAPES["a list with a comment on each row"]),
    "flake8": (".flake8", lambda n: "[flake8]\nper-file-ignores =\n" + "".join(f"    a{i}.py: E501\n" for i in range(n))),
    "ruff": ("ruff.toml", lambda n: "[lint.per-file-ignores]\n" + "".join(f'"a{i}.py" = ["E501"]\n' for i in range(n))),
    "mypy": ("mypy.ini", lambda n: "".join(f"[mypy-a{i}]\nignore_errors = True\n" for i in range(n))),
}  # fmt: skip


@pytest.mark.parametrize(("path", "shape"), FILES.values(), ids=FILES)
def test_four_times_the_lines_are_four_times_the_steps(path: str, shape: Callable[[int], str]) -> None:
    steps(path, shape(1))  # what is done once
    few, many = steps(path, shape(100)), steps(path, shape(400))
    assert many <= 1.25 * 4 * few
