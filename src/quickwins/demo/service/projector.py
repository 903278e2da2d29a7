"""A projector: a process that counts likes from change events, each where its cursor stands, and is killed twice.

Started by `change_events.py` as `python -m quickwins.demo.service.projector`. `qw.dedup(...)` has each event count once; while its
flag is off, each record counts.
"""

from __future__ import annotations

import argparse
import asyncio
import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from quickwins.core.errors import needs_extra
from quickwins.dedup import DebeziumPostgres, PostgresState
from quickwins.demo.service.ready import serve_until_told
from quickwins.facade import QuickWins

with needs_extra("demo"):
    import asyncpg
    from aiokafka import AIOKafkaConsumer, TopicPartition

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickwins.dedup import Context, Event

BATCH = 20
"""Small, so that there are many steps at which a kill can come."""
_COUNT = """
INSERT INTO post_likes AS mine SELECT * FROM unnest($1::bigint[], $2::bigint[])
ON CONFLICT (post_id) DO UPDATE SET likes = mine.likes + excluded.likes
"""


async def project(*, config: Path, database_url: str, bootstrap: str, topic: str) -> None:
    """Count until SIGTERM or SIGINT."""
    async with (
        QuickWins.load(config, env=os.environ, registry=CollectorRegistry()) as qw,
        asyncpg.create_pool(database_url, min_size=1, max_size=2) as pool,
    ):
        dedup = qw.dedup(
            group="projector",
            identity=DebeziumPostgres(incarnation="demo"),
            store=PostgresState(pool, takeover_seconds=1),
        )

        @dedup.batch(max_records=BATCH)
        async def count(events: Sequence[Event], ctx: Context) -> None:
            likes = Counter(event.after["post_id"] for event in events)
            await ctx.tx.execute(_COUNT, [*likes], [*likes.values()])

        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            group_id=topic,
            auto_offset_reset="earliest",
            enable_auto_commit=False,
        )
        consumer.assign(
            [TopicPartition(topic, 0)]
        )  # of a group, Kafka would miss the killed one for seconds first
        async with consumer, dedup.attach(consumer) as run:
            running = asyncio.create_task(run())
            told = asyncio.create_task(serve_until_told())
            await asyncio.wait((running, told), return_when=asyncio.FIRST_COMPLETED)
            told.cancel()
            await dedup.stop()
            await running


def main(arguments: Sequence[str] | None = None) -> None:
    """Read the command line and count. The database's URL comes from the environment: `FEED_DATABASE_URL`."""
    parser = argparse.ArgumentParser(prog="python -m quickwins.demo.service.projector", description=__doc__)
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--bootstrap", required=True)
    parser.add_argument("--topic", required=True)
    options = parser.parse_args(arguments)
    asyncio.run(project(database_url=os.environ["FEED_DATABASE_URL"], **vars(options)))


if __name__ == "__main__":
    main()
