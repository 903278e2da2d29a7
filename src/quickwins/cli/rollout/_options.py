"""What commands about ramps take."""

# No `from __future__ import annotations` in modules with commands: Typer reads the annotations.

from pathlib import Path
from typing import Annotated

import typer

PlanOption = Annotated[
    Path | None,
    typer.Option(
        "--plan",
        metavar="PATH",
        help="The file of ramps. Default: rollout.toml beside the configuration.",
        show_default=False,
    ),
]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")]
LooksOnly = Annotated[bool, typer.Option("--dry-run", hidden=True)]
"""So that `--dry-run` may stand behind every command about a ramp: this one writes nothing either way."""
