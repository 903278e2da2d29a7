"""The programs, for those who start them from Python."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from quickwins.cli import ExitCode, main
from quickwins.cli.flags import build_app
from quickwins.cli.rollout import build_app as build_rollout
from quickwins.demo import DemoOptions, DemoResult, render_table, run_demo, write_page


def demo() -> bool:
    result = run_demo(DemoOptions(rows=500, fast=True), print)
    assert_type(result, DemoResult)
    render_table(result)
    write_page(result, Path("index.html"))
    return result.met


def command() -> bool:
    build_app()
    build_rollout()
    return main() == ExitCode.OK
