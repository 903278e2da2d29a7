"""All commands together; a command that fails prints a line or two on stderr and exits with a code that says why."""

from __future__ import annotations

import errno
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Annotated

import typer

from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.output import hush, note, open_streams
from quickwins.core.errors import ConfigError, QuickWinsError
from quickwins.core.flags.errors import SourceReason
from quickwins.core.flags.writer import WriteReason

if TYPE_CHECKING:
    from collections.abc import Sequence

COMMANDS = (
    "init",
    "demo",
    "flags",
    "rollout",
    "suppressions",
    "logs",
    "indexes",
    "query-cache",
    "dedup",
    "doctor",
)
"""Each has a module of its name here, with a `build_app` for a group, or the function and its `EXAMPLE`."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)
"""What a disk says that takes no more: no bug of ours."""
HINTS = (  # no table: two enums of texts have equal members
    (
        SourceReason.MISSING,
        "name it with --config PATH or QUICKWINS_CONFIG; `quickwins init` writes one to start from",
    ),
    (WriteReason.MISSING, "name it with --config PATH or QUICKWINS_CONFIG"),
)


def build_app(names: Sequence[str] = COMMANDS) -> typer.Typer:
    """The command tree.

    Args:
        names: The commands in it; the modules of others are not imported.
    """
    app = typer.Typer(
        name="quickwins",
        help="Resilience quick wins for asyncio services, each behind a live flag.",
        epilog="Example: quickwins doctor",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,  # it would take `[flags]` in a text for markup, and leave it out
    )
    app.callback()(_root)
    for name in names:
        home = import_module(f"quickwins.cli.{name.replace('-', '_')}")
        if hasattr(home, "build_app"):
            app.add_typer(home.build_app(), name=name)
        else:
            app.command(name, epilog=home.EXAMPLE)(getattr(home, name))
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command line.

    Returns:
        The exit code. A bug of ours is raised as it is: Python prints the traceback and exits with 1.
    """
    open_streams()
    try:
        code = _invoke(arguments)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as `head` does
        hush(sys.stdout)
        return ExitCode.OK
    except OSError as error:
        if error.errno not in _FULL:
            raise
        hush(sys.stdout)
        note(f"not everything could be written: {error.strerror}")
        return ExitCode.FAILED_CLEAN
    return code


def _invoke(arguments: Sequence[str]) -> int:
    # A kill must not wait until what ramps and audits need is imported.
    named = arguments[:1] if arguments and arguments[0] in COMMANDS else COMMANDS
    command = typer.main.get_command(build_app(named))
    try:
        return int(command.main(args=list(arguments), prog_name="quickwins") or ExitCode.OK)
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            raise end.__context__ from None
        return end.code if isinstance(end.code, int) else ExitCode.OK
    except QuickWinsError as error:
        note(str(error))
        hint = next((text for reason, text in HINTS if error.reason is reason), None)
        if hint is not None:
            note(hint)
        usage = isinstance(error, ConfigError) and error.reason is not WriteReason.COMMAND_FAILED
        return ExitCode.USAGE if usage else ExitCode.FAILED_CLEAN


def _show_version(value: bool) -> None:
    if value:
        from quickwins import __version__

        print(__version__)
        raise typer.Exit


def _root(
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_show_version, is_eager=True),
    ] = False,
) -> None:
    pass
