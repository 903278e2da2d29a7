"""What counts as standard output or error."""

from __future__ import annotations

import io
import logging
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.logging import RichHandler

from quickwins.logs._takeover.places import is_standard, shows_there


class Named(io.StringIO):
    def __init__(self, name: Any) -> None:
        super().__init__()
        self.name = name


class Loud:
    @property
    def name(self) -> str:
        raise OSError


@pytest.mark.parametrize("name", ["<stdout>", "<stderr>", 1, 2, "/dev/stdout", "/dev/stderr", "/proc/1/fd/1"])
def test_streams_by_what_they_say_of_themselves(name: object) -> None:
    assert is_standard(Named(name))


@pytest.mark.parametrize("stream", [Named("app.log"), Named(3), Named([]), io.StringIO(), Loud(), None])
def test_other_streams(stream: object) -> None:
    assert not is_standard(stream)


def test_whatever_stands_in_for_them_now(monkeypatch: pytest.MonkeyPatch) -> None:
    text = io.TextIOWrapper(io.BytesIO())
    monkeypatch.setattr(sys, "stdout", text)
    assert is_standard(text)
    assert is_standard(text.buffer)


def test_handlers(tmp_path: Path) -> None:
    assert shows_there(logging.StreamHandler())
    assert shows_there(logging.FileHandler("/dev/stdout", delay=True))
    assert shows_there(RichHandler())
    assert shows_there(logging.lastResort)
    assert not shows_there(RichHandler(console=Console(file=io.StringIO())))
    assert not shows_there(logging.FileHandler(tmp_path / "x", delay=True))
    assert not shows_there(logging.NullHandler())
    assert not shows_there(logging.StreamHandler(io.StringIO()))
