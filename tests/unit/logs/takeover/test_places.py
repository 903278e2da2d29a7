"""What counts as standard output or error."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from rich.logging import RichHandler

from quickwins.logs._takeover.places import is_standard, shows_there


class Stream(io.StringIO):
    def __init__(self, number: Any, **name: Any) -> None:
        super().__init__()
        self.number = number
        vars(self).update(name)

    def fileno(self) -> Any:
        return self.number


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(Stream(1), id="without a name"),
        pytest.param(Stream(1, name="<stdout>"), id="standard output"),
        pytest.param(Stream(2, name="<stderr>"), id="standard error"),
        pytest.param(Stream(2, name=2), id="by its number"),
        pytest.param(Stream(1, name="/dev/stdout"), id="a file for it"),
    ],
)
def test_what_writes_to_descriptor_1_or_2_is(stream: object) -> None:
    assert is_standard(stream)


@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(Stream(1, name="/var/log/audit.log"), id="a file that got the number"),
        pytest.param(io.StringIO(), id="without a descriptor"),
        pytest.param(Stream(-1, name="<stdout>"), id="without a descriptor, under its name"),
        pytest.param(Stream(None), id="with nothing for a descriptor"),
        pytest.param(Stream([]), id="with something else for it"),
        pytest.param(object(), id="no stream"),
        pytest.param(None, id="none"),
    ],
)
def test_other_streams_are_not(stream: object) -> None:
    assert not is_standard(stream)


def test_another_descriptor_for_the_same_place_is(capfd: pytest.CaptureFixture[str]) -> None:
    with os.fdopen(os.dup(1), "w") as again:
        assert is_standard(again)
    assert not is_standard(again), "it is closed"
    assert is_standard(sys.stdout), "what stands in for it redirects the descriptor"
    assert is_standard(sys.stdout.buffer)


def test_with_one_of_both_closed_the_other_still_is() -> None:
    program = (
        "import sys, logging\n"
        "from quickwins.logs._takeover.places import is_standard\n"
        "data, again = open(sys.argv[1], 'w'), open('/dev/stderr', 'w')\n"
        "print(data.fileno(), is_standard(data), again.fileno() > 2, is_standard(again), file=sys.stderr)"
    )
    done = subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" /dev/null >&-', sys.executable, program],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.stderr == "1 False True True\n"


def test_what_somebody_puts_into_its_place_is_theirs(capsys: pytest.CaptureFixture[str]) -> None:
    assert not is_standard(sys.stdout)
    assert not is_standard(sys.stdout.buffer)
    with contextlib.redirect_stderr(io.StringIO()):
        assert not shows_there(logging.StreamHandler())
        assert not shows_there(RichHandler(console=Console(stderr=True)))
        assert shows_there(logging.lastResort), "it is for records that nobody takes"
    assert is_standard(sys.__stdout__)


def test_handlers(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert shows_there(logging.StreamHandler())
    assert shows_there(logging.FileHandler("/dev/stdout", delay=True))
    assert shows_there(RichHandler())
    assert shows_there(logging.lastResort)
    assert not shows_there(RichHandler(console=Console(file=io.StringIO())))
    assert not shows_there(logging.FileHandler(tmp_path / "x", delay=True))
    assert not shows_there(logging.NullHandler())
    assert not shows_there(logging.StreamHandler(io.StringIO()))
