"""`quickwins dedup audit` finds what is lost and what is doubled in the effects of real events, and nothing else."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from quickwins.dedup import PostgresInbox, PostgresState
from quickwins.dedup._core.position import SourceId
from tests.integration.dedup.consuming import House, apply, house, send
from tests.unit.dedup.records import real_records

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from quickwins.dedup import Context, Event
    from tests.engines import Target

pytestmark = [pytest.mark.asyncio, pytest.mark.engines("kafka", "postgres"), pytest.mark.no_cover]
TOPIC = "nova.public.posts"


async def logged(events: Sequence[Event], ctx: Context) -> None:
    """A projector that also writes down which events it has applied."""
    await apply(events, ctx)
    for event in events:
        if isinstance(event.identity, SourceId):
            await ctx.tx.execute("INSERT INTO feed_log VALUES ($1)", event.identity.lsn)


@pytest_asyncio.fixture
async def real(kafka: Target, postgres_database: str, topic_prefix: str) -> AsyncIterator[House]:
    async with house(kafka.url, postgres_database, topic_prefix, (TOPIC,)) as made:
        await made.pool.execute("CREATE TABLE feed_log (lsn bigint)")
        yield made


async def audited(made: House, dsn: str, *more: str, effects: str = "SELECT lsn FROM feed_log") -> Any:
    """The exit code, and what it says."""
    command = [
        sys.executable,
        "-m",
        "quickwins",
        "dedup",
        "audit",
        "--bootstrap",
        made.bootstrap,
        "--dsn",
        dsn,
    ]
    command += ["--group", f"{made.prefix}group", "--topic", made.topics[0], "--effects", effects, *more]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("store", [PostgresState, PostgresInbox])
async def test_says_what_is_lost_and_what_is_doubled(
    real: House, postgres_database: str, store: type[PostgresState | PostgresInbox]
) -> None:
    records = [one for one in real_records() if one.topic == TOPIC]
    await send(real.bootstrap, records, real.prefix)
    dedup = real.dedup(store=store(real.pool), handler=logged)
    async with real.consumer() as consumer, dedup.attach(consumer) as run:
        task = asyncio.create_task(run())
        (at,) = consumer.assignment()
        while await consumer.committed(at) != len(records):
            assert not task.done(), task
            await asyncio.sleep(0.02)
        await dedup.stop()
        await task
    fine = await audited(real, postgres_database, "--json")
    assert fine.returncode == 0, fine.stderr
    said = json.loads(fine.stdout)
    assert said["records"] == len(records)
    assert (said["lost"], said["doubled"]) == (0, 0)
    assert said["duplicates"] > 100

    await real.pool.execute("DELETE FROM feed_log WHERE ctid = (SELECT min(ctid) FROM feed_log)")
    await real.pool.execute("INSERT INTO feed_log SELECT max(lsn) FROM feed_log")
    wrong = await audited(real, postgres_database, "--ranges", "2")
    assert wrong.returncode == 3
    assert wrong.stderr.splitlines()[-1] == "quickwins: lost 1, doubled 1"
    rows = [line.split("\t") for line in wrong.stdout.splitlines()]
    assert rows[0] == ["first", "last", "sent", "applied", "lost", "doubled"]
    assert [row[4:] for row in rows[1:]] == [["1", "0"], ["0", "1"]]


async def test_a_query_that_gives_no_positions_or_changes_something_is_refused(
    real: House, postgres_database: str
) -> None:
    await real.pool.execute("INSERT INTO events_keyless VALUES ('a', 1)")
    for effects, said in (
        ("SELECT kind FROM events_keyless", "that is no position"),
        ("DELETE FROM feed_log", "the query for the effects"),
    ):
        found = await audited(real, postgres_database, effects=effects)
        assert found.returncode == 2
        assert said in found.stderr


async def test_without_a_broker_or_a_database_it_fails_in_one_line(
    real: House, postgres_database: str
) -> None:
    found = await audited(real, postgres_database, "--bootstrap", "127.0.0.1:9")
    assert (found.returncode, found.stderr.count("\n")) == (5, 1), found.stderr
    found = await audited(real, "postgresql://nobody@127.0.0.1:9/nothing")
    assert (found.returncode, found.stderr.count("\n")) == (5, 1), found.stderr
