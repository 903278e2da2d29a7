"""`quickwins indexes`: migrations of indexes, planned, applied, watched, verified, taken back; and an audit."""

import typer

from quickwins.cli.indexes import change, look

FILE = "migrations/090_quick_win_4_missing_indexes.sql"


def build_app() -> typer.Typer:
    """The group `indexes`."""
    app = typer.Typer(
        help="Build indexes online, verify them, take them back.",
        epilog=f"Example: quickwins indexes plan {FILE} --dsn postgresql://dba@db.example:5432/feed",
        no_args_is_help=True,
    )
    app.command("plan", epilog=f"Example: quickwins indexes plan {FILE}")(look.plan)
    app.command("apply", epilog=f"Example: quickwins indexes apply {FILE} --window '02:00-04:00 UTC'")(
        change.apply
    )
    app.command("status", epilog=f"Example: quickwins indexes status {FILE}")(look.status)
    app.command("watch", epilog=f"Example: quickwins indexes watch {FILE}")(look.watch)
    app.command("verify", epilog=f"Example: quickwins indexes verify {FILE} --measure 5")(look.verify)
    app.command("rollback", epilog=f"Example: quickwins indexes rollback {FILE}")(change.rollback)
    app.command(
        "audit", epilog="Example: quickwins indexes audit --standby postgresql://dba@replica.example/feed"
    )(look.audit)
    return app
