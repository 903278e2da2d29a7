"""The flag is turned while calls run: no call notices, and each goes where the flag was when it began."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from quickwins.channels import ChannelsSettings
from quickwins.core.flags import Flags, MemorySource
from tests.backends.calls import GET, PUT, load
from tests.backends.fleet import behind_one_address, fleet
from tests.eventually import eventually
from tests.integration.channels.kinds import ours

pytestmark = [pytest.mark.asyncio, pytest.mark.no_cover]

FLIPS = 20


class Switch:
    """A flag and the hand on it."""

    def __init__(self, **fields: object) -> None:
        self._source = MemorySource({"channels": fields})
        self._flags = Flags({"channels": ChannelsSettings}, [self._source], registry=CollectorRegistry())
        self.flag = self._flags.flag("channels")

    def set(self, **fields: object) -> None:
        self._source.set("channels", **fields)
        assert self._flags.poll()


async def test_twenty_times_under_load(tmp_path: Path) -> None:
    switch = Switch(enabled=True)
    async with (
        behind_one_address(tmp_path, 3) as (balancer, _),
        ours(f"127.0.0.1:{balancer.port}", methods=[GET], flag=switch.flag) as channel,
        load(channel, GET, workers=4) as safe,
        load(channel, PUT, workers=4, seed=2) as once,
    ):
        for flip in range(FLIPS):
            await safe.more(15)
            switch.set(enabled=bool(flip % 2))
        await once.more(15)
    assert safe.failed == once.failed == {}


async def test_turned_off_it_is_one_connection_and_turned_on_again_several(tmp_path: Path) -> None:
    switch = Switch(enabled=False)
    async with (
        fleet(tmp_path, 1) as [backend],
        ours(f"127.0.0.1:{backend.port}", flag=switch.flag) as channel,
    ):

        async def peers(name: str) -> int:
            for number in range(9):
                await channel.unary_unary(PUT)(f"sleep 0 {name}{number}".encode())
            return len({entry.peer for entry in backend.entries() if entry.call.startswith(name)})

        assert await peers("off") == 1
        switch.set(enabled=True)
        await peers("warm")
        await eventually(lambda: {one.state for one in channel.stats().members} == {"ready"})
        assert await peers("on") == 3
        slow = channel.unary_unary(PUT)(b"sleep 0.3 slow")
        switch.set(enabled=False)
        assert await peers("again") == 1
        assert await slow == b"backend0"
        switch.set(killed=True)
        assert await peers("killed") == 1
