"""Where flags and settings come from. The order of a list of sources is their precedence, strongest first.

The list is environment, file; a client of a flag service has its place between the two.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from quickwins.core.config import Layer
from quickwins.core.flags import text
from quickwins.core.flags.errors import SourceError, SourceReason
from quickwins.core.flags.text import MAX_FILE_BYTES

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickwins.core.config import Section
    from quickwins.core.flags.truncation import Good


def read_file(path: Path, name: str, *, most_bytes: int | None = None) -> bytes:
    """What is in a file.

    Args:
        path: Where it is.
        name: What errors call it.
        most_bytes: How much is read of it; `None`: all.

    Raises:
        SourceError: It is not there, is no regular file, or cannot be read.
    """
    try:
        # Non-blocking, so that a FIFO under this name cannot hold up the event loop.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _error(name, SourceReason.MISSING, f"there is no such file{_folder(path)}") from None
    except OSError as error:
        raise _error(name, SourceReason.UNREADABLE, error.strerror or "unreadable") from None
    except ValueError as error:
        raise _error(name, SourceReason.UNREADABLE, f"it is no path: {error}") from None
    try:
        found = os.fstat(file)
        if not stat.S_ISREG(found.st_mode):
            raise _error(name, SourceReason.UNREADABLE, "it is not a regular file")
        return os.read(file, found.st_size + 1 if most_bytes is None else most_bytes)
    except OSError as error:
        raise _error(name, SourceReason.UNREADABLE, error.strerror or "unreadable") from None
    finally:
        os.close(file)


def _folder(path: Path) -> str:
    """Where a path that isn't absolute was looked for: who started a service somewhere else sees it here."""
    if path.is_absolute():
        return ""
    try:
        return f" in {Path.cwd()}"
    except OSError:
        return ""


def _error(name: str, reason: SourceReason, why: str) -> SourceError:
    return SourceError(f"{name}: {why}", source=text.SOURCE, reason=reason)


class Source(Protocol):
    """One place that flags come from. Used by one thread at a time.

    Attributes:
        name: What kind of place, for metrics; its layer's name says which one.
    """

    name: str

    def read(self) -> object:
        """Look at it. Returns a token that is equal as long as it says the same; costs microseconds.

        Raises:
            SourceError: Nothing usable is there.
        """
        ...

    def layer(self) -> Layer:
        """What the last `read` saw.

        Raises:
            ConfigError: It cannot be understood.
        """
        ...

    def accept(self) -> None:
        """Keep what the last `read` saw as the last good one: together with all other sources it was valid."""
        ...


class FileSource:
    """A TOML file, compared by content.

    Content rather than a file watcher: watchers hold on to an inode and fall silent after the first atomic
    replacement or the swap of Kubernetes's `..data` link.
    """

    name = text.SOURCE

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Nothing is read yet: a file that is not there is said by the first `read`."""
        self.path = Path(path)
        self._data = b""
        self._good: Good | None = None
        self._latest: Good | None = None

    def __repr__(self) -> str:
        return f"FileSource({str(self.path)!r})"

    def read(self) -> bytes:
        """See `Source`."""
        self._data = read_file(self.path, str(self.path), most_bytes=MAX_FILE_BYTES + 1)
        return self._data

    def layer(self) -> Layer:
        """See `Source`."""
        if self._good is None:
            self._latest, layer = text.parsed(self._data, str(self.path))
        else:
            self._latest, layer = text.followed(self._data, str(self.path), self._good)
        return layer

    def accept(self) -> None:
        """See `Source`."""
        self._good = self._latest


class EnvironmentSource:
    """The environment as it was at start: a process's own environment does not change from outside."""

    name = "environment"

    def __init__(self, env: Mapping[str, str], sections: Mapping[str, type[Section]]) -> None:
        from quickwins.core.config import load_environment  # pydantic-settings takes as long as pydantic

        self._layer = load_environment(env, sections)

    def __repr__(self) -> str:
        return f"<EnvironmentSource of {_sections(self._layer.values)}>"

    def read(self) -> None:
        """See `Source`."""

    def layer(self) -> Layer:
        """See `Source`."""
        return self._layer

    def accept(self) -> None:
        """See `Source`."""


class MemorySource:
    """Values set by hand, for tests and for services that bring their own store.

    Example: `source = MemorySource({"backpressure": {"enabled": True}})`, later `source.set("backpressure", percent=10)`.
    """

    name = "memory"

    def __init__(self, values: Mapping[str, Any] | None = None) -> None:
        self._values: Mapping[str, Any] = dict(values or {})

    def __repr__(self) -> str:
        return f"<MemorySource of {_sections(self._values)}>"

    def set(self, feature: str, **fields: object) -> None:
        """Change some keys of one section; seen at the next poll."""
        self._values = {**self._values, feature: {**self._values.get(feature, {}), **fields}}

    def read(self) -> object:
        """See `Source`."""
        return self._values

    def layer(self) -> Layer:
        """See `Source`."""
        return Layer(self.name, self._values)

    def accept(self) -> None:
        """See `Source`."""


def _sections(values: Mapping[str, Any]) -> str:
    """What a layer says something about, and none of what it says: there may be secrets in it."""
    return ", ".join(sorted(values)) or "nothing"
