"""Deduplication ramped by its own unit: batches through a real broker are counted, and harm takes it back."""

from __future__ import annotations

import asyncio
import tomllib
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from aiokafka import AIOKafkaProducer
from prometheus_client import CollectorRegistry

from quickwins import QuickWins
from quickwins.core.flags.writer import FlagWriter
from quickwins.dedup import DeadLetterTable
from quickwins.facade import SECTIONS
from quickwins.rollout import FileStore, Phase, Plan, RegistrySource, RolloutController
from quickwins.rollout.work import RolloutWork
from tests.eventually import DEADLINE_SECONDS
from tests.integration.dedup.consuming import House, apply, house
from tests.unit.dedup.records import record

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence
    from pathlib import Path

    from quickwins.dedup import Context, Event
    from quickwins.rollout import Look
    from tests.engines import Target

pytestmark = [pytest.mark.asyncio, pytest.mark.engines("kafka", "postgres"), pytest.mark.any_server]
POSTS = "feed.public.posts"
PARTITIONS = 4


@pytest_asyncio.fixture
async def posts(kafka: Target, postgres_database: str, topic_prefix: str) -> AsyncIterator[House]:
    async with house(kafka.url, postgres_database, topic_prefix, (POSTS,), partitions=PARTITIONS) as made:
        yield made


async def feed(posts: House, sent: list[int], over: asyncio.Event) -> None:
    """Send rows, each twice, until it is `over`."""
    async with AIOKafkaProducer(bootstrap_servers=posts.bootstrap) as producer:
        while not over.is_set():
            number = len(sent)
            row = {"id": number, "user_id": 1, "body": "x", "likes": 0}
            one = record(
                key=b"%d" % number,
                lsn=1_000 + 10 * number,
                commit=990 + 10 * number,
                transaction=number,
                after=row,
            )
            for _ in range(2):
                await producer.send_and_wait(
                    posts.topics[0], one.value, key=one.key, partition=number % PARTITIONS
                )
            sent.append(number)


async def ramped(posts: House, file: Path, plan: Plan, *, hurts: bool) -> tuple[Look, list[int]]:
    """The end of a ramp under load, and what was sent; all of it has had its effect then."""
    registry = CollectorRegistry()
    sent: list[int] = []
    async with QuickWins.load(file, env={}, registry=registry) as qw:
        flag = qw.flags.flag("dedup")
        work = RolloutWork(qw.flags, features=["dedup"], registry=registry)

        async def project(events: Sequence[Event], ctx: Context) -> None:
            key = f"{ctx.topic}:{ctx.partition}"
            with work.one(key):
                if hurts and flag.active_for(key):
                    raise LookupError("a bug where it is on")
                await apply(events, ctx)

        options: dict[str, Any] = {"poison": DeadLetterTable(posts.pool, max_attempts=1_000), "flag": flag}
        dedup = posts.dedup(handler=project, max_records=1, **options)
        controller = RolloutController(
            RegistrySource(registry),
            FlagWriter(file, SECTIONS),
            FileStore(file.with_suffix(".json")),
            feature="dedup",
            registry=registry,
        )
        async with posts.running(dedup, partitions=PARTITIONS) as (_, task):
            over = asyncio.Event()
            feeding = asyncio.create_task(feed(posts, sent, over))
            await controller.start(plan)
            async with asyncio.timeout(4 * DEADLINE_SECONDS):
                look = await controller.run()
            over.set()
            await feeding
            await posts.until_true(f"SELECT count(*) = {len(sent)} FROM posts", task)
    return look, sent


def flag_in(file: Path) -> dict[str, Any]:
    written: dict[str, Any] = tomllib.loads(file.read_text())["dedup"]
    return written


def a_plan() -> Plan:
    steps = [{"percent": 100, "min_requests": 50}]
    slow = {"p99_ratio_max": 10}  # a busy machine is no harm that the feature does
    about = {
        "gates": slow,
        "control": "baseline",
        "baseline_requests": 100,
        "interval": 0.1,
        "ttl": 30,
        "deadline": 120,
    }
    return Plan.model_validate({"steps": steps, **about})


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "quickwins.toml"
    made.write_text("[dedup]\nenabled = true\npercent = 0\n# quickwins: complete\n")
    return made


@pytest.mark.volume
async def test_it_goes_up_while_batches_end_well(posts: House, file: Path) -> None:
    look, sent = await ramped(posts, file, a_plan(), hurts=False)
    assert (look.phase, look.percent) == (Phase.DONE, 100)
    assert flag_in(file)["percent"] == 100
    assert await posts.pool.fetchval("SELECT count(*) FROM posts") == len(sent)


async def test_it_is_taken_back_when_they_fail_where_it_is_on_and_nothing_is_lost(
    posts: House, file: Path
) -> None:
    look, sent = await ramped(posts, file, a_plan(), hurts=True)
    assert (look.phase, look.percent) == (Phase.ROLLED_BACK, 0)
    assert flag_in(file)["killed"] is True
    assert await posts.pool.fetchval("SELECT count(*) FROM posts") == len(sent)
    assert await posts.pool.fetch("SELECT reason FROM quickwins.dead_letters") == []
