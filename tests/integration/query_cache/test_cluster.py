"""A cluster: all of a namespace is in one slot, and the node that has it is found."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
import valkey as client

from quickwins.engines import ValkeyServer
from quickwins.query_cache._core.fences import Invalidation
from tests.eventually import wait_until
from tests.shared_store import USER_1, process, some_namespace, voiding

pytestmark = [pytest.mark.asyncio, pytest.mark.engines()]

SLOTS = 16_384
NODES = 2


@pytest.fixture(scope="module")
def cluster() -> Iterator[list[str]]:
    """The addresses of two nodes, each with half of the slots."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(ValkeyServer.start(settings={"cluster-enabled": "yes"})) for _ in range(NODES)
        ]
        nodes = [stack.enter_context(client.Valkey.from_url(server.url)) for server in servers]
        for number, node in enumerate(nodes):
            half = SLOTS // NODES
            node.execute_command("CLUSTER ADDSLOTSRANGE", number * half, (number + 1) * half - 1)
            node.execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        nodes[0].execute_command("CLUSTER MEET", "127.0.0.1", servers[1].port)
        wait_until(
            lambda: all(node.execute_command("CLUSTER INFO")["cluster_state"] == "ok" for node in nodes)
        )
        yield [server.url for server in servers]


async def test_whichever_node_is_named_the_one_with_the_slot_is_asked(cluster: list[str]) -> None:
    asked = set()
    for number in range(12):
        namespace = f"{some_namespace()}:{number}"
        async with process(cluster[0], namespace) as one, process(cluster[1], namespace) as other:
            await one.there()
            await other.there()
            entry = await one.stored()
            assert await other.has(entry.key)
            await other.store.invalidate(Invalidation(frozenset({USER_1}), ("user:",)))
            assert not await one.has(entry.key)
            assert not await one.store.put(entry)
            assert await one.store.invalidate(voiding(USER_1)) is not None
            asked |= {repr(one.store), repr(other.store)}
    assert len(asked) == NODES, "both nodes have had some of the namespaces"
