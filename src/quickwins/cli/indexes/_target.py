"""What the commands of the group share: their options, the database that they mean, and what their errors exit with."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.output import note
from quickwins.core.clock import SystemClock
from quickwins.core.config import CONFIG_PATH_VARIABLE
from quickwins.core.dsn import password_of
from quickwins.core.errors import ConfigError
from quickwins.core.flags import FlagState, Snapshot
from quickwins.core.flags.loading import config_path, read_settings, sources_of
from quickwins.facade import SECTIONS
from quickwins.indexes import Blocked, BuildFailed, IndexesSettings, MigrationError, Precondition

if TYPE_CHECKING:
    from quickwins.indexes import Migration, Runner

FileArgument = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="The migration, NAME.sql; NAME.rollback.sql and NAME.verify.sql are beside it.",
        show_default=False,
    ),
]
DsnOption = Annotated[
    str | None,
    typer.Option(
        "--dsn",
        metavar="DSN",
        help="The database, without a password: that is in a password file, PGPASSWORD or QUICKWINS_INDEXES__DSN. Default: "
        "QUICKWINS_INDEXES__DSN, else the PG* variables.",
        show_default=False,
    ),
]
MaxWaitOption = Annotated[
    float | None,
    typer.Option(
        "--max-wait",
        metavar="SECONDS",
        help="How long to wait for another runner, for what is in the way, and for those who hold a statement up: each so "
        "long. Default: [indexes] max_wait_seconds, 600.",
        show_default=False,
    ),
]
WindowOption = Annotated[
    str | None,
    typer.Option(
        "--window",
        metavar="WINDOW",
        help="When it may begin, e.g. '02:00-04:00 UTC'. Default: [indexes] window, any time.",
        show_default=False,
    ),
]
OverrideOption = Annotated[
    list[str] | None,
    typer.Option(
        "--override",
        metavar="NAME",
        help="A precondition that does not count; `plan` names them. Repeatable.",
        show_default=False,
    ),
]
EXPOSED = "the password in --dsn can be read by everybody on this machine: use a password file, PGPASSWORD or QUICKWINS_INDEXES__DSN"


def settings_of(config: Path | None = None) -> tuple[IndexesSettings, FlagState]:
    """`[indexes]` and its flag, from the file if there is one, and from the environment.

    Raises:
        ConfigError: They are not valid.
    """
    path = config_path(config, os.environ)
    sources = sources_of(path, os.environ, SECTIONS)
    if config is None and CONFIG_PATH_VARIABLE not in os.environ and not path.exists():
        del sources[1:]
    settings = read_settings(sources, SECTIONS)
    snapshot = Snapshot.build(settings, version=1, wall_now=SystemClock().wall())
    return settings.section("indexes", IndexesSettings), snapshot.flags["indexes"]


def migration_of(file: Path) -> "Migration":
    """The migration in `file`.

    Raises:
        MigrationError: It is none.
        MissingExtraError: What reads it is not installed.
    """
    from quickwins.indexes import Migration

    return Migration.load(file)


def runner_for(
    dsn: str | None,
    *,
    max_wait: float | None = None,
    window: str | None = None,
    override: Sequence[str] | None = None,
    terminate: Sequence[str] = (),
    cancel_orphan: bool = False,
    changes: bool = False,
) -> "Runner":
    """A runner for what the options and `[indexes]` say.

    Raises:
        ConfigError: An option says nothing that is known.
        Blocked: It is to change something, and the flag is off.
    """
    settings, state = settings_of()
    # A file that says nothing of [indexes] has not switched it off: the one who runs the command has switched it on.
    said = "enabled" in settings.model_fields_set or settings.killed
    if changes and said and not state.on:
        raise Blocked(f"[indexes] is switched off: {state}", reason=Precondition.FLAG)
    from_file = settings.dsn.get_secret_value() if settings.dsn is not None else None
    from quickwins.indexes import Runner

    return Runner(
        warned(dsn) or from_file,
        window=settings.window if window is None else window,
        max_wait_seconds=settings.max_wait_seconds if max_wait is None else max_wait,
        overrides=override or (),
        terminate=terminate,
        cancel_orphan=cancel_orphan,
    )


def warned(dsn: str | None) -> str | None:
    """`dsn`, with a word about the password in it if there is one."""
    if password_of(dsn):
        note(EXPOSED)
    return dsn


def applications(asked: Sequence[str] | None) -> list[str]:
    """The applications that `--terminate-blockers` names.

    Raises:
        ConfigError: It is not `application=NAME`.
    """
    names = []
    for one in asked or ():
        key, _, name = one.partition("=")
        if key != "application" or not name:
            raise ConfigError(f"--terminate-blockers {one}: say application=NAME")
        names.append(name)
    return names


@contextmanager
def exits() -> Iterator[None]:
    """Turn what goes wrong into what a script can act on.

    Raises:
        typer.Exit: With the code.
    """
    try:
        yield
    except MigrationError as error:
        note(str(error))
        raise typer.Exit(ExitCode.USAGE) from error
    except Blocked as error:
        note(f"blocked: {error}")
        raise typer.Exit(ExitCode.BLOCKED) from error
    except BuildFailed as error:
        note(str(error))
        raise typer.Exit(ExitCode.FAILED_DEBRIS if error.debris else ExitCode.FAILED_CLEAN) from error


def shown(value: Any) -> Any:
    """`value`, a dataclass or what is in one, as JSON has it."""
    if hasattr(value, "__dataclass_fields__"):
        return {name: shown(getattr(value, name)) for name in value.__dataclass_fields__}
    if isinstance(value, (list, tuple)):
        return [shown(one) for one in value]
    return value if isinstance(value, (int, float, bool)) or value is None else str(value)
