from __future__ import annotations

import io
import logging
from collections.abc import Iterator

import pytest

SECRET = "opaque-4Zk8"


class Loud:
    def __repr__(self) -> str:
        return SECRET

    __str__ = __repr__


@pytest.fixture
def plain() -> Iterator[io.StringIO]:
    """An application that logs plain text, at WARNING, and a library of it with a handler of its own."""
    root, library = logging.getLogger(), logging.getLogger("a_server")
    before = (root.handlers[:], root.level)
    text = io.StringIO()
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
