"""How fast ids are written into the inbox, beside a bare `INSERT ... SELECT unnest` of the same ids without conflict clause.

python -m benchmarks.dedup.inbox [--batches N] [--rounds N]

Both write batches of 1,000 new ids, each in a transaction of its own, with the same columns and the same primary key; the
inbox's go through what a batch of a consumer goes through (its ids in order, `ON CONFLICT DO NOTHING RETURNING`, answers).
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Any

import asyncpg

from benchmarks.program import command_line, conclude, on_postgres
from quickwins.dedup import DebeziumPostgres, Event, Op, PostgresInbox
from quickwins.dedup._core.ids import Asking
from quickwins.dedup.stores._base import Place
from quickwins.rig import Ratio

if TYPE_CHECKING:
    from quickwins.rig import Target

BATCH = 1_000
BARE = """
INSERT INTO bare (stream, partition, bucket, id, record_offset)
SELECT 1, 0, * FROM unnest($1::integer[], $2::bytea[], $3::bigint[])
"""
TABLE = """
CREATE TABLE bare (
    stream integer NOT NULL, bucket integer NOT NULL, id bytea NOT NULL, partition integer NOT NULL,
    record_offset bigint NOT NULL, payload bytea, PRIMARY KEY (id, bucket, stream)
)
"""


@dataclass
class Record:
    """As much of a record as writing an id looks at."""

    offset: int


async def bare(pool: asyncpg.Pool, batches: list[list[bytes]]) -> float:
    """Seconds."""
    began = time.perf_counter()
    for ids in batches:
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute(BARE, [1] * len(ids), ids, list(range(len(ids))))
    return time.perf_counter() - began


async def inbox(store: PostgresInbox, held: Any, batches: list[list[bytes]]) -> float:
    """Seconds."""
    began = time.perf_counter()
    for ids in batches:
        records: list[Any] = [Record(offset) for offset in range(len(ids))]
        events: list[Event | None] = [Event(record, Op.CREATE, None) for record in records]
        asking = Asking(records, events, dict(enumerate(ids)))
        async with store.transaction() as tx:
            answers = await store.write(tx, held, asking, dict.fromkeys(range(len(ids)), 1))
        assert not answers
    return time.perf_counter() - began


async def measure(dsn: str, *, count: int, rounds: int) -> list[Target]:
    """Both in turn, `rounds` times, with new ids each time."""
    rng = Random(1)
    ratios, took = [], {"bare": [0.0], "inbox": [0.0]}
    async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
        await pool.execute(TABLE)
        store = PostgresInbox(pool)
        await store.prepare()
        held = await store.take(Place("bench", "", "posts", 0), DebeziumPostgres(incarnation="pg1"), 1)
        await store.make(held, {1})
        for number in range(rounds + 1):
            batches = [[rng.randbytes(16) for _ in range(BATCH)] for _ in range(count)]
            seconds = {}
            for name in rng.sample(["bare", "inbox"], 2):
                writing = bare(pool, batches) if name == "bare" else inbox(store, held, batches)
                seconds[name] = await writing
            if number:  # the first is for what is done for the first time
                ratios.append(seconds["bare"] / seconds["inbox"])
                for name, taken in seconds.items():
                    took[name].append(taken)
    for name, all_of_them in took.items():
        print(f"{name:6} {BATCH * count * rounds / sum(all_of_them):10,.0f} ids/s")
    return [Ratio.of("PostgresInbox / bare INSERT of the same ids", ratios).at_least(0.5)]


def main(argv: list[str] | None = None) -> int:
    """Measure, print, and say whether the target was met."""
    parser = command_line("benchmarks.dedup.inbox", __doc__)
    parser.add_argument("--batches", type=int, default=30)
    parser.add_argument("--rounds", type=int, default=9)
    options: Any = parser.parse_args(argv)
    return conclude(on_postgres(lambda dsn: measure(dsn, count=options.batches, rounds=options.rounds)))


if __name__ == "__main__":
    sys.exit(main())
