"""Tasks that begin where they are made, up to their first suspension, as services may have it from Python 3.12 on.

As a plugin, `-p tests.eager`, it has every event loop of the tests' process make such tasks.
"""

from __future__ import annotations

import asyncio
from functools import wraps
from typing import Any

import pytest

FACTORY: Any = getattr(asyncio, "eager_task_factory", None)


def pytest_configure() -> None:
    if FACTORY is None:
        raise pytest.UsageError("before Python 3.12 no task begins where it is made")
    loop: Any = asyncio.BaseEventLoop
    made = loop.__init__

    @wraps(made)
    def make(self: Any) -> None:
        made(self)
        self.set_task_factory(FACTORY)

    loop.__init__ = make  # those of pytest-asyncio, of `asyncio.run` and of one's own factories alike
