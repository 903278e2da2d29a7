"""Many who ask the same at once, in several processes over a real store."""

from __future__ import annotations

import asyncio
import secrets
import sys

import pytest

from tests import untraced
from tests.engines import Target

pytestmark = [pytest.mark.asyncio, pytest.mark.engines("valkey")]

PROCESSES = 3
MISSES = 1_000


async def test_a_thousand_misses_at_once_are_one_execution_in_each_process(valkey: Target) -> None:
    name = secrets.token_hex(6)
    program = [sys.executable, "-m", "tests.integration.query_cache.flooded", valkey.url, name, str(MISSES)]
    pipe = asyncio.subprocess.PIPE
    running = [
        await asyncio.create_subprocess_exec(*program, stdin=pipe, stdout=pipe, env=untraced.environment())
        for _ in range(PROCESSES)
    ]
    try:
        for process in running:
            assert process.stdout is not None
            assert await process.stdout.readline() == b"ready\n"
        answers = await asyncio.gather(*(process.communicate(b"go\n") for process in running))
    finally:
        for process in running:
            if process.returncode is None:
                process.kill()
            await process.wait()
    said = [tuple(map(int, out.split())) for out, _ in answers]
    assert [right for _, right in said] == [MISSES] * PROCESSES
    assert all(runs <= 1 for runs, _ in said)
    assert sum(runs for runs, _ in said) >= 1
