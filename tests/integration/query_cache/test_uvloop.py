"""The shared store on the loop that most services run on."""

from __future__ import annotations

import asyncio

import pytest
import uvloop

from tests.engines import Target
from tests.shared_store import process, some_namespace, without_time


@pytest.mark.engines("valkey")
def test_an_answer_is_found_by_other_processes_as_it_was_put(valkey: Target) -> None:
    async def use() -> None:
        namespace = some_namespace()
        async with process(valkey.url, namespace) as one, process(valkey.url, namespace) as other:
            await one.there()
            await other.there()
            entry = await one.stored()
            found = (await other.store.get(entry.key)).entry
            assert found is not None
            assert without_time(found) == without_time(entry)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(use())
