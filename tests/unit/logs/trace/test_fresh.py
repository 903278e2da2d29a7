from __future__ import annotations

import multiprocessing
import random
from typing import TYPE_CHECKING

from quickwins.logs._context import EMPTY, Canonical
from quickwins.logs._trace.fresh import BLOCK, fresh
from quickwins.logs._trace.request import begin, departing

if TYPE_CHECKING:
    from multiprocessing.queues import SimpleQueue

    from quickwins.logs._context import Context

MANY = 3 * BLOCK


def begun() -> Context:
    return begin(EMPTY, (None, None, None), trusted=False, rng=random, canonical=Canonical())


def ids() -> list[str]:
    return [value for _ in range(MANY) for _, value in departing(begun())]


def test_no_two_requests_share_an_id_or_anything_that_changes() -> None:
    contexts = [begun() for _ in range(MANY)]
    traces = [context.trace for context in contexts if context.trace is not None]
    assert len({trace.trace_id for trace in traces}) == len({trace.span_id for trace in traces}) == MANY
    assert len({id(context.fields) for context in contexts}) == MANY
    assert len({id(context.canonical) for context in contexts}) == MANY
    assert all(
        context.fields == {"correlation_id": trace.trace_id}
        for context, trace in zip(contexts, traces, strict=True)
    )


def test_another_source_of_randomness_gives_its_own_ids_and_no_more_than_are_wanted() -> None:
    assert fresh(random.Random(1)).trace == fresh(random.Random(1)).trace
    source, same = random.Random(2), random.Random(2)
    first = fresh(source).trace
    begun()
    assert [first, fresh(source).trace] == [fresh(same).trace, fresh(same).trace]


def send_ids(queue: SimpleQueue[list[str]]) -> None:
    queue.put(ids())


def test_a_child_of_a_fork_draws_its_own_ids() -> None:
    begun()  # what is left of the block is there in both
    forking = multiprocessing.get_context("fork")
    queue = forking.SimpleQueue()
    child = forking.Process(target=send_ids, args=(queue,))
    child.start()
    theirs = queue.get()
    child.join()
    assert len(theirs) == 2 * MANY
    assert not {*theirs} & {*ids()}
