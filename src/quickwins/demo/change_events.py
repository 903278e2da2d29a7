"""Change events with 22 % duplicates, counted by a projector that is killed twice: once with deduplication off, once on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections import Counter
from random import Random
from signal import Signals
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from quickwins.core.errors import needs_extra
from quickwins.demo.result import DuplicatesResult, Projector
from quickwins.engines import Child, EngineError, EngineFailure, KafkaBroker

with needs_extra("demo"):
    import asyncpg
    from aiokafka import AIOKafkaProducer
    from aiokafka.admin import AIOKafkaAdminClient, NewTopic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

DUPLICATES = 0.22
"""The share of records that the source has sent before."""
KILLS = 2
POSTS = 50
_RESTARTS = 6
_READY_SECONDS = 60.0
_POLL_SECONDS = 0.005
_TABLES = """
CREATE TABLE post_likes (post_id bigint PRIMARY KEY, likes bigint NOT NULL);
"""


def likes(count: int, seed: int) -> list[int]:
    """Which posts are liked, one after the other."""
    rng = Random(seed)  # noqa: S311 -- a load to repeat, not a secret; until=never
    return [rng.randrange(POSTS) for _ in range(count)]


def sent(count: int, seed: int) -> list[int]:
    """The numbers of the events as they are sent: the connector is started again now and then, and goes back."""
    rng = Random(seed)  # noqa: S311 -- see above; until=never
    again = round(count * DUPLICATES / (1 - DUPLICATES))
    ends = sorted(rng.sample(range(again // _RESTARTS + 1, count), _RESTARTS))
    records: list[int] = []
    done = 0
    for number, end in enumerate(ends):
        back = again // _RESTARTS + (number < again % _RESTARTS)
        records += range(done, end)
        records += range(end - back, end)
        done = end
    return [*records, *range(done, count)]


def event(number: int, post: int) -> bytes:
    """As Debezium's connector for PostgreSQL sends an inserted row."""
    commit, lsn = 1_000 + 100 * number, 1_050 + 100 * number
    source = {
        "connector": "postgresql",
        "schema": "public",
        "table": "likes",
        "lsn": lsn,
        "sequence": f'["{commit}","{lsn}"]',
        "txId": 1 + number,
    }
    return json.dumps({"op": "c", "source": source, "after": {"id": number, "post_id": post}}).encode()


async def run_change_events(
    url: str, *, folder: Path, events: int, seed: int, progress: Callable[[str], None]
) -> DuplicatesResult:
    """Send the events once, and have them counted twice.

    Args:
        url: The server; databases of our own are made on it.
        folder: For configurations and logs; created here.
        events: How many likes there are in truth.
        seed: Of the likes and of what is sent again.
        progress: Told about each step.
    """
    os.mkdir(folder)  # noqa: PTH102 -- once, before anything runs; until=never
    posts, order = likes(events, seed), sent(events, seed)
    truth = Counter(posts)
    progress("starting a broker, and sending change events")
    broker = await asyncio.to_thread(KafkaBroker.start)
    try:
        await _send(broker.url, [(number, posts[number]) for number in order])
        progress(f"two projectors count them, deduplication off and on, and are killed {KILLS} times")
        found = await asyncio.gather(
            *(
                _count(url, broker.url, folder=folder, title=title, on=on, records=len(order), truth=truth)
                for title, on in (("deduplication off", False), ("deduplication on", True))
            )
        )
    finally:
        await asyncio.to_thread(broker.stop)
    return DuplicatesResult(len(order), len(order) - events, events, KILLS, tuple(found))


async def _send(bootstrap: str, records: Sequence[tuple[int, int]]) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        topics = [NewTopic(_topic(on), num_partitions=1, replication_factor=1) for on in (False, True)]
        await admin.create_topics(topics)
    finally:
        await admin.close()
    async with AIOKafkaProducer(bootstrap_servers=bootstrap, linger_ms=5) as producer:
        for number, post in records:
            for on in (False, True):
                await producer.send(_topic(on), event(number, post), key=b'{"id":%d}' % number, partition=0)


def _topic(on: bool) -> str:
    return f"demo.public.likes.{'on' if on else 'off'}"


async def _count(
    url: str, bootstrap: str, *, folder: Path, title: str, on: bool, records: int, truth: Counter[int]
) -> Projector:
    name = f"projector_{'on' if on else 'off'}"
    connection = await asyncpg.connect(url)
    await connection.execute(f"CREATE DATABASE {name}")
    await connection.close()
    own = urlsplit(url)._replace(path=f"/{name}").geturl()
    config = folder / f"{name}.toml"
    config.write_text(
        f'service = "projector"\n\n[dedup]\nenabled = {str(on).lower()}\n\n# quickwins: complete\n',
        encoding="utf-8",
    )
    command = [sys.executable, "-m", "quickwins.demo.service.projector"]
    command += ["--config", str(config), "--bootstrap", bootstrap, "--topic", _topic(on)]
    kept = {key: value for key, value in os.environ.items() if not key.startswith("QUICKWINS_")}
    began = time.monotonic()
    watch = await asyncpg.connect(own)
    try:
        await watch.execute(_TABLES)
        with Child.start(
            command, name=name, log_path=folder / f"{name}.log", env={**kept, "FEED_DATABASE_URL": own}
        ) as child:
            for kill in range(1, KILLS + 1):
                await _until(watch, child, kill * records // (KILLS + 1))
                await asyncio.to_thread(_kill, child)
            await _until(watch, child, records)
            await asyncio.to_thread(child.halt)
        rows = await watch.fetch("SELECT post_id, likes FROM post_likes")
    finally:
        await watch.close()
    counted = {row["post_id"]: row["likes"] for row in rows}
    wrong = sum(counted.get(post, 0) != truth.get(post, 0) for post in range(POSTS))
    return Projector(title, sum(counted.values()), wrong, time.monotonic() - began)


def _kill(child: Child) -> None:
    child.signal(Signals.SIGKILL)
    child.wait()
    child.restart()


async def _until(watch: asyncpg.Connection, child: Child, offset: int) -> None:
    deadline = time.monotonic() + _READY_SECONDS
    while True:
        if await watch.fetchval("SELECT to_regclass('quickwins.dedup_cursors') IS NOT NULL"):
            at = await watch.fetchval("SELECT next_offset FROM quickwins.dedup_cursors")
            if at is not None and at >= offset:
                return
        status = await asyncio.to_thread(child.poll)
        if status is not None or time.monotonic() > deadline:
            raise EngineError(
                f"{child.name} does not get on (status {status}):\n{child.log_tail()}",
                reason=EngineFailure.EXITED,
            )
        await asyncio.sleep(_POLL_SECONDS)
