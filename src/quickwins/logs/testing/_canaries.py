"""Secrets for every place through which a service gets data, and what is written while they are looked for."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from quickwins.logs.testing._finder import Canary, Finder, Leak, Shape, make

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_SHOWN = 20
_CHUNK_BYTES = 1 << 16


class LeakError(AssertionError):
    """A secret that was planted is in what was written; the message says which and how, and not the secret."""


class Watched:
    """What was written within `Canaries.watching`.

    Attributes:
        data: All of it, once the block has ended.
    """

    def __init__(self) -> None:
        self.data = b""

    def __repr__(self) -> str:
        return f"<Watched {len(self.data)} bytes>"


class Canaries:
    """Secrets for every place through which a service gets data, each there and nowhere else.

    Every call of a method gives the same secrets again.

    Attributes:
        seed: Makes the same secrets again.
        planted: All of them.
    """

    def __init__(self, seed: int | None = None) -> None:
        """Make them up.

        Args:
            seed: Of an earlier run, from its failure; `None`: new ones.
        """
        self.seed = secrets.randbits(64) if seed is None else seed
        self._rng = Random(self.seed)  # noqa: S311 -- they protect nothing, and must come again; until=never
        self.planted: tuple[Canary, ...] = ()
        text = self._text
        self._headers = {
            "authorization": text("headers.authorization", Shape.BEARER),
            "cookie": f"session={text('headers.cookie', Shape.OPAQUE)}; u={text('headers.cookie', Shape.EMAIL)}",
            "x-api-key": text("headers.x-api-key", Shape.STRIPE),
            "x-auth-token": text("headers.x-auth-token", Shape.JWT),
            "x-note": text("headers.x-note", Shape.OPAQUE),
            # Headers that are read get some too: they must be recognised, or not shown.
            "x-correlation-id": text("headers.x-correlation-id", Shape.EMAIL),
            "traceparent": f"00-{text('headers.traceparent', Shape.OPAQUE)}",
            "tracestate": f"vendor={text('headers.tracestate', Shape.OPAQUE)}",
            "baggage": f"user={text('headers.baggage', Shape.EMAIL)}",
        }
        self._path = "/".join(
            ("", "users", text("path", Shape.EMAIL), "orders", text("path", Shape.OPAQUE)),
        )
        self._query = {
            "token": text("query.token", Shape.OPAQUE),
            "email": text("query.email", Shape.EMAIL),
            "card": text("query.card", Shape.CARD),
            "q": text("query.q", Shape.OPAQUE),
        }
        self._body = self._document("body")
        self._variables = self._document("variables")
        self._kafka = self._document("kafka")
        self._messages = [
            text("exception", Shape.OPAQUE),
            text("exception", Shape.EMAIL),
            text("exception", Shape.DSN),
            text("exception", Shape.PEM),
        ]
        self._cause = text("exception.cause", Shape.GITHUB)
        self._note = text("exception.note", Shape.OPAQUE)
        self._repr = (
            f"{text('object', Shape.OPAQUE)} {text('object', Shape.AWS)} {text('object', Shape.PHONE)}"
        )
        self._finder = Finder(self.planted)

    def __repr__(self) -> str:
        return f"<Canaries seed={self.seed}, {len(self.planted)} planted>"

    def _text(self, place: str, shape: Shape) -> str:
        canary = make(place, shape, self._rng)
        self.planted += (canary,)
        return canary.text

    def _document(self, place: str) -> dict[str, Any]:
        text = self._text
        return {
            "password": text(f"{place}.password", Shape.OPAQUE),
            "email": text(f"{place}.email", Shape.EMAIL),
            "note": f"call me at {text(f'{place}.note', Shape.PHONE)}, or not",
            "payment": {
                "number": text(f"{place}.payment.number", Shape.CARD),
                "access_token": text(f"{place}.payment.access_token", Shape.OPAQUE),
            },
            "keys": [
                text(f"{place}.keys", Shape.AWS),
                {"github": text(f"{place}.keys.github", Shape.GITHUB)},
                text(f"{place}.keys", Shape.JWT),
            ],
        }

    def headers(self) -> dict[str, str]:
        """Headers of a request, names in lower case; gRPC takes `tuple(canaries.headers().items())` as metadata."""
        return dict(self._headers)

    def path(self) -> str:
        """A path, percent-encoded."""
        return quote(self._path)

    def query(self) -> dict[str, str]:
        """The parameters of a query string."""
        return dict(self._query)

    def body(self) -> dict[str, Any]:
        """A document for JSON. Secrets without a shape have telling names: even when logged, none may show."""
        return _copied(self._body)

    def variables(self) -> dict[str, Any]:
        """The variables of a GraphQL operation."""
        return _copied(self._variables)

    def kafka_value(self) -> bytes:
        """The value of a message, JSON."""
        return json.dumps(self._kafka).encode()

    def exception(self) -> Exception:
        """An exception to raise, with secrets in its message, its arguments, a note and its cause."""
        error = _CanaryError(" ".join(self._messages))
        error.add_note(self._note)
        error.__cause__ = KeyError(self._cause)
        return error

    def object(self) -> Any:
        """An object with secrets in its `repr`, `str`, format and attributes."""
        return _CanaryObject(self._repr)

    def leaks(self, data: bytes) -> list[Leak]:
        """Which of them are in `data`, plain or encoded, each once for each encoding."""
        return self._finder.find(data)

    def assert_clean(self, data: bytes) -> None:
        """Check that none of them is in `data`.

        Raises:
            LeakError: One is.
        """
        leaks = self.leaks(data)
        if leaks:
            shown = "".join(f"\n  {leak}" for leak in leaks[:_SHOWN])
            more = f"\n  and {len(leaks) - _SHOWN} more" if len(leaks) > _SHOWN else ""
            raise LeakError(f"{len(leaks)} planted secrets were written (seed {self.seed}):{shown}{more}")

    @contextmanager
    def watching(
        self,
        target: int | str | Path,
        *,
        flush: Callable[[], Any] | None = None,
        nothing_is_fine: bool = False,
    ) -> Iterator[Watched]:
        """Check everything that is written to `target` within the block.

        A descriptor is pointed to a temporary file meanwhile, for the whole process; what was written there reaches
        its usual place afterwards. Of a file, what is added is looked at.

        Args:
            target: A descriptor, such as 1 for standard output, or a file's path.
            flush: Called at the end, before looking: what writes in the background must have written by then, as
                after `pipeline.flush`. Returning false is a failure.
            nothing_is_fine: Off, the default: a block that writes nothing proves nothing, and fails.

        Raises:
            LeakError: A secret was written.
            AssertionError: Nothing was written at all, or not everything.
        """
        watched = Watched()
        with _redirected(target) if isinstance(target, int) else _followed(Path(target)) as read:
            yield watched
            if flush is not None and flush() is False:
                raise AssertionError(
                    f"not everything was written to {target} in time, so this proves nothing"
                )
            watched.data = read()
        if not watched.data and not nothing_is_fine:
            raise AssertionError(f"nothing was written to {target}, so this proves nothing")
        self.assert_clean(watched.data)


@contextmanager
def _redirected(descriptor: int) -> Iterator[Callable[[], bytes]]:
    with tempfile.TemporaryFile() as file:
        kept = os.dup(descriptor)
        os.dup2(file.fileno(), descriptor)

        def read() -> bytes:
            size = os.fstat(file.fileno()).st_size
            return os.pread(file.fileno(), size, 0)

        try:
            yield read
        finally:
            os.dup2(kept, descriptor)
            os.close(kept)
            written = memoryview(read())
            while written:
                written = written[os.write(descriptor, written[:_CHUNK_BYTES]) :]


@contextmanager
def _followed(path: Path) -> Iterator[Callable[[], bytes]]:
    before = path.stat() if path.exists() else None

    def read() -> bytes:
        if not path.exists():
            return b""
        data, now = path.read_bytes(), path.stat()
        same = before is not None and now.st_ino == before.st_ino and len(data) >= before.st_size
        return data[before.st_size :] if same and before is not None else data

    yield read


class _CanaryError(Exception):
    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.args[0]})"


class _CanaryObject:
    def __init__(self, text: str) -> None:
        self.text = text

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.text}>"

    def __str__(self) -> str:
        return self.text

    def __format__(self, spec: str) -> str:
        return self.text


def _copied(document: dict[str, Any]) -> dict[str, Any]:
    copied: dict[str, Any] = json.loads(json.dumps(document))
    return copied
