"""The command tree, its exit codes, and what it says without its extra."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

import quickwins
from quickwins.cli import ExitCode, main
from quickwins.cli.app import build_app, run
from quickwins.core.errors import QuickWinsError
from tests.unit.cli.conftest import Answer

Call = Callable[..., Answer]


def tree(group: Any, *path: str) -> Iterator[tuple[list[str], bool]]:
    """Each command with whether it is a group of others."""
    for name, command in group.commands.items():
        is_group = hasattr(command, "commands")
        yield [*path, name], is_group
        if is_group:
            yield from tree(command, *path, name)


COMMANDS = [([], True), *tree(typer.main.get_command(build_app()))]


@pytest.mark.parametrize("command", [one for one, _ in COMMANDS], ids=" ".join)
def test_every_command_explains_itself_with_an_example(command: list[str]) -> None:
    answer = CliRunner().invoke(build_app(), [*command, "--help"])

    assert answer.exit_code == 0
    assert "Example: quickwins " + " ".join(command) in answer.output


@pytest.mark.parametrize("command", [one for one, _ in COMMANDS if one], ids=" ".join)
def test_the_list_of_commands_is_not_cut_off(quickwins: Call, command: list[str]) -> None:
    listed = quickwins(*command[:-1], "--help").out

    (line,) = [line for line in listed.splitlines() if line.startswith(f"  {command[-1]} ")]
    assert line.endswith(".")
    assert not line.endswith("...")


def test_what_looks_like_markup_is_in_the_help_at_a_terminal_too(
    quickwins: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)

    assert "in its section [flags]." in " ".join(quickwins("flags", "set", "--help").out.split())


def test_help_off_a_terminal_has_no_boxes_and_no_colours(quickwins: Call) -> None:
    out = quickwins("flags", "set", "--help").out

    assert "\x1b" not in out
    assert out.isascii()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param(["flgs"], "No such command 'flgs'", id="command"),
        pytest.param(["flags", "show", "--jsn"], "--jsn", id="option"),
        pytest.param(["flags", "kill"], "Missing argument 'FEATURE'", id="argument"),
        pytest.param(["flags", "history", "--limit", "0"], "--limit", id="value"),
    ],
)
def test_a_wrong_command_line_ends_with_2(quickwins: Call, arguments: list[str], expected: str) -> None:
    answer = quickwins(*arguments)

    assert answer.code == 2
    assert answer.out == ""
    assert expected in answer.err


def test_version_is_the_packages(quickwins: Call) -> None:
    answer = quickwins("--version")

    assert answer.code == 0
    assert answer.out.startswith("0.")


def test_a_command_imports_no_other_one() -> None:
    code = (
        "import sys; from quickwins.cli.app import run; run(['flags', 'kill', '--help'])\n"
        "print([name for name in sys.modules if name.startswith('quickwins.cli.')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "quickwins.cli.flags" in done.stdout
    assert not [
        name for name in ("doctor", "rollout", "suppressions") if f"quickwins.cli.{name}" in done.stdout
    ]


def raising(monkeypatch: pytest.MonkeyPatch, error: BaseException) -> None:
    def command() -> None:
        raise error

    def build(_: object) -> typer.Typer:
        app = typer.Typer(pretty_exceptions_enable=False)
        app.command()(command)
        return app

    monkeypatch.setattr("quickwins.cli.app.build_app", build)


def test_a_failure_that_is_not_the_callers_ends_with_5(
    quickwins: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    raising(monkeypatch, QuickWinsError("postgres gave no answer\nlog"))

    answer = quickwins()

    assert answer.code == ExitCode.FAILED_CLEAN
    assert answer.err == "quickwins: postgres gave no answer\nquickwins: log\n"


def test_ctrl_c_ends_with_130(quickwins: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, KeyboardInterrupt())

    assert quickwins().code == ExitCode.INTERRUPTED


def test_a_bug_of_ours_is_shown_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    raising(monkeypatch, ZeroDivisionError())

    with pytest.raises(ZeroDivisionError):
        run([])


@pytest.mark.parametrize("module", ["typer", "rich", "tomlkit"])
def test_without_the_extra_one_line_names_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)

    assert main() == ExitCode.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    (line,) = said.err.splitlines()
    assert f"{module} is not installed: pip install 'quickwins[cli]'" in line


def test_a_command_leaves_the_services_shared_series_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr("sys.argv", ["quickwins", "--version"])

    assert main() == ExitCode.OK
    assert "PROMETHEUS_MULTIPROC_DIR" not in os.environ


def test_importing_the_package_does_not_import_the_command_line() -> None:
    assert "cli" not in quickwins.__all__
