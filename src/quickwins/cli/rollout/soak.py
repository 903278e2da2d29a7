"""`quickwins rollout soak`: the criteria of staging, with evidence."""

# No `from __future__ import annotations` in modules with commands: Typer reads the annotations.

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.options import JsonOption
from quickwins.cli.output import note, print_json, print_table
from quickwins.core.errors import ConfigError
from quickwins.rollout.plan import seconds_of
from quickwins.rollout.soak import Criteria, Report, Soak, to_html, to_json

EXAMPLE = (
    "Example: quickwins rollout soak --for 48h --target http://127.0.0.1:9000/metrics "
    "--log feed.log --tests junit.xml"
)


def soak(
    target: Annotated[
        list[str],
        typer.Option("--target", metavar="URL", help="The /metrics of a process; once for each."),
    ],
    duration: Annotated[
        str, typer.Option("--for", metavar="TIME", help="How long to watch: 90s, 30m, 48h, 2d.")
    ] = "48h",
    log: Annotated[
        list[Path] | None,
        typer.Option("--log", metavar="PATH", help="A log to follow; once for each.", show_default=False),
    ] = None,
    tests: Annotated[
        list[Path] | None,
        typer.Option(
            "--tests",
            metavar="PATH",
            help="A JUnit report, read at the end; once for each.",
            show_default=False,
        ),
    ] = None,
    expect: Annotated[
        list[str] | None,
        typer.Option(
            "--expect", metavar="EVENT", help="An error in the logs that is no surprise.", show_default=False
        ),
    ] = None,
    hit_rate: Annotated[
        str, typer.Option(metavar="LOW:HIGH", help="What each policy of the cache should have.")
    ] = "0.6:0.7",
    threshold: Annotated[
        float, typer.Option(min=0.01, max=1, help="Of a pool, where its gate refuses.")
    ] = 0.85,
    interval: Annotated[str, typer.Option(metavar="TIME", help="Between two looks.")] = "15s",
    output: Annotated[Path, typer.Option(metavar="FOLDER", help="Where the report goes.")] = Path(
        "quickwins-soak"
    ),
    as_json: JsonOption = False,
) -> None:
    """Watch staging, and say of each criterion whether it was met.

    Writes soak.html and soak.json. Ctrl-C ends it early, with a report of what was seen. Exits with 0 when every criterion was met, and with 3 otherwise; a criterion for which nothing was seen was not met.
    """
    low, high = _range(hit_rate)
    criteria = Criteria(
        for_seconds=_seconds("--for", duration),
        hit_rate_min=low,
        hit_rate_max=high,
        threshold=threshold,
    )
    one = Soak(
        criteria,
        targets=target,
        logs=log or (),
        suites=tests or (),
        expected=expect or (),
        interval_seconds=_seconds("--interval", interval),
    )
    interrupted = False
    try:
        asyncio.run(one.run())
    except KeyboardInterrupt:
        interrupted = True
    report = one.report()
    output.mkdir(parents=True, exist_ok=True)
    (output / "soak.html").write_text(to_html(report), encoding="utf-8")
    (output / "soak.json").write_text(to_json(report), encoding="utf-8")
    _show(report, as_json=as_json)
    note(f"report: {output / 'soak.html'}")
    if interrupted:
        raise typer.Exit(ExitCode.INTERRUPTED)
    if not report.passed:
        raise typer.Exit(ExitCode.FINDING)


def _show(report: Report, *, as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "criterion": one.criterion,
                    "verdict": one.verdict,
                    "says": one.says,
                    "evidence": one.evidence,
                }
                for one in report.findings
            ]
        )
        return
    rows = [(one.criterion, one.verdict, one.says) for one in report.findings]
    print_table(("criterion", "verdict", "why"), rows)


def _range(text: str) -> tuple[float, float]:
    low, _, high = text.partition(":")
    try:
        found = float(low), float(high)
    except ValueError:
        found = 1.0, 0.0
    if not 0 <= found[0] <= found[1] <= 1:
        raise ConfigError(f"--hit-rate {text}: not allowed: two shares are meant, such as 0.6:0.7")
    return found


def _seconds(option: str, text: str) -> float:
    try:
        found = seconds_of(text)
    except ValueError:
        found = 0.0
    if not isinstance(found, float) or found <= 0:
        raise ConfigError(
            f'{option} {text}: not allowed: a time above zero is meant, such as "90s", "30m", "48h" or "2d"'
        )
    return found
