"""Waiting for something to come true, up to a deadline: never for a time."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_SECONDS: Final = 30.0
"""Patience with anything that takes milliseconds on an idle machine."""

LOOK_SECONDS: Final = 0.002
"""Between two looks at what happens in this process."""

PROCESS_LOOK_SECONDS: Final = 0.01
"""Between two looks at other processes, which cost more."""


async def eventually(
    condition: Callable[[], object], what: object = "it never came true", seconds: float = DEADLINE_SECONDS
) -> None:
    """Return as soon as `condition()` is true; fail with `what` after `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        await asyncio.sleep(LOOK_SECONDS)


def wait_until(
    condition: Callable[[], object],
    what: object = "it never came true",
    seconds: float = DEADLINE_SECONDS,
    *,
    look_seconds: float = PROCESS_LOOK_SECONDS,
) -> None:
    """Do the same as `eventually` without an event loop, for what threads and other processes do."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(look_seconds)
