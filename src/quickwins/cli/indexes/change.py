"""The commands that change something: `apply` and `rollback`."""

import asyncio
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.text import Text

from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.indexes._target import (
    DsnOption,
    FileArgument,
    MaxWaitOption,
    OverrideOption,
    WindowOption,
    applications,
    exits,
    migration_of,
    runner_for,
)
from quickwins.cli.indexes.look import show_plan
from quickwins.cli.options import JsonOption
from quickwins.cli.output import counted, note, print_json, printable, unheard
from quickwins.core.clock import SystemClock

if TYPE_CHECKING:
    from quickwins.indexes import Plan, Progress, Runner

LINE_SECONDS = 2.0
"""Between two lines of the same phase where there is no terminal."""

DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show the plan, and stop.")]
TerminateOption = Annotated[
    list[str] | None,
    typer.Option(
        "--terminate-blockers",
        metavar="application=NAME",
        help="Terminate the sessions of this application when they hold a statement up; each is logged. Repeatable.",
        show_default=False,
    ),
]


def apply(
    file: FileArgument,
    dsn: DsnOption = None,
    window: WindowOption = None,
    max_wait: MaxWaitOption = None,
    override: OverrideOption = None,
    dry_run: DryRunOption = False,
    terminate: TerminateOption = None,
    cancel_orphan: Annotated[
        bool,
        typer.Option(
            "--cancel-orphan",
            help="Cancel a build of one of these indexes that runs already, instead of waiting for it.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Build what a migration says, online.

    Goes on from wherever an earlier run stopped. Exits with 0 when it is done or there was nothing to do, 2 if the file is refused, 4 if something is in the way, 5 if a statement failed and left nothing, 6 if something is left, 130 after Ctrl-C. Ctrl-C cancels the statement on the server and cleans up.
    """
    with exits():
        runner = runner_for(
            dsn, window=window, max_wait=max_wait, override=override, terminate=applications(terminate),
            cancel_orphan=cancel_orphan, changes=not dry_run,
        )  # fmt: skip
        _change(runner, file, rollback=False, dry_run=dry_run, as_json=as_json)


def rollback(
    file: FileArgument,
    dsn: DsnOption = None,
    window: WindowOption = None,
    max_wait: MaxWaitOption = None,
    override: OverrideOption = None,
    dry_run: DryRunOption = False,
    terminate: TerminateOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a migration back: drop what it has made, and nothing else.

    Names the queries that get slower. Exits as `apply` does.
    """
    with exits():
        runner = runner_for(
            dsn,
            window=window,
            max_wait=max_wait,
            override=override,
            terminate=applications(terminate),
            changes=not dry_run,
        )
        _change(runner, file, rollback=True, dry_run=dry_run, as_json=as_json)


def _change(runner: "Runner", file: Path, *, rollback: bool, dry_run: bool, as_json: bool) -> None:
    migration = migration_of(file)
    plan = asyncio.run(runner.plan(migration, rollback=rollback))
    if dry_run:
        show_plan(plan, as_json=as_json)
    elif not as_json:
        with unheard(sys.stdout):  # `apply … | head` builds all the same
            show_plan(plan, as_json=False)
    if plan.refusals:
        raise typer.Exit(ExitCode.USAGE)
    if dry_run:
        raise typer.Exit(ExitCode.BLOCKED if plan.obstacles else ExitCode.OK)
    done: list[Progress] = []
    try:
        asyncio.run(_followed(runner, plan, done))
    except (KeyboardInterrupt, asyncio.CancelledError):
        for line in runner.debris:
            note(line)
        note("stopped" if runner.debris else "stopped; nothing is left behind")
        raise typer.Exit(ExitCode.FAILED_DEBRIS if runner.debris else ExitCode.INTERRUPTED) from None
    finished = [one for one in done if one.ratio == 1]
    if as_json:
        with unheard(sys.stdout):
            print_json(
                {"migration": migration.name, "rollback": rollback, "done": [one.action for one in finished]}
            )
    if finished:
        note(f"done: {counted(len(finished), 'action')}")
    elif as_json:  # the plan has said so otherwise
        note("nothing to do")


async def _followed(runner: "Runner", plan: "Plan", done: "list[Progress]") -> None:
    with _stoppable(), _display() as show:
        async with aclosing(runner.apply(plan)) as looks:
            async for progress in looks:
                show(progress)
                if progress.ratio == 1:
                    done.append(progress)


@contextmanager
def _stoppable() -> Iterator[None]:
    """Ctrl-C, SIGTERM and a terminal that is closed cancel the task, which cancels the statement on the server and cleans up.

    A second one stops the cleaning up; what may be left is said then. `nohup` goes on when its terminal is closed.
    """
    loop = asyncio.get_running_loop()
    task = asyncio.current_task()
    assert task is not None

    def stop() -> None:
        note("stopping: cancelling on the server and cleaning up")
        task.cancel()

    heeded = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        heeded.append(signal.SIGHUP)
    for one in heeded:
        loop.add_signal_handler(one, stop)
    try:
        yield
    finally:
        for one in heeded:
            loop.remove_signal_handler(one)


@contextmanager
def _display() -> "Iterator[Callable[[Progress], None]]":
    """One moving line at a terminal; else a line for each phase, and for each two seconds of it."""
    console = Console(stderr=True)
    if sys.stderr.isatty():
        with console.status("") as line:
            # Others' queries are in it: what they have in them is not for this terminal to obey.
            yield lambda progress: line.update(Text(printable(str(progress))))
        return
    clock = SystemClock()
    last: tuple[object, ...] = ()
    said = 0.0

    def show(progress: "Progress") -> None:
        nonlocal last, said
        now = clock.monotonic()
        key = (progress.step, progress.phase, progress.ratio == 1, progress.blockers != ())
        if key != last or now - said >= LINE_SECONDS:
            last, said = key, now
            note(str(progress))

    yield show
