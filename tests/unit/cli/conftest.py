"""The command line called in this process, in a folder of its own."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from quickwins.cli.app import run

if TYPE_CHECKING:
    from collections.abc import Callable

CONFIG = """\
service = "feed"

[backpressure]
enabled = true  # since the last incident
percent = 10

[backpressure.names.feed]
threshold = 0.7

# quickwins: complete
"""


def with_flags(setting: str) -> str:
    """The configuration with a section `[flags]`."""
    return CONFIG.replace("\n# quickwins", f"\n[flags]\n{setting}\n\n# quickwins")


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    err: str

    @property
    def rows(self) -> list[list[str]]:
        return [line.split("\t") for line in self.out.splitlines()]

    @property
    def document(self) -> Any:
        return json.loads(self.out)


Call = "Callable[..., Answer]"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for variable in [name for name in os.environ if name.startswith("QUICKWINS_")]:
        monkeypatch.delenv(variable)
    return tmp_path


@pytest.fixture
def config(folder: Path) -> Path:
    path = folder / "quickwins.toml"
    path.write_text(CONFIG)
    return path


@pytest.fixture
def quickwins(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Answer]:
    def call(*arguments: str) -> Answer:
        capsys.readouterr()
        code = run(arguments)
        said = capsys.readouterr()
        return Answer(code, said.out, said.err)

    return call
