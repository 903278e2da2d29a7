"""Reconciles what a topic holds with what had its effect: reads the topic again, and asks the database."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import ConfigError, needs_extra
from quickwins.core.lazy import shows
from quickwins.dedup._core.position import SourceId
from quickwins.dedup._core.reconcile import Range, reconcile
from quickwins.dedup._core.scope import Scope
from quickwins.dedup.errors import EventRefused, StoreDown
from quickwins.dedup.identity import DebeziumPostgres, Policy

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from quickwins.dedup.identity import Record

__all__ = ["Audit", "audit"]
__dir__ = shows(__name__)

FETCH_MILLISECONDS = 1_000
MAX_ERROR = 300


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found.

    Attributes:
        records: How many records were read: those below where the group is.
        duplicates: How many of them were events sent again.
        put_aside: How many are among the dead letters.
        passed: How many are no changes of rows with a position (snapshots, tombstones, what a policy leaves out), or no events.
        ranges: Sent and applied, along the source's log.
    """

    records: int
    duplicates: int
    put_aside: int
    passed: int
    ranges: tuple[Range, ...]

    @property
    def lost(self) -> int:
        """Events without an effect."""
        return sum(one.lost for one in self.ranges)

    @property
    def doubled(self) -> int:
        """Effects too many."""
        return sum(one.doubled for one in self.ranges)


async def audit(
    *,
    bootstrap: str,
    dsn: str | None,
    group: str,
    topic: str,
    effects: str,
    cluster: str = "",
    ranges: int = 20,
) -> Audit:
    """Compare the events of a topic, each once, with their effects. Reads; changes nothing, and belongs to no group.

    It takes some 200 bytes of memory for each event.

    Args:
        bootstrap: Of the broker, `host:port`.
        dsn: The database of the effects; `None`: as the `PG*` variables say.
        group: The consumer group. Only what lies below its place counts: below its cursor under `PostgresState`, else below
            what Kafka was told.
        topic: Whose events.
        effects: A query that gives the position (`source.lsn`, a `bigint` or a `pg_lsn`) of each effect in its first column,
            a row for each. Run read-only.
        cluster: As given to `Deduplicator`.
        ranges: Into how many stretches the log is divided.

    Raises:
        ConfigError: There is no such topic, or the query gives no positions.
        StoreDown: The broker or the database cannot be reached.
        MissingExtraError: The extra `dedup` is not installed.
    """
    with needs_extra("dedup"):
        import asyncpg
        from aiokafka.errors import KafkaError

        from quickwins.core.asyncpg_errors import FAILED
    try:
        connection = await asyncpg.connect(dsn)
    except (OSError, *FAILED) as error:
        raise StoreDown(f"no connection to the database: {type(error).__name__}") from None
    except ValueError:
        raise ConfigError("the DSN cannot be read") from None
    try:
        async with connection.transaction(readonly=True, isolation="repeatable_read"):
            cursors, aside = await _known(connection, group, cluster, topic)
            applied = await _applied(connection, effects)
            try:
                return await _compared(bootstrap, group, topic, cursors, aside, applied, ranges)
            except KafkaError as error:
                raise StoreDown(f"no answer from the broker: {type(error).__name__}") from None
    finally:
        await connection.close()


async def _known(
    connection: Any, group: str, cluster: str, topic: str
) -> tuple[dict[int, int], set[tuple[int, int]]]:
    """The cursors of a topic's partitions, if it has any, and what was put aside."""
    cursors: dict[int, int] = {}
    aside: set[tuple[int, int]] = set()
    if await connection.fetchval("SELECT to_regclass('quickwins.dedup_cursors') IS NOT NULL"):
        query = (
            "SELECT partition, coalesce(next_offset, 0) FROM quickwins.dedup_cursors "
            "WHERE (consumer_group, cluster, topic) = ($1, $2, $3)"
        )
        cursors = dict(await connection.fetch(query, group, cluster, topic))
    if await connection.fetchval("SELECT to_regclass('quickwins.dead_letters') IS NOT NULL"):
        query = "SELECT partition, record_offset FROM quickwins.dead_letters WHERE (consumer_group, topic) = ($1, $2)"
        aside = {(partition, offset) for partition, offset in await connection.fetch(query, group, topic)}
    return cursors, aside


async def _applied(connection: Any, effects: str) -> Counter[int]:
    import asyncpg

    counted: Counter[int] = Counter()
    try:
        async for row in connection.cursor(effects):
            counted[_position(row[0])] += 1
    except asyncpg.PostgresError as error:
        raise ConfigError(f"the query for the effects: {str(error)[:MAX_ERROR]}") from None
    return counted


def _position(found: object) -> int:
    if isinstance(found, int):
        return found
    high, slash, low = str(found).partition("/")
    try:
        if slash:
            return (int(high, 16) << 32) + int(low, 16)
    except ValueError:
        pass
    raise ConfigError(
        f"the query for the effects gives a {type(found).__name__} that is no position: its first column must be `source.lsn`"
    )


async def _compared(
    bootstrap: str,
    group: str,
    topic: str,
    cursors: Mapping[int, int],
    aside: set[tuple[int, int]],
    applied: Mapping[int, int],
    ranges: int,
) -> Audit:
    identity, scope = DebeziumPostgres(incarnation="audit"), Scope(group, "", topic)
    seen: set[bytes] = set()
    sent: Counter[int] = Counter()
    records = duplicates = put_aside = passed = 0
    async for record in _below(bootstrap, group, topic, cursors):
        records += 1
        try:
            event = identity.read(record)
        except EventRefused:
            event = None
        source = None if event is None else event.identity
        if (record.partition, record.offset) in aside:
            put_aside += 1
        elif event is None or not isinstance(source, SourceId) or event.op in _left_out(identity):
            passed += 1
        elif (one := scope.id_of(event)) in seen:
            duplicates += 1
        else:
            seen.add(one)
            sent[source.lsn] += 1
    return Audit(records, duplicates, put_aside, passed, tuple(reconcile(sent, applied, ranges=ranges)))


def _left_out(identity: DebeziumPostgres) -> set[object]:
    return {op for op, policy in identity.policies.items() if policy is not Policy.APPLY}


async def _partitions(bootstrap: str, topic: str) -> list[int]:
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.errors import for_code

    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    try:
        await admin.start()
        if topic not in await admin.list_topics():  # a broker may make one that is only asked for
            raise ConfigError(f"the broker has no topic {topic!r}")
        (described,) = await admin.describe_topics([topic])
        if described["error_code"]:  # without partitions, everything would look lost
            raise for_code(described["error_code"])
        return sorted(one["partition"] for one in described["partitions"])
    finally:
        await admin.close()


async def _below(bootstrap: str, group: str, topic: str, cursors: Mapping[int, int]) -> AsyncIterator[Record]:
    """A topic's records from its beginning to where the group is."""
    from aiokafka import AIOKafkaConsumer, TopicPartition

    places = [TopicPartition(topic, number) for number in await _partitions(bootstrap, topic)]
    # With the group's name it is told the group's offsets; it joins the group only by subscribing.
    consumer = AIOKafkaConsumer(
        bootstrap_servers=bootstrap, group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"
    )
    try:
        await consumer.start()
        consumer.assign(places)
        first = await consumer.beginning_offsets(places)
        left: dict[TopicPartition, int] = {}
        for at in places:
            place = cursors[at.partition] if at.partition in cursors else await consumer.committed(at)
            if (place or 0) > first[at]:
                left[at] = place
                consumer.seek(at, first[at])
            else:
                consumer.pause(at)
        while left:
            fetched = await consumer.getmany(*left, timeout_ms=FETCH_MILLISECONDS)
            for at, records in fetched.items():
                for record in records:
                    if record.offset < left[at]:
                        yield record
            for at in [*left]:
                position, end = await consumer.position(at), consumer.highwater(at)
                # A topic that was created again ends before.
                if position >= left[at] or (not fetched and end is not None and position >= end):
                    del left[at]
                    consumer.pause(at)
    finally:
        await consumer.stop()
