from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest
import structlog

from tests.unit.logs.conftest import Written

SECRET = "opaque-4Zk8"


class Loud:
    def __repr__(self) -> str:
        return SECRET

    __str__ = __repr__


class Console(io.StringIO):
    """Standard error, as it shows itself."""

    def fileno(self) -> int:
        return 2


@pytest.fixture
def plain() -> Iterator[io.StringIO]:
    """An application that logs plain text to standard error, at WARNING, and a library of it with a handler of its own."""
    root, library = logging.getLogger(), logging.getLogger("a_server")
    before = (root.handlers[:], root.level)
    text = Console()
    root.handlers[:] = [logging.StreamHandler(text)]
    root.setLevel(logging.WARNING)
    own = logging.StreamHandler(text)
    own.setFormatter(logging.Formatter("server: %(message)s"))
    library.handlers[:], library.propagate = [own], False
    library.setLevel(logging.INFO)
    yield text
    root.handlers[:], root.level = before
    library.handlers[:], library.propagate = [], True
    library.setLevel(logging.NOTSET)


class Seen(logging.Handler):
    """What goes elsewhere, as OpenTelemetry's handler does."""

    def __init__(self) -> None:
        super().__init__()
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    @property
    def texts(self) -> list[str]:
        return [record.getMessage() for record in self.records]


@pytest.fixture
def untouched(plain: io.StringIO) -> Iterator[None]:
    """Loggers as others find them, and structlog not configured."""
    structlog.reset_defaults()
    root = logging.getLogger()
    disabled = {
        one: one.disabled
        for one in logging.root.manager.loggerDict.values()
        if isinstance(one, logging.Logger)
    }
    yield
    structlog.reset_defaults()
    for logger in logging.root.manager.loggerDict.values():
        if isinstance(logger, logging.Logger):
            logger.disabled = disabled.get(logger, False)
    root.handlers[:] = []


def events(written: Written) -> list[str]:
    return [line["event.name"] for line in written.lines]


def bodies(written: Written) -> list[str]:
    return [line["body"] for line in written.lines]
