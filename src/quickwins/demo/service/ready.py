"""How a process of the demo says it is ready, and how it is told to end."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def write_ready_file(path: Path, **facts: str | int) -> None:
    """Write `facts` (name, ports) to `path` in one step: a reader sees all of them, or no file."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps(facts), encoding="utf-8")
    os.replace(draft, path)  # noqa: PTH105 -- says "atomic" where Path.replace says "rename"; until=never


async def serve_until_told() -> None:
    """Wait for SIGTERM or SIGINT. Main thread only; a second signal of either kind changes nothing."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    await told.wait()
