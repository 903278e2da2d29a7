"""`quickwins rollout`: ramp a feature up through gates, and take it back."""

import typer

from quickwins.cli.rollout import change, look, run, soak

__all__ = ["build_app"]


def build_app() -> typer.Typer:
    """The group `rollout`."""
    app = typer.Typer(
        help="Ramp a feature up through gates, and take it back.",
        epilog="Example: quickwins rollout plan backpressure",
        no_args_is_help=True,
    )
    for name, command in (
        ("plan", look.plan),
        ("start", change.start),
        ("run", run.run),
        ("status", look.status),
        ("approve", change.approve),
        ("pause", change.pause),
        ("resume", change.resume),
        ("abort", change.abort),
        ("history", look.history),
        ("replay", look.replay),
    ):
        app.command(name, epilog=f"Example: quickwins rollout {name} backpressure")(command)
    app.command("soak", epilog=soak.EXAMPLE)(soak.soak)
    return app
