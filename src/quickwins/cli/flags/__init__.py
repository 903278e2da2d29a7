"""`quickwins flags`: see, change and follow the flags."""

import typer

from quickwins.cli.flags import history, show, simulate, watch, write

__all__ = ["build_app"]


def build_app() -> typer.Typer:
    """The group `flags`."""
    app = typer.Typer(
        help="See, change and follow the live flags.",
        epilog="Example: quickwins flags set backpressure enabled=true percent=10",
        no_args_is_help=True,
    )
    app.command("show", epilog="Example: quickwins flags show backpressure")(show.show)
    app.command("set", epilog="Example: quickwins flags set backpressure enabled=true percent=10")(
        write.write
    )
    app.command("kill", epilog="Example: quickwins flags kill backpressure")(write.kill)
    app.command("revive", epilog="Example: quickwins flags revive backpressure")(write.revive)
    app.command("watch", epilog="Example: quickwins flags watch --json")(watch.watch)
    app.command("history", epilog="Example: quickwins flags history --limit 5")(history.history)
    app.command("simulate", epilog="Example: quickwins flags simulate backpressure --from 10 --to 50")(
        simulate.simulate
    )
    return app
