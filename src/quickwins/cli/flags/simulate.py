"""`quickwins flags simulate`: which keys move when a percentage changes."""

import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Annotated

import typer

from quickwins.cli._configuration import Configuration, flag_settings
from quickwins.cli.options import ConfigOption, FeatureArgument, JsonOption
from quickwins.cli.output import note, print_json, print_line, print_table
from quickwins.core.clock import Clock, SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.flags import FlagSettings, FlagState, decide

DEFAULT_COUNT = 10_000
MAX_KEY_BYTES = 4096
STDIN = Path("-")
REPORT_SECONDS = 2.0
REPORT_EVERY_KEYS = 4096


@dataclass(slots=True)
class Moves:
    """What a change of percentage does to some keys.

    Attributes:
        keys: How many keys there are.
        before: How many are on before the change.
        after: How many are on after it.
        added: How many are turned on; keys that are on already stay on.
        removed: How many are turned off; 0 if the percentage rises.
    """

    keys: int = 0
    before: int = 0
    after: int = 0
    added: int = 0
    removed: int = 0


def simulate(
    feature: FeatureArgument,
    to_percent: Annotated[
        float, typer.Option("--to", min=0, max=100, help="The percentage to change to.", show_default=False)
    ],
    from_percent: Annotated[
        float | None,
        typer.Option(
            "--from",
            min=0,
            max=100,
            help="The percentage to change from. Default: the one in effect.",
            show_default=False,
        ),
    ] = None,
    keys: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A file with keys as the service uses them, one on each line; - is stdin.",
            show_default=False,
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            min=1,
            help=f"Make up this many keys instead: key-0, key-1 and so on. Default: {DEFAULT_COUNT}.",
            show_default=False,
        ),
    ] = None,
    listed: Annotated[
        bool,
        typer.Option("--list", help="Print each key that moves; with --json, one document on each line."),
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show which keys another percentage would move.

    Nothing is written. Keys fall into the same buckets as in the running service, by the flag's salt.
    """
    if keys is not None and count is not None:
        raise ConfigError("--keys and --count exclude each other: give only one")
    clock = SystemClock()
    snapshot = Configuration.at(config, clock).read()
    settings = flag_settings(snapshot, feature)
    start = snapshot.flags[feature].percent if from_percent is None else from_percent
    old, new = at_percent(feature, settings, start), at_percent(feature, settings, to_percent)
    moves = Moves()
    with _opened(keys, count) as given:
        for key, verb in who_moves(reporting(given, clock), old, new, moves):
            if listed and as_json:
                print_json({"moves": verb, "key": key})
            elif listed:
                print_line(verb, key)
    facts = {"feature": feature, "from": old.percent, "to": new.percent, **asdict(moves)}
    if as_json:
        print_json(facts)
    else:
        print_table(("what", "value"), list(facts.items()))


def at_percent(feature: str, settings: FlagSettings, percent: float) -> FlagState:
    """The state of `feature` if it were enabled at `percent`, with the salt it has.

    Raises:
        ConfigError: The percentage has more than two decimals.
    """
    return decide(feature, FlagSettings(enabled=True, percent=percent, salt=settings.salt), 0.0)


def who_moves(keys: Iterable[str], old: FlagState, new: FlagState, moves: Moves) -> Iterator[tuple[str, str]]:
    """Each key that moves, with `added` or `removed`; counts all keys in `moves` on the way."""
    for key in keys:
        before, after = old.admits(key), new.admits(key)
        moves.keys += 1
        moves.before += before
        moves.after += after
        if before != after:
            moves.added += after
            moves.removed += before
            yield key, "added" if after else "removed"


def read_keys(file: IO[bytes], name: str) -> Iterator[str]:
    """The non-empty lines of `file`, without line breaks; keeps one in memory at a time.

    Raises:
        ConfigError: A line is longer than 4096 bytes, or not UTF-8.
    """
    number = 0
    while line := file.readline(MAX_KEY_BYTES + 2):
        number += 1
        key = line.removesuffix(b"\n").removesuffix(b"\r")
        if len(key) > MAX_KEY_BYTES:
            raise ConfigError(
                f"{name}: line {number} is longer than {MAX_KEY_BYTES} bytes: put one key on each line"
            )
        if key:
            try:
                yield key.decode()
            except UnicodeDecodeError:
                raise ConfigError(f"{name}: line {number} is not UTF-8") from None


def reporting(keys: Iterable[str], clock: Clock) -> Iterator[str]:
    """`keys`, with a line on stderr about every 2 s that says how many there have been."""
    due = clock.monotonic() + REPORT_SECONDS
    for number, key in enumerate(keys):
        if number % REPORT_EVERY_KEYS == 0 and clock.monotonic() >= due:
            note(f"{number} keys so far")
            due = clock.monotonic() + REPORT_SECONDS
        yield key


@contextmanager
def _opened(keys: Path | None, count: int | None) -> Iterator[Iterator[str]]:
    if keys is None:
        yield (f"key-{number}" for number in range(count or DEFAULT_COUNT))
    elif keys == STDIN:
        yield read_keys(sys.stdin.buffer, "stdin")
    else:
        try:
            file = keys.open("rb")
        except OSError as error:
            raise ConfigError(f"{keys}: {error.strerror}") from None
        with file:
            yield read_keys(file, str(keys))
