"""Lines and logs of a small incident."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from quickwins.logs.timeline import (
    Earliest,
    Found,
    Log,
    Query,
    Severity,
    earliest,
    read,
    written,
)

START = 1_795_656_109_123_456
A, B, C = "a" * 32, "b" * 32, "c" * 32


def line(after: float = 0.0, service: str = "feed", level: str = "INFO", **fields: object) -> bytes:
    """A line as the pipeline writes it, so many seconds after the start; `__` in a name stands for a dot."""
    document = {
        "timestamp": written(START + round(after * 1e6)),
        "severity_text": level,
        "severity_number": int(Severity[level]),
        "event.name": "x",
        "service.name": service,
        **{name.replace("__", "."): value for name, value in fields.items()},
    }
    return json.dumps(document, separators=(",", ":")).encode()


def log(path: Path, *content: bytes) -> Log:
    path.write_bytes(b"".join(one + b"\n" for one in content))
    return Log.file(path)


def memory(*content: bytes, name: str = "memory") -> Log:
    """A stream that can be opened once."""
    stream = io.BufferedReader(io.BytesIO(b"".join(one + b"\n" for one in content)))
    return Log(name, lambda: stream, again=False)


def shown(sources: Sequence[Log], query: Query | None = None, limit: int = 1_000) -> Found[Earliest]:
    return read(sources, query or Query(), partial(earliest, limit=limit))


def events(reading: Found[Earliest]) -> list[object]:
    return [entry.fields()["event.name"] for entry in reading.result.entries]
