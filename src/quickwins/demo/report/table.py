"""The result as a table in the terminal; plain text where there is no terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.errors import needs_extra
from quickwins.demo.report.words import (
    cached,
    duplicates,
    flipped,
    headline,
    indexes,
    milliseconds,
    outage,
    percent,
    plain_number,
    share_of_answers,
    strangers,
)
from quickwins.rig import Outcome

with needs_extra("demo"):
    from rich import box
    from rich.console import Console
    from rich.table import Table

if TYPE_CHECKING:
    from quickwins.demo.result import DemoResult


def render_table(result: DemoResult, console: Console | None = None) -> None:
    """Print the result.

    Args:
        result: Of a run.
        console: Where to print; standard output when `None`. Only terminals get lines and colours.
    """
    console = Console() if console is None else console
    setting = result.setting
    table = Table(
        title=f"Burst at {setting.overload_factor:g} x capacity ({result.capacity_per_second:.0f} requests/s)",
        box=box.ROUNDED if console.is_terminal else None,
        title_justify="left",
        pad_edge=False,
    )
    table.add_column("")
    for phase in result.phases:
        table.add_column(phase.title, justify="right")
    for name, values in rows(result):
        table.add_row(name, *values)
    console.print(table)

    def say(text: str, style: str | None = None) -> None:
        # Off a terminal, a sentence stays on one line.
        console.print(text, style=style, highlight=False, soft_wrap=not console.is_terminal)

    say("")
    for flip in result.flips:
        say(flipped(flip))
    say(outage(result.outage))
    say(indexes(result.indexes))
    say(duplicates(result.duplicates))
    say(cached(result.cache))
    say(
        f"{len(result.capacity_by_backend)} pools of {setting.pool_size}, {milliseconds(setting.service_seconds)} a "
        f"query, clients give up after {setting.timeout_seconds:g} s. Figures leave out each phase's first "
        f"{setting.settling_seconds:.1f} s. {result.wall_seconds:.0f} s in all."
    )
    if strangers(result):
        say(strangers(result))
    if result.generator_was_bottleneck:
        say("The load generator itself was late: the figures say more about it than about the service.")
    say(headline(result), "bold")
    for check in result.checks:
        if not check.met:
            say(f"Not met: {check.name} is {plain_number(check.value)}, should be {check.target}.", "red")


def rows(result: DemoResult) -> list[tuple[str, list[str]]]:
    """The lines of the table: a name, and a value for each phase."""

    def line(name: str, value: str) -> tuple[str, list[str]]:
        return name, [value.format(p=phase) for phase in result.phases]

    def latency(outcome: Outcome, quantile: str) -> list[str]:
        return [
            milliseconds(getattr(phase.settled.latency[outcome], f"{quantile}_seconds"))
            for phase in result.phases
        ]

    def count(outcome: Outcome) -> list[str]:
        return [share_of_answers(phase, outcome) for phase in result.phases]

    def share(attribute: str) -> list[str]:
        return [percent(getattr(phase, attribute)) for phase in result.phases]

    return [
        line("goodput by capacity", "{p.settled.goodput_of_capacity:.2f}"),
        line("  while settling", "{p.settling.goodput_of_capacity:.2f}"),
        line("offered, requests/s", "{p.settled.offered_per_second:.0f}"),
        line("goodput, requests/s", "{p.settled.goodput_per_second:.1f}"),
        ("accepted: p50", latency(Outcome.OK, "p50")),
        ("accepted: p99", latency(Outcome.OK, "p99")),
        ("accepted: p99.9", latency(Outcome.OK, "p999")),
        ("refused at once", count(Outcome.REJECTED)),
        ("refused: p50", latency(Outcome.REJECTED, "p50")),
        ("refused: p99", latency(Outcome.REJECTED, "p99")),
        ("timed out", count(Outcome.TIMED_OUT)),
        ("failed", count(Outcome.FAILED)),
        ("pool in use", share("pool_utilization")),
        ("CPU, share of the machine", share("cpu_share")),
    ]
