"""Load on a channel: workers that call without a pause, and what became of each call."""

from __future__ import annotations

import asyncio
import itertools
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import grpc
import grpc.aio

from tests.eventually import DEADLINE_SECONDS, eventually

GET: Final = "/probe.Probe/Get"
PUT: Final = "/probe.Probe/Put"
PATIENCE_SECONDS: Final = 30.0


@dataclass(slots=True)
class Seen:
    """What callers saw.

    Attributes:
        codes: How many calls ended so: the status, or the name of another exception.
        by: How many calls each backend answered.
        failed: The calls that did not succeed, each with its status.
        details: What gRPC said of them.
        calls: The names of all calls that were made, in order.
    """

    codes: Counter[str] = field(default_factory=Counter)
    by: Counter[str] = field(default_factory=Counter)
    failed: dict[str, str] = field(default_factory=dict)
    details: Counter[str | None] = field(default_factory=Counter)
    calls: list[str] = field(default_factory=list)

    @property
    def served(self) -> int:
        return self.codes["OK"]

    @property
    def ended(self) -> int:
        return self.codes.total()

    def record(self, call: str, code: str, answer: bytes = b"") -> None:
        self.codes[code] += 1
        if code == "OK":
            self.by[answer.decode()] += 1
        else:
            self.failed[call] = code

    async def more(self, number: int, *, seconds: float = DEADLINE_SECONDS) -> None:
        """Return once so many more calls have succeeded; fail after so many seconds."""
        goal = self.served + number
        await eventually(lambda: self.served >= goal, self.codes, seconds)


@asynccontextmanager
async def load(
    channel: grpc.aio.Channel,
    method: str = GET,
    *,
    workers: int = 8,
    timeout_seconds: float | None = 5.0,
    sleep_seconds: float = 0.002,
    pause_seconds: float = 0.0,
    request: Callable[[str], str] | None = None,
    seed: int = 1,
) -> AsyncIterator[Seen]:
    """Workers that call `method` again and again; all have ended when it ends.

    Args:
        sleep_seconds: How long the server takes for each call.
        pause_seconds: How long a worker rests after each call, about.
    """
    seen = Seen()
    numbers = itertools.count()
    going = True
    call: Any = channel.unary_unary(method)

    async def work(worker: int) -> None:
        rng = Random(f"{seed} {worker}")
        while going:
            name = f"{seed}-{next(numbers)}"
            seen.calls.append(name)
            words = (
                request(name) if request is not None else f"sleep {sleep_seconds * rng.uniform(0.5, 1.5):.4f}"
            )
            try:
                answer = await call(f"{words} {name}".encode(), timeout=timeout_seconds)
            except grpc.aio.AioRpcError as error:
                seen.record(name, error.code().name)
                seen.details[error.details()] += 1
                await asyncio.sleep(0.001)  # a refusal that never waits must not keep the loop for itself
            except asyncio.CancelledError:
                task = asyncio.current_task()
                assert task is not None
                if task.cancelling():
                    raise
                seen.record(name, "CancelledError")
            except Exception as error:  # noqa: BLE001 -- whatever else it raises is a finding; until=never
                seen.record(name, type(error).__name__)
                await asyncio.sleep(0.001)
            else:
                seen.record(name, "OK", answer)
            if pause_seconds:
                await asyncio.sleep(pause_seconds * rng.uniform(0.5, 1.5))

    tasks = [asyncio.ensure_future(work(number)) for number in range(workers)]
    try:
        yield seen
    finally:
        going = False
        await asyncio.wait_for(asyncio.gather(*tasks), PATIENCE_SECONDS)
