"""Generates adversarial files, and asks the real tools what they hide in them.

For each tool: a line that it reports, and comments put together from pieces, so that some of them hide the report and
others only look as if. A comment is a suppression if and only if the tool no longer reports its line.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import product


@dataclass(frozen=True, slots=True)
class Oracle:
    """A tool that reads comments.

    Attributes:
        command: What runs it on `file.py`.
        line: A line that it reports; `{n}` is another number each time.
        comments: What is put behind that line.
        reported: The numbers of the lines that its output names.
        head: What comes first in the file.
        is_exact: Whether we find nothing else: no other tool reads such comments, and misspelt ones are not worth a word.
    """

    command: Sequence[str]
    line: str
    comments: Sequence[str]
    reported: Callable[[str], set[int]]
    head: str = ""
    is_exact: bool = False


def together(*pieces: Sequence[str]) -> list[str]:
    """Every combination of some pieces."""
    return ["".join(one) for one in product(*pieces)]


def of_pattern(pattern: str) -> Callable[[str], set[int]]:
    """The numbers that `pattern` finds in a tool's output."""
    return lambda output: {int(one) for one in re.findall(pattern, output, re.MULTILINE)}


def of_coverage(output: str) -> set[int]:
    """The lines that are neither covered nor excluded."""
    report = json.loads(output[output.index("{") :])
    return set(report["files"]["file.py"]["missing_lines"])


_SPACES = ("", " ", "  ")
_BEFORE = ("# ", "#", "#  ", "# first # ", "# first ", "## ", "# `# ")
_NAMED = of_pattern(r"^(?:\./)?file\.py:(\d+)")

ORACLES = {
    "flake8": Oracle(
        ("flake8", "--isolated", "--select=F821", "file.py"),
        "nope{n}",
        together(_BEFORE, ("noqa", "NOQA", "NoQa", "noqas", "no qa"), ("", ":", " :", "="), _SPACES, ("", "F821", "E501", "E501,F821", "F8", "f821", "-- x")),
        _NAMED,
    ),
    "ruff": Oracle(
        ("ruff", "check", "--isolated", "--no-cache", "--select=F821", "--output-format=concise", "file.py"),
        "nope{n}",
        together(_BEFORE, ("noqa", "NOQA", "NoQa", "noqas"), ("", ":", " :", "="), _SPACES, ("", "F821", "E501", "E501,F821", "E501 F821", "f821", "-- x")),
        _NAMED,
    ),
    "mypy": Oracle(
        ("mypy", "--no-incremental", "--cache-dir=/dev/null", "--no-error-summary", "--no-color-output", "file.py"),
        "nope{n}",
        together(_BEFORE, ("type:", "type :", "Type:"), _SPACES, ("ignore", "ignores", "ignore-x", "ignored"), ("", "[name-defined]", " [name-defined]", "[misc]", "[]", "`", " # x", "[name-defined,misc]")),
        _NAMED,
    ),
    "pylint": Oracle(
        ("pylint", "--rcfile=/dev/null", "--disable=all", "--enable=undefined-variable", "--score=n", "--msg-template={path}:{line}", "file.py"),
        "print(nope{n})",
        together(("# ", "#", "# first # ", "# first "), ("pylint:", "pylint :", "pylints:"), ("", " "), ("disable=", "disable =", "disable:", "disables=", "disable-msg="), ("undefined-variable", "E0602", "[undefined-variable]", '"undefined-variable"', "E", "unused-import", "unused-import, undefined-variable", "x; undefined-variable")),
        _NAMED,
    ),
    "coverage": Oracle(
        ("sh", "-c", "coverage run file.py && coverage json -q -o -"),
        "    x = {n}",
        together(_BEFORE, ("pragma", "PRAGMA", "Pragma", "pragmas"), (":", " ", "", " :"), _SPACES, ("no cover", "NO COVER", "No Cover", "no  cover", "nocover", "no coverage", "no covers", "not cover", "cover")),
        of_coverage,
        head="never = []\nif never:\n",
        is_exact=True,
    ),
    "bandit": Oracle(
        ("bandit", "-q", "-f", "custom", "--msg-template", "{relpath}:{line}", "file.py"),
        "exec('{n}')",
        together(_BEFORE, ("nosec", "NOSEC", "nosecs", "no sec"), ("", ":", " :", "="), _SPACES, ("", "B102", "B101", "B101,B102", "B101 B102", "exec_used", "-- x")),
        _NAMED,
    ),
}  # fmt: skip


def written(oracle: Oracle) -> tuple[str, dict[int, str]]:
    """The file for a tool, and the comment on each of its lines."""
    first = oracle.head.count("\n") + 1
    lines = [
        f"{oracle.line.format(n=number)}  {comment}".rstrip()
        for number, comment in enumerate(oracle.comments)
    ]
    return oracle.head + "\n".join(lines) + "\n", dict(enumerate(oracle.comments, start=first))
