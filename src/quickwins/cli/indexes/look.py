"""The commands that only look: `plan`, `status`, `watch`, `verify` and `audit`."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.indexes._target import (
    DsnOption,
    FileArgument,
    MaxWaitOption,
    OverrideOption,
    WindowOption,
    exits,
    migration_of,
    runner_for,
    shown,
    warned,
)
from quickwins.cli.options import JsonOption
from quickwins.cli.output import note, print_json, print_line, print_table

if TYPE_CHECKING:
    from quickwins.indexes import Plan, Status, Verification


def plan(
    file: FileArgument,
    dsn: DsnOption = None,
    window: WindowOption = None,
    max_wait: MaxWaitOption = None,
    override: OverrideOption = None,
    rollback: Annotated[bool, typer.Option("--rollback", help="Plan to take it back.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show what `apply` would do, and what is in its way.

    Changes nothing: each CREATE INDEX is tried on an empty temporary copy of its table, in a transaction that is rolled back. Exits with 0 if there is nothing to do, 3 if there is, 2 if the file is refused, 4 if the server takes no changes at all.
    """
    with exits():
        runner = runner_for(dsn, window=window, max_wait=max_wait, override=override)
        found = asyncio.run(runner.plan(migration_of(file), rollback=rollback))
    show_plan(found, as_json=as_json)
    if found.refusals:
        raise typer.Exit(ExitCode.USAGE)
    if found.actions:
        raise typer.Exit(ExitCode.FINDING)
    if found.obstacles:
        raise typer.Exit(ExitCode.BLOCKED)


def show_plan(found: "Plan", *, as_json: bool) -> None:
    """Print a plan: its actions on stdout, all else on stderr."""
    if as_json:
        sizes = [
            dict(zip(("table", "table_bytes", "index", "index_bytes"), one, strict=True))
            for one in found.sizes
        ]
        lists = {key: shown(getattr(found, key)) for key in ("actions", "overridden", "refusals", "notes")}
        obstacles = [{"override": str(one.precondition), "text": one.text} for one in found.obstacles]
        print_json({"migration": found.migration.name, **lists, "obstacles": obstacles, "sizes": sizes})
        return
    rows = [
        (number, str(one.do), str(one.index), one.sql or f"pid {one.pid}", one.why)
        for number, one in enumerate(found.actions, 1)
    ]
    print_table(("step", "do", "index", "statement", "why"), rows)
    for table, bytes_, index, estimate in found.sizes:
        size = "unknown: ANALYZE the table" if estimate is None else f"about {estimate / 2**20:,.1f} MiB"
        note(f"{table} has {bytes_ / 2**20:,.1f} MiB; {index}: {size}")
    for line in found.notes:
        note(line)
    for refusal in found.refusals:
        note(f"refused: {found.migration.path}: {refusal}")
    for one in found.obstacles:
        note(f"in the way: {one.text} (--override {one.precondition})")
    for one in found.overridden:
        note(f"overridden: {one}")
    if found.nothing_to_do:
        note("nothing to do")


def status(file: FileArgument, dsn: DsnOption = None, as_json: JsonOption = False) -> None:
    """Show what has become of a migration.

    Its indexes, what is being built now, what an interrupted run has left, and the history. Exits with 0 if it is applied and whole, or not there at all, and with 3 otherwise.
    """
    with exits():
        found = asyncio.run(runner_for(dsn).status(migration_of(file)))
    _show_status(found, as_json=as_json)
    if not found.good:
        raise typer.Exit(ExitCode.FINDING)


def _show_status(found: "Status", *, as_json: bool) -> None:
    if as_json:
        print_json(shown(found) | {"good": found.good})
        return
    note(f"{found.migration}: {found.state}")
    print_table(
        ("index", "state", "bytes", "detail"),
        [(one.name, one.state, one.bytes, one.detail) for one in found.indexes],
    )
    for one in found.running:
        note(f"running: {one}")
    for one in found.debris:
        note(f"left: {one}")
    if found.history:
        last = found.history[-1]
        note(f"last: {last.at} {last.who} {last.state} {last.index}".rstrip())


def watch(file: FileArgument, dsn: DsnOption = None, as_json: JsonOption = False) -> None:
    """Follow the builds on a migration's tables.

    Whoever started them, until there is none.
    """

    async def follow() -> None:
        async for one in runner.watch(migration):
            print_json(shown(one)) if as_json else print_line(str(one))

    with exits():
        migration = migration_of(file)
        runner = runner_for(dsn)
        asyncio.run(follow())


def verify(
    file: FileArgument,
    dsn: DsnOption = None,
    measure: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS",
            min=0.1,
            help="Also run each query, read-only, for so long at most.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that each index is valid, and used.

    As the file says, and by the queries of NAME.verify.sql. Exits with 0 if all is well, and with 3 otherwise: an index that the planner ignores is not well.
    """
    with exits():
        found = asyncio.run(runner_for(dsn).verify(migration_of(file), measure_seconds=measure))
    _show_verification(found, as_json=as_json)
    if not found.good:
        raise typer.Exit(ExitCode.FINDING)


def _show_verification(found: "Verification", *, as_json: bool) -> None:
    if as_json:
        print_json(shown(found) | {"good": found.good})
        return
    rows = [
        (one.name, "ok" if one.good else "not ok", one.state if not one.detail else one.detail)
        for one in found.indexes
    ]
    rows += [(one.name, "ok" if one.good else "not ok", str(one)) for one in found.queries]
    print_table(("what", "result", "detail"), rows)


def audit(
    dsn: DsnOption = None,
    standby: Annotated[
        list[str] | None,
        typer.Option(
            metavar="DSN",
            help="A standby: an index that is not used here may be used there. While one was not asked, no index is called "
            "unused. Repeatable.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """List the indexes that cost each write and help no read.

    INVALID ones, those whose work another one does, those that nobody has read since the statistics began, and those that are twice as large as they need be. Exits with 0 if there is none, and with 3 otherwise.
    """
    with exits():
        asked = [one for one in map(warned, standby or ()) if one is not None]
        found = asyncio.run(runner_for(dsn).audit(standbys=asked))
    if as_json:
        print_json(shown(found))
    else:
        print_table(
            ("weight", "index", "table", "bytes", "detail"),
            [(one.weight, one.index, one.table, one.bytes, one.detail) for one in found],
        )
    if found:
        raise typer.Exit(ExitCode.FINDING)
