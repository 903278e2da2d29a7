"""The code blocks of the documentation, and how each language is tried.

The blocks of a page are tried in order, in one folder, each in a process of its own:

    python     runs as a file does, and may `await` at its top level; warnings are errors
    toml       loads as `quickwins.toml`; with the title pyproject.toml as the settings of the audit, rollout.toml as ramps
    bash       every command succeeds
    console    every `$ command` prints what stands below it
    json       is a document, or one in each line
    text       output, and commands for other programs: not tried, and no Python

A block with a title, ```` ```toml title="quickwins.toml" ````, is written to that file first, where later blocks find it.
"""

from __future__ import annotations

import ast
import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from markdown_it import MarkdownIt

from quickwins.core.config import load_file, resolve
from quickwins.facade import SECTIONS
from quickwins.rollout import load_plans
from quickwins.suppressions.settings import AuditConfig
from tests import untraced

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
INFO: Final = re.compile(r'(?P<language>[a-z]+)(?: title="(?P<title>[\w./-]+)")?')
RUN: Final = Path(__file__).with_name("run.py")
LIMIT_SECONDS: Final = 60
WIDTH: Final = 90
_DOES: Final = (
    ast.Import,
    ast.ImportFrom,
    ast.Assign,
    ast.FunctionDef,
    ast.ClassDef,
    ast.AsyncWith,
    ast.Await,
)


class BlockError(AssertionError):
    """A block doesn't do what it says; the message begins with its place."""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block.

    Attributes:
        place: Page and line, as an editor opens them.
        line: Where its text begins, from 1.
        language: The first word behind the fence.
        title: The file that it stands for; empty: none.
    """

    place: str
    line: int
    language: str
    title: str
    text: str

    def run(self, folder: Path, environment: Mapping[str, str]) -> None:
        """Try it in `folder`.

        Raises:
            BlockError: It failed, or is of no known language.
        """
        wide = [line for line in self.text.splitlines() if len(line) > WIDTH]
        if wide and self.language in {"bash", "python", "toml"}:
            raise BlockError(f"{self.place}: wider than a page shows, {WIDTH} characters: {wide[0]}")
        if self.title:
            file = folder / self.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(self.text)
        match self.language:
            case "python":
                self._call(
                    [sys.executable, "-W", "error", str(RUN), self.place], folder, environment, self.text
                )
            case "bash":
                self._call(["bash", "-euo", "pipefail", "-c", self.text], folder, environment)
            case "console":
                self._converse(folder, environment)
            case "toml" if self.title == "pyproject.toml":
                AuditConfig.load(folder / self.title)
            case "toml" if self.title == "rollout.toml":
                load_plans(folder / self.title)
            case "toml":
                resolve([load_file(self.text, self.place)], SECTIONS)
            case "json":
                whole = self.text.startswith("{\n")
                list(map(json.loads, [self.text] if whole else self.text.splitlines()))
            case "text" if is_python(self.text):
                raise BlockError(f"{self.place}: this is Python; call it so, and it is tried")
            case "text":
                pass
            case unknown:
                raise BlockError(f"{self.place}: a block in {unknown!r}, which nobody tries")

    def _converse(self, folder: Path, environment: Mapping[str, str]) -> None:
        for part in re.split(r"^\$ ", self.text, flags=re.MULTILINE)[1:]:
            command, _, expected = part.partition("\n")
            done = _start(["bash", "-c", command], folder, environment, "")
            if done.stdout != expected:
                raise BlockError(f"{self.place}: {command}\nprints\n{done.stdout}\ninstead of\n{expected}")

    def _call(
        self, command: list[str], folder: Path, environment: Mapping[str, str], given: str = ""
    ) -> None:
        done = _start(command, folder, environment, given)
        if done.returncode:
            raise BlockError(
                f"{self.place}: {shlex.join(command[:2])} ends with {done.returncode}\n{done.stdout}"
            )


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of `page`, in order.

    Raises:
        BlockError: One doesn't say its language.
    """
    found = []
    for token in MarkdownIt().parse(page.read_text()):
        if token.type != "fence" or token.map is None:
            continue
        place = f"{page.relative_to(ROOT)}:{token.map[0] + 1}"
        info = INFO.fullmatch(token.info.strip())
        if info is None:
            raise BlockError(f"{place}: {token.info!r} is no language, nor a language with a title")
        found.append(Block(place, token.map[0] + 2, info["language"], info["title"] or "", token.content))
    return found


def is_python(text: str) -> bool:
    """Whether `text` is Python that does something; a list of words may be valid Python as well."""
    try:
        tree = compile(text, "", "exec", ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    except SyntaxError:
        return False
    return any(isinstance(node, _DOES) or _is_method_call(node) for node in ast.walk(tree))


def _is_method_call(node: ast.AST) -> bool:
    # A call of a bare name may be what `repr` has printed.
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)


def _start(
    command: list[str], folder: Path, environment: Mapping[str, str], given: str
) -> subprocess.CompletedProcess[str]:
    ours = {
        name: value for name, value in untraced.environment().items() if not name.startswith("QUICKWINS_")
    }
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        command,
        cwd=folder,
        env={**ours, "PATH": path, "PYTHONUNBUFFERED": "1", **environment},
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=LIMIT_SECONDS,
    )
