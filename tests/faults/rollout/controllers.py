"""Controllers as processes: `python -m tests.faults.rollout.controllers` starts one for each line of JSON on its input.

It forks them, as every one imports the same, and says how each ended. Nothing waits for time: a controller begins when the
lease of the one before it is over, by a clock of its own.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tomllib
import traceback
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
from prometheus_client import CollectorRegistry

from quickwins.core.clock import FakeClock
from quickwins.core.flags.writer import FlagWriter
from quickwins.facade import SECTIONS
from quickwins.rollout import Arm, FileStore, PostgresStore, Reading, RolloutController, Store
from tests.faults.rollout.points import Points, WatchedStore, WatchedWriter
from tests.unit.rollout.ramps import arm, healthy
from tests.unit.rollout.toys import Toy, plan

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

FEATURE = "backpressure"
TTL_SECONDS = 120
"""Longer than three leases: between two writes there may be as many controllers."""
MOST_LOOKS = 200


@asynccontextmanager
async def store_at(url: str) -> AsyncIterator[Store]:
    """The store at a path, or in a database."""
    if not url.startswith("postgresql:"):
        yield FileStore(Path(url))
        return
    async with asyncpg.create_pool(url, min_size=1, max_size=2) as pool:
        yield PostgresStore(pool)


class Traffic:
    """A service whose flag is in a file."""

    def __init__(self, config: Path, clock: FakeClock, *, breaks: bool) -> None:
        self._config = config
        self._toy = Toy(clock, canary=failing if breaks else healthy)

    async def read(self, feature: str, now: float) -> Reading:
        self._toy.fields = tomllib.loads(self._config.read_text())[feature]
        return await self._toy.read(feature, now)


def failing(requests: int) -> Arm:
    return arm(requests, errors=requests)


async def ramp(*, config: str, store: str, point: str = "", later: float = 0.0, breaks: bool = False) -> None:
    """Ramp until it is over, or this process dies at `point`.

    Args:
        config: The file with the flag.
        store: Where the ramp is kept.
        point: Where to die.
        later: How long after the end of the other's lease this one begins, in seconds.
        breaks: Whether the feature fails.
    """
    path, points, clock = Path(config), Points(point), FakeClock()
    async with store_at(store) as kept:
        async with kept.exclusive(FEATURE) as held:
            record = held.record
        clock.wall_now = max(clock.wall_now, record.until + 1 if record else 0.0) + later
        controller = RolloutController(
            Traffic(path, clock, breaks=breaks),
            WatchedWriter(FlagWriter(path, SECTIONS), points, path.with_suffix(".written")),
            WatchedStore(kept, points),
            clock=clock,
            feature=FEATURE,
            registry=CollectorRegistry(),
        )
        if record is None:
            await controller.start(plan(ttl=TTL_SECONDS))
        for _ in range(MOST_LOOKS):
            await controller.tick()
            state = await controller.status()
            assert state is not None
            if not state.active and state.intent is None:
                return
            await clock.advance(1)
        raise AssertionError(f"it does not end: {state}")


def child(about: dict[str, Any]) -> None:
    """Be a controller, and end."""
    code = 1
    try:
        asyncio.run(ramp(**about))
        code = 0
    except Exception:  # noqa: BLE001 -- whatever it is, the process is to end; until=never
        traceback.print_exc()
    finally:
        os._exit(code)


def main() -> None:
    for line in sys.stdin:
        process = os.fork()
        if not process:
            child(json.loads(line))
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
