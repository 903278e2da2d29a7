"""All commands together; a command that fails prints a line or two on stderr and exits with a code that says why."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from quickwins.cli import dedup, demo, doctor, flags, indexes, init, logs, query_cache, rollout, suppressions
from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.output import hush, note, open_streams
from quickwins.core.errors import ConfigError, QuickWinsError
from quickwins.core.flags.errors import SourceReason
from quickwins.core.flags.writer import WriteReason

if TYPE_CHECKING:
    from collections.abc import Sequence

HINTS = (  # no table: two enums of texts have equal members
    (
        SourceReason.MISSING,
        "name it with --config PATH or QUICKWINS_CONFIG; `quickwins init` writes one to start from",
    ),
    (WriteReason.MISSING, "name it with --config PATH or QUICKWINS_CONFIG"),
)


def build_app() -> typer.Typer:
    """The command tree."""
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
    app.command("init", epilog=init.EXAMPLE)(init.init)
    app.command("demo", epilog=demo.EXAMPLE)(demo.demo)
    app.add_typer(flags.build_app(), name="flags")
    app.add_typer(rollout.build_app(), name="rollout")
    app.add_typer(suppressions.build_app(), name="suppressions")
    app.add_typer(logs.build_app(), name="logs")
    app.add_typer(indexes.build_app(), name="indexes")
    app.add_typer(query_cache.build_app(), name="query-cache")
    app.add_typer(dedup.build_app(), name="dedup")
    app.command("doctor", epilog=doctor.EXAMPLE)(doctor.doctor)
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
    return code


def _invoke(arguments: Sequence[str]) -> int:
    command = typer.main.get_command(build_app())
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
