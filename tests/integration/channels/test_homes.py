"""A channel belongs to one event loop and one process: elsewhere it says so at once, and never hangs."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests import untraced
from tests.backends.fleet import fleet

BEGIN = """
import asyncio, os, sys, threading
from quickwins.channels import ChannelMisuse, PoolConfig, rotating_channel

channel = rotating_channel(sys.argv[1], config=PoolConfig(mode="pool"))
get = channel.unary_unary("/probe.Probe/Get")

async def ask():
    return await get(b"sleep 0 one", timeout=5)
"""

PROGRAMS = {
    "made where no loop runs": """
        print(asyncio.run(ask()))
    """,
    "a second loop after the first has ended": """
        print(asyncio.run(ask()))
        try:
            asyncio.run(ask())
        except ChannelMisuse as error:
            print(error.reason.value)
    """,
    "a second loop beside the first": """
        async def both():
            print(await ask())
            def elsewhere():
                try:
                    asyncio.run(ask())
                except ChannelMisuse as error:
                    print(error.reason.value)
            await asyncio.to_thread(elsewhere)
            print(await ask())
            await channel.close()
        asyncio.run(both())
    """,
    "no loop at all": """
        try:
            get(b"")
        except ChannelMisuse as error:
            print(error.reason.value)
    """,
    "in a forked process": """
        async def parent():
            print(await ask(), flush=True)
            child = os.fork()
            if not child:
                try:
                    get(b"sleep 0 two", timeout=5)
                except ChannelMisuse as error:
                    print(error.reason.value, flush=True)
                os._exit(0)
            await asyncio.to_thread(os.waitpid, child, 0)
            print(await ask())
            await channel.close()
        asyncio.run(parent())
    """,
    "made before a fork and used only after it": """
        child = os.fork()
        if not child:
            print(asyncio.run(ask()), flush=True)
            os._exit(0)
        os.waitpid(child, 0)
        print(asyncio.run(ask()))
    """,
}
EXPECTED = {
    "made where no loop runs": ["b'backend0'"],
    "a second loop after the first has ended": ["b'backend0'", "loop"],
    "a second loop beside the first": ["b'backend0'", "loop", "b'backend0'"],
    "no loop at all": ["no_loop"],
    "in a forked process": ["b'backend0'", "fork", "b'backend0'"],
    "made before a fork and used only after it": ["b'backend0'", "b'backend0'"],
}


@pytest.mark.asyncio
@pytest.mark.no_cover
@pytest.mark.parametrize("where", [*PROGRAMS])
async def test_it_works_at_home_and_says_so_elsewhere(tmp_path: Path, where: str) -> None:
    async with fleet(tmp_path, 1) as [backend]:
        ended = subprocess.run(  # noqa: ASYNC221 -- nothing else is to do meanwhile; until=never
            [sys.executable, "-c", BEGIN + textwrap.dedent(PROGRAMS[where]), f"127.0.0.1:{backend.port}"],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
            # Its handlers for a fork crash the child now and then.
            env=untraced.environment() | {"GRPC_ENABLE_FORK_SUPPORT": "false"},
        )
    assert (ended.returncode, ended.stdout.splitlines()) == (0, EXPECTED[where]), ended.stderr
