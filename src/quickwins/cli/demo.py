"""`quickwins demo`: the feed service under load, before and after."""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.options import JsonOption
from quickwins.cli.output import note, print_json
from quickwins.core.errors import ConfigError, QuickWinsError
from quickwins.demo.options import MAX_ROWS, DemoOptions

EXAMPLE = "Example: quickwins demo --output report"
DEFAULTS = DemoOptions()


def demo(
    rows: Annotated[
        int,
        typer.Option(
            min=1, max=MAX_ROWS, help="Posts in the database: the more there are, the slower each query."
        ),
    ] = DEFAULTS.rows,
    seed: Annotated[
        int, typer.Option(help="Seed of the load: the same seed sends the same requests.")
    ] = DEFAULTS.seed,
    output: Annotated[
        Path, typer.Option(metavar="DIR", help="The folder for the page and the figures; made if missing.")
    ] = DEFAULTS.output,
    fast: Annotated[bool, typer.Option("--fast", help="A short run with rough figures.")] = DEFAULTS.fast,
    as_json: JsonOption = False,
) -> None:
    """Show what the features do for a small service under load.

    A feed service on a real PostgreSQL gets three times the load it can serve, with and without backpressure; two of its backends fail; indexes are built; events come twice; the same is asked again. Starts everything itself, measures, prints a table, writes a page with plots, and cleans up.
    Takes about a minute and a half. Exits with 3 if a target was missed.
    """
    from quickwins.demo import render_table, run_demo, write_page

    options = DemoOptions(rows=rows, seed=seed, output=output, fast=fast)
    _refuse_unwritable(output)  # before a minute's work, not after it
    try:
        result = run_demo(options, note)
    except KeyboardInterrupt:
        note("stopped; everything is cleaned up")
        raise
    document = result.to_dict()
    if as_json:
        print_json(document)
    else:
        render_table(result)
    page, figures = output / "index.html", output / "result.json"
    try:
        output.mkdir(parents=True, exist_ok=True)
        figures.write_text(json.dumps(document), encoding="utf-8")
        write_page(result, page)
    except OSError as error:
        raise QuickWinsError(f"{output}: {error.strerror}; the page is not written") from error
    note(f"the page is {page}, its figures are in {figures}")
    if not result.met:
        note("a target was missed: this run's page and figures say which")
        raise typer.Exit(ExitCode.FINDING)


def _refuse_unwritable(folder: Path) -> None:
    path = folder.absolute()
    existing = next(one for one in (path, *path.parents) if one.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise ConfigError(f"{folder}: cannot write to {existing}; choose another folder with --output")
