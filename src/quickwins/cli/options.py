"""Options and arguments that several commands share."""

# No `from __future__ import annotations` in modules with commands: Typer reads the annotations.

from pathlib import Path
from typing import Annotated

import typer

ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="PATH",
        help="The configuration file. Default: what QUICKWINS_CONFIG names, else quickwins.toml in this folder.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for programs instead of a table.")]
FeatureArgument = Annotated[
    str,
    typer.Argument(metavar="FEATURE", help="The name of the feature, e.g. backpressure.", show_default=False),
]
