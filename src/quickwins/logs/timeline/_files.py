"""Where lines come from: plain or gzipped files, and streams that can be read once."""

from __future__ import annotations

import gzip
import os
import shutil
import stat
import sys
import tempfile
import zlib
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError, QuickWinsError
from quickwins.logs.timeline._entries import MAX_LINE_BYTES

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path
    from typing import Any, TypeAlias

    Stream: TypeAlias = io.BufferedReader[Any] | io.BufferedRandom

CHUNK_BYTES = 1 << 20
_GZIP = b"\x1f\x8b"


@dataclass(frozen=True, slots=True)
class Log:
    """One log.

    Attributes:
        name: What reports call it.
        opened: Opens it at its beginning.
        again: Whether that may be done more than once.
    """

    name: str
    opened: Callable[[], AbstractContextManager[Stream]] = field(repr=False)
    again: bool = True

    @classmethod
    def file(cls, path: Path) -> Log:
        """A file, gzipped or not, whatever its name; or a named pipe.

        Raises:
            ConfigError: It is not there, a folder, or may not be read.
        """
        try:
            mode = path.stat().st_mode
        except OSError as error:
            raise ConfigError(f"{path}: {error.strerror}") from None
        if stat.S_ISDIR(mode):
            raise ConfigError(f"{path}: a folder; name the files in it, as {path}/*.log does")
        if not os.access(path, os.R_OK):
            raise ConfigError(f"{path}: this user may not read it")
        return cls(str(path), lambda: path.open("rb"), again=stat.S_ISREG(mode))

    @classmethod
    def stdin(cls) -> Log:
        """Standard input.

        Raises:
            ConfigError: It is closed.
        """
        if sys.stdin is None:
            raise ConfigError("standard input is closed")
        return cls("stdin", lambda: nullcontext(sys.stdin.buffer), again=False)  # type: ignore[arg-type]  # -- typed wider than it is; until=2028-02-29

    @contextmanager
    def kept(self) -> Iterator[Log]:
        """This one, so that it can be read more than once: a stream is copied into a temporary file.

        Raises:
            QuickWinsError: There is no room for the copy.
        """
        if self.again:
            yield self
            return
        with tempfile.TemporaryFile() as copy:
            try:
                with self.opened() as stream:
                    shutil.copyfileobj(stream, copy, CHUNK_BYTES)
            except OSError as error:
                raise QuickWinsError(
                    f"{self.name} cannot be kept for a second look: {error.strerror}"
                ) from error

            def opened() -> AbstractContextManager[Stream]:
                copy.seek(0)
                return nullcontext(copy)

            yield Log(self.name, opened)

    def chunks(self, failed: Callable[[str], None]) -> Iterator[bytes]:
        """Its content, unzipped, piece by piece. Never raises.

        Args:
            failed: Called with the reason, at the end, if something kept the rest from being read.
        """
        try:
            with self.opened() as stream:
                if stream.peek(len(_GZIP))[: len(_GZIP)] != _GZIP:
                    while chunk := stream.read1(CHUNK_BYTES):
                        yield chunk
                    return
                with gzip.GzipFile(fileobj=stream) as unzipped:
                    # One piece at a time: `read` would lose what comes before a broken one.
                    while chunk := unzipped.read1(CHUNK_BYTES):
                        yield chunk
        except EOFError:
            failed("the gzip data ends early: cut short, or still being written")
        except (zlib.error, gzip.BadGzipFile):
            failed("the gzip data is corrupt from there on")
        except OSError as error:
            failed(error.strerror or type(error).__name__)


def lines(chunks: Iterable[bytes], *, max_bytes: int = MAX_LINE_BYTES) -> Iterator[bytes | None]:
    """The lines of a text that arrives in pieces, without their line breaks; `None` for one longer than `max_bytes`.

    Holds one piece and one line. Pure.
    """
    begun: list[bytes] = []
    size = 0
    for chunk in chunks:
        first, *others = chunk.split(b"\n")
        size += len(first)
        if others:
            yield b"".join((*begun, first)) if size <= max_bytes else None
            begun.clear()
            *whole, first = others
            for line in whole:
                yield line if len(line) <= max_bytes else None
            size = len(first)
        if size <= max_bytes:
            begun.append(first)
    if size:
        yield b"".join(begun) if size <= max_bytes else None
