"""`quickwins query-cache`: look at a schema's hints before they are deployed."""

import importlib
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.options import JsonOption
from quickwins.cli.output import counted, note, print_json
from quickwins.core.errors import ConfigError

SchemaArgument = Annotated[
    str, typer.Argument(metavar="SCHEMA", help="A Strawberry schema, as module:name or module.name.")
]
CacheOption = Annotated[
    str | None,
    typer.Option(
        "--cache",
        metavar="CACHE",
        help="The QueryCache whose policies the hints name, as module:name. Default: the policies that every cache has.",
        show_default=False,
    ),
]


def build_app() -> typer.Typer:
    """The group `query-cache`."""
    app = typer.Typer(
        help="Look at the hints of a GraphQL schema.",
        epilog="Example: quickwins query-cache lint app.schema:schema",
        no_args_is_help=True,
    )
    app.callback()(_group)
    app.command("lint", epilog="Example: quickwins query-cache lint app.schema:schema --cache app:cache")(
        lint_schema
    )
    return app


def _group() -> None:
    """One command alone would have no name."""


def lint_schema(schema: SchemaArgument, cache: CacheOption = None, as_json: JsonOption = False) -> None:
    """Find hints that would have somebody's data served to everybody.

    Exits with 3 when there are any.
    """
    from quickwins.query_cache.lint import lint

    policies = None if cache is None else _imported(cache).policies
    made = _imported(schema)
    if not hasattr(made, "schema_converter"):
        raise ConfigError(f"{schema} is no Strawberry schema, but {type(made).__name__}")
    findings = lint(made, policies)
    if as_json:
        print_json([asdict(one) for one in findings])
    else:
        for one in findings:
            typer.echo(str(one))
    note(counted(len(findings), "finding"))
    raise typer.Exit(ExitCode.FINDING if findings else ExitCode.OK)


def _imported(place: str) -> Any:
    """What `place` names; the current folder is looked in first."""
    module, _, name = place.partition(":") if ":" in place else place.rpartition(".")
    if not module or not name:
        raise ConfigError(f"{place!r} is not allowed: module:name, such as app.schema:schema")
    if (here := str(Path.cwd())) not in sys.path:
        sys.path.insert(0, here)
    try:
        found = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise
        raise ConfigError(
            f"{place}: there is no module {module!r} here or among what is installed"
        ) from error
    if not hasattr(found, name):
        raise ConfigError(f"{place}: {module} has no {name!r}")
    return getattr(found, name)
