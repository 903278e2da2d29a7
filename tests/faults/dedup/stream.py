"""A long stream of change events, some of which their source sends again."""

from __future__ import annotations

import json
from random import Random

from tests.unit.dedup.records import Record, envelope

TOPIC = "long.public.likes"


def stream(count: int, seed: int, *, partitions: int = 1, duplicates: float = 0.22) -> list[Record]:
    """`count` events, each of an id of its own from 0 on; the connector is started again every now and then, and goes back."""
    rng = Random(seed)
    numbers: list[int] = []
    sent = again = 0
    while sent < count:
        step = min(count - sent, rng.randint(50, 1_500))
        numbers += range(sent, sent + step)
        sent += step
        back = min(round(sent * duplicates / (1 - duplicates)) - again, sent)
        numbers += range(sent - back, sent)
        again += back
    return [_record(number, number % partitions) for number in numbers]


def _record(number: int, partition: int) -> Record:
    change = envelope(
        "c",
        commit=1_000 + 100 * number,
        lsn=1_050 + 100 * number,
        transaction=1 + number,
        order=1,
        after={"id": number},
    )
    # Of an hour of the source's own clock: the inbox goes by it.
    change["source"]["ts_ms"] = 1_700_000_000_000 + number
    return Record(TOPIC, partition, 0, b'{"id":%d}' % number, json.dumps(change).encode())
