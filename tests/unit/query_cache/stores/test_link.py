"""A connection without a socket."""

from __future__ import annotations

from typing import Any, cast

import pytest

from quickwins.query_cache.stores._link import Link
from quickwins.query_cache.stores._resp import command

pytestmark = pytest.mark.asyncio


class Foreign:
    """A transport of a loop that derives its own from none of asyncio's, as uvloop does."""

    def __init__(self) -> None:
        self.written: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.written.append(data)


async def test_a_transport_of_any_loop_will_do() -> None:
    foreign, alive = Foreign(), set[Link]()
    link = Link(lambda _: None, lambda _: None, alive)
    link.connection_made(cast("Any", foreign))
    reply = link.send(b"PING")
    link.data_received(b"+PONG\r\n")
    assert await reply is not None
    assert (foreign.written, alive) == ([command(b"PING")], {link})
