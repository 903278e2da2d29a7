"""What a process does with the text of a configuration file: the one place where that is decided.

A process that starts takes any text that can be read (`parsed`). One that is running follows a text unless it looks cut
short (`followed`). Whatever either refuses, it takes the kills out of it. Commands ask here too, so that what they say of a
file, or write into one, is what happens.
"""

from __future__ import annotations

from codecs import BOM_UTF16_BE, BOM_UTF16_LE
from typing import TYPE_CHECKING

from quickwins.core.config import load_file
from quickwins.core.errors import ConfigError
from quickwins.core.flags._kills import killed_by_line, killed_in
from quickwins.core.flags.errors import SourceError, SourceReason
from quickwins.core.flags.truncation import Good, suspicion

if TYPE_CHECKING:
    from quickwins.core.config import Layer

SOURCE = "file"
MAX_FILE_BYTES = 1 << 20
"""What a file may hold; of a larger one only the kills in its beginning are taken."""


def parsed(data: bytes, name: str) -> tuple[Good, Layer]:
    """What a file says, for a process that starts. A byte order mark at its beginning is no part of it.

    Args:
        data: Its content.
        name: Its path.

    Raises:
        SourceError: It is empty, too large, or not TOML.
    """
    if len(data) > MAX_FILE_BYTES:
        kills = killed_by_line(data[:MAX_FILE_BYTES].decode("utf-8-sig", "replace"))
        raise _refused(name, SourceReason.INVALID, f"it is larger than {MAX_FILE_BYTES} bytes", kills)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        encoding = "utf-16" if data.startswith((BOM_UTF16_LE, BOM_UTF16_BE)) else "utf-8-sig"
        kills = killed_by_line(data.decode(encoding, "replace"))
        raise _refused(name, SourceReason.INVALID, f"not UTF-8 at byte {error.start}", kills) from None
    if not text.strip():
        raise _refused(name, SourceReason.EMPTY, "it is empty")
    try:
        layer = load_file(text, name)
    except ConfigError as error:
        raise SourceError(
            str(error), source=SOURCE, reason=SourceReason.INVALID, kills=killed_by_line(text)
        ) from error.__cause__
    return Good(text, layer.values), layer


def followed(data: bytes, name: str, good: Good | None) -> tuple[Good, Layer]:
    """What a file says, for a process that runs.

    Args:
        data: Its content.
        name: Its path.
        good: The last text that the process followed; `None`: any, as a command has to judge.

    Raises:
        SourceError: It is empty, too large, not TOML, or looks cut short.
    """
    new, layer = parsed(data, name)
    why = suspicion(good, new.text, new.values)
    if why is not None:
        raise _refused(name, SourceReason.TRUNCATED, why, killed_in(new.values))
    return new, layer


def writable(data: bytes, name: str, good: Good | None) -> Layer:
    """What a file will say that is to be written, in the place of `good` if that is not `None`.

    Raises:
        ConfigError: Processes that are running would refuse it.
    """
    try:
        return followed(data, name, good)[1]
    except SourceError as error:
        raise ConfigError(f"{error}; running processes would refuse it, so nothing was written") from None


def kills_of(data: bytes, name: str) -> frozenset[str]:
    """The features that a file kills, whatever else it says."""
    try:
        return killed_in(parsed(data, name)[0].values)
    except SourceError as error:
        return error.kills


def _refused(name: str, reason: SourceReason, why: str, kills: frozenset[str] = frozenset()) -> SourceError:
    return SourceError(f"{name}: {why}", source=SOURCE, reason=reason, kills=kills)
