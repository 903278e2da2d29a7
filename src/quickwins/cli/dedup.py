"""`quickwins dedup`: look at what events have become."""

# No `from __future__ import annotations` in modules with commands: Typer reads the annotations.

import asyncio
import logging
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.options import JsonOption
from quickwins.cli.output import counted, note, print_json, print_table

if TYPE_CHECKING:
    from quickwins.dedup.audit import Audit

_EXAMPLE = (
    "quickwins dedup audit --bootstrap kafka.example:9092 --group feed-projector --topic feed.public.posts "
    "--effects 'SELECT lsn FROM feed_log'"
)


def build_app() -> typer.Typer:
    """The group `dedup`."""
    app = typer.Typer(
        help="Look at what change events have become.", epilog=f"Example: {_EXAMPLE}", no_args_is_help=True
    )
    app.callback()(_group)
    app.command("audit", epilog=f"Example: {_EXAMPLE}")(audit)
    return app


def _group() -> None:
    pass  # with one command alone, Typer would leave its name out


def audit(
    bootstrap: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="Of the Kafka broker.", show_default=False)
    ],
    group: Annotated[str, typer.Option(metavar="GROUP", help="The consumer group.", show_default=False)],
    topic: Annotated[
        str, typer.Option(metavar="TOPIC", help="A topic of Debezium's change events.", show_default=False)
    ],
    effects: Annotated[
        str,
        typer.Option(
            metavar="QUERY",
            help="A query that gives the event's position (source.lsn) of each effect, one row for each. Run read-only.",
            show_default=False,
        ),
    ],
    dsn: Annotated[
        str | None,
        typer.Option(
            metavar="DSN",
            help="The database of the effects, without a password: that is in a password file or PGPASSWORD. Default: the PG* "
            "variables.",
            show_default=False,
        ),
    ] = None,
    cluster: Annotated[
        str, typer.Option(metavar="NAME", help="As given to Deduplicator.", show_default=False)
    ] = "",
    ranges: Annotated[
        int, typer.Option(metavar="NUMBER", min=1, max=10_000, help="Into how many ranges to divide the log.")
    ] = 20,
    as_json: JsonOption = False,
) -> None:
    """Find effects that are missing, or were made twice.

    Compares a topic's events, each once, with their effects. Reads the topic from its beginning to where the group is, in no group of its own, and changes nothing. Events put aside in quickwins.dead_letters are no loss; rows of snapshots have no position and are left out. Exits with 0 if nothing is lost or doubled, and with 3 otherwise.
    """
    from quickwins.dedup.audit import audit as compare

    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # what it says is said again, in one line
    found = asyncio.run(
        compare(
            bootstrap=bootstrap,
            dsn=dsn,
            group=group,
            topic=topic,
            effects=effects,
            cluster=cluster,
            ranges=ranges,
        )
    )
    _show(found, as_json=as_json)
    if found.lost or found.doubled:
        raise typer.Exit(ExitCode.FINDING)


def _show(found: "Audit", *, as_json: bool) -> None:
    if as_json:
        print_json(asdict(found) | {"lost": found.lost, "doubled": found.doubled})
        return
    print_table(
        ("first", "last", "sent", "applied", "lost", "doubled"),
        [(one.first, one.last, one.sent, one.applied, one.lost, one.doubled) for one in found.ranges],
    )
    note(
        f"{counted(found.records, 'record')}: {found.duplicates:,} sent again, {found.put_aside:,} put aside, "
        f"{found.passed:,} without a position"
    )
    note(f"lost {found.lost:,}, doubled {found.doubled:,}")
