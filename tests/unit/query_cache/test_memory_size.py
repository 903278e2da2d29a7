"""What is accounted for the answers in memory is what they take."""

from __future__ import annotations

import gc
import tracemalloc
from random import Random

import pytest

from quickwins.query_cache._core.fences import entity, of_list, of_type, tag
from quickwins.query_cache._core.memory import Memory
from quickwins.query_cache._store import Entry
from quickwins.query_cache.l1 import L1

KINDS = {
    "small answers": (60, 0, 2),
    "a feed of twenty posts": (4_000, 40, 3),
    "large answers": (50_000, 10, 3),
    "many marks": (300, 200, 3),
    "no marks": (1_000, 0, 0),
}


def entry(rng: Random, number: int, memory: Memory, kind: str) -> Entry:
    body_bytes, entities, types = KINDS[kind]
    size = rng.randrange(body_bytes // 2, body_bytes * 3 // 2)
    return Entry(
        key=number.to_bytes(16, "big"),
        material=rng.randbytes(rng.randrange(80, 400)),
        body=rng.randbytes(size),
        content_type="application/json",
        etag=f'W/"{rng.randbytes(16).hex()}"',
        policy="PUBLIC",
        scope="PUBLIC",
        vary=(),
        marks=(
            *(entity("Post", str(rng.randrange(10**9))) for _ in range(entities)),
            *(of_type(f"Type{rng.randrange(10**6)}") for _ in range(types)),
            *([of_list(f"Query.f{rng.randrange(10**6)}"), tag(f"t:{rng.randrange(10**9)}")] if types else []),
        ),
        fence=memory.fence,
        stored_at=float(number),
        ttl_seconds=1e9 + rng.random(),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_accounted_bytes_are_within_a_tenth_of_what_is_measured(kind: str) -> None:
    rng = Random(7)
    memory = Memory(L1(max_bytes=1 << 30), "epoch", lambda: 0.0)
    for number in range(100):  # tables have their first size
        memory.put(entry(rng, number, memory, kind))
    gc.collect()
    tracemalloc.start()
    try:
        before, accounted = tracemalloc.get_traced_memory()[0], memory.size_bytes
        for number in range(100, 600):
            memory.put(entry(rng, number, memory, kind))
        gc.collect()
        measured = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert (memory.size_bytes - accounted) / measured == pytest.approx(1.0, abs=0.1)
