"""What each benchmark does as a program: read its command line, get a server, and end with its targets."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
from typing import TYPE_CHECKING, TypeVar

from quickwins.engines import PostgresServer
from quickwins.rig import exit_code, fine_loop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence
    from typing import Any

    from quickwins.rig import Target

T = TypeVar("T")
MISSED = 3
"""What a benchmark exits with that missed a target."""


def command_line(module: str, description: str | None) -> argparse.ArgumentParser:
    """A parser for `python -m MODULE`, with the module's docstring as its help."""
    return argparse.ArgumentParser(
        prog=f"python -m {module}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def add_brief(parser: argparse.ArgumentParser) -> None:
    """Take `--brief`: what no target is about is left out, and what is measured is measured the same."""
    parser.add_argument("--brief", action="store_true", help="measure only what a target is about")


def on_postgres(measure: Callable[[str], Coroutine[Any, Any, T]]) -> T:
    """What `measure` returns for the address of a fresh PostgreSQL server, on a loop with a fine timer."""
    logging.getLogger("quickwins").setLevel(logging.ERROR)  # refusals are what these benchmarks are about
    print(f"load of the machine before: {os.getloadavg()[0]:.2f} on {os.cpu_count()} cores")
    with PostgresServer.start() as server, asyncio.Runner(loop_factory=fine_loop) as loop:
        return loop.run(measure(server.url))


def conclude(targets: Sequence[Target]) -> int:
    """Print each target, met or missed, and return what to exit with."""
    print()
    for target in targets:
        print(target)
    return exit_code(targets)
