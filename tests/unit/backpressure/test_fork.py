"""In a fork's child a gate begins with all of its permits, on whatever event loop it is used."""

from __future__ import annotations

import json
import subprocess
import sys

from tests.eventually import DEADLINE_SECONDS

FORKING = """
import asyncio, json, os, sys
from prometheus_client import CollectorRegistry
from quickwins.backpressure import Gate, PoolExhausted

gate = Gate.queue(size=1, queue_size=1, name="search", target_seconds=30, registry=CollectorRegistry())

async def use():
    async with gate.permit():
        return gate.stats().inflight

async def child():
    first = await use()
    held = asyncio.ensure_future(gate.permit().__aenter__())
    await held
    waiting = asyncio.ensure_future(use())
    await asyncio.sleep(0)
    try:
        await use()
    except PoolExhausted:
        pass
    held.result().done()
    return first, await waiting, gate.stats().inflight, gate.stats().waiting, dict(gate.stats().rejected)["queue_full"]

async def parent():
    async with gate.permit():
        waiting = asyncio.ensure_future(use())
        await asyncio.sleep(0)
        try:
            await use()
        except PoolExhausted:
            pass
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            print(json.dumps(asyncio.run(child())), flush=True)
            os._exit(0)
        os.waitpid(pid, 0)
        stats = gate.stats()
        held = stats.inflight, stats.waiting
    print(json.dumps([*held, await waiting, gate.stats().inflight]))

asyncio.run(parent())
"""


def test_a_childs_gate_has_all_its_permits_and_its_parents_keeps_those_that_it_gave() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKING],
        capture_output=True,
        check=False,
        text=True,
        timeout=6 * DEADLINE_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    in_child, in_parent = (json.loads(line) for line in done.stdout.splitlines())
    assert in_child == [1, 1, 0, 0, 1]
    assert in_parent == [1, 1, 1, 0]
