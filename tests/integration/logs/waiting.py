"""Waiting for something to come true, up to a deadline."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

DEADLINE_SECONDS = 30.0


async def eventually(condition: Callable[[], bool]) -> None:
    """Return as soon as `condition` holds.

    Raises:
        TimeoutError: It does not within the deadline.
    """
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110 -- nothing tells when it does; until=2027-12-31
            await asyncio.sleep(0.002)
