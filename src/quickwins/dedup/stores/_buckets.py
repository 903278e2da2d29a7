"""The inbox's tables: ids by stream and by the time of their events, a table for each stretch of time, dropped as a whole.

A stream is a topic as one group reads it. Its floor is the first bucket that is still there; it only grows, and whatever it
passes is dropped in the same transaction, so that no id is ever half forgotten.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from quickwins.dedup.stores._base import Place

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS quickwins;
CREATE TABLE IF NOT EXISTS quickwins.dedup_streams (
    number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    consumer_group text NOT NULL,
    cluster text NOT NULL,
    topic text NOT NULL,
    bucket_seconds integer NOT NULL,
    floor integer NOT NULL DEFAULT 0,
    UNIQUE (consumer_group, cluster, topic)
);
CREATE TABLE IF NOT EXISTS quickwins.dedup_stream_partitions (
    stream integer NOT NULL REFERENCES quickwins.dedup_streams,
    partition integer NOT NULL,
    epoch bigint NOT NULL,
    next_offset bigint,
    bucket integer,
    PRIMARY KEY (stream, partition)
);
CREATE TABLE IF NOT EXISTS quickwins.dedup_inbox (
    stream integer NOT NULL,
    bucket integer NOT NULL,
    id bytea NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    payload bytea,
    PRIMARY KEY (id, bucket, stream)
) PARTITION BY RANGE (stream, bucket);
"""
"""`next_offset` and `bucket` of a partition: what Kafka was told last, and the latest bucket before it."""

_STREAM = """
INSERT INTO quickwins.dedup_streams AS known (consumer_group, cluster, topic, bucket_seconds) VALUES ($1, $2, $3, $4)
ON CONFLICT (consumer_group, cluster, topic) DO UPDATE SET topic = known.topic
RETURNING number, bucket_seconds, floor
"""
_TAKE = """
INSERT INTO quickwins.dedup_stream_partitions AS mine (stream, partition, epoch) VALUES ($1, $2, 1)
ON CONFLICT (stream, partition) DO UPDATE SET epoch = mine.epoch + 1
RETURNING epoch, bucket
"""
_TOLD = """
UPDATE quickwins.dedup_stream_partitions SET next_offset = $3, bucket = greatest(bucket, $4)
WHERE stream = $1 AND partition = $2
"""
_TABLES = """
SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = 'quickwins.dedup_inbox'::regclass AND relname ~ $1
"""


class Stream(NamedTuple):
    """A topic as one group reads it.

    Attributes:
        number: In the names of its tables.
        bucket_seconds: How much time one of them is for; as at its beginning, whatever is asked for later: the bucket of an
            event never changes.
        floor: The first bucket that is still there.
    """

    number: int
    bucket_seconds: int
    floor: int


async def take(tx: Any, place: Place, bucket_seconds: int) -> tuple[Stream, int, int | None]:
    """The stream of `place`, its partition's new epoch, and its latest bucket that Kafka knows of."""
    stream = Stream(*await tx.fetchrow(_STREAM, place.group, place.cluster, place.topic, bucket_seconds))
    row = await tx.fetchrow(_TAKE, stream.number, place.partition)
    return stream, row["epoch"], row["bucket"]


async def make(tx: Any, number: int, buckets: Collection[int]) -> int:
    """Make the tables of `buckets`, but for those below the floor, which is returned."""
    floor: int = await _locked(tx, number)
    for bucket in sorted(buckets):
        name = f"quickwins.dedup_inbox_{number}_{bucket}"
        if bucket < floor or await tx.fetchval("SELECT to_regclass($1) IS NOT NULL", name):
            continue
        # A table that is attached, and not one that is made as a part: that would wait for everybody who writes now.
        await tx.execute(
            f"CREATE TABLE {name} (LIKE quickwins.dedup_inbox INCLUDING ALL);"
            f"ALTER TABLE quickwins.dedup_inbox ATTACH PARTITION {name} "
            f"FOR VALUES FROM ({number}, {bucket}) TO ({number}, {bucket + 1})"
        )
    return floor


async def told(tx: Any, number: int, partition: int, next_offset: int, bucket: int) -> None:
    """Note how far Kafka was told that a partition was read."""
    await tx.execute(_TOLD, number, partition, next_offset, bucket)


async def raise_floor(tx: Any, number: int, keep: int, ends: Mapping[int, int]) -> int:
    """Drop what lies more than `keep` buckets behind the slowest partition; the floor then.

    A partition that was read to its end holds nothing up, and one with records that nobody has read holds up everything.

    Args:
        tx: An asyncpg connection in a transaction.
        number: Of the stream.
        keep: How many buckets.
        ends: Of each partition of the topic that has records: the offset behind its last one.
    """
    floor: int = await _locked(tx, number)
    rows = await tx.fetch(
        "SELECT partition, next_offset, bucket FROM quickwins.dedup_stream_partitions WHERE stream = $1",
        number,
    )
    read = {row["partition"]: row for row in rows if row["bucket"] is not None}
    if not read or any(partition not in read for partition in ends):
        return floor
    behind = [row["bucket"] for row in read.values() if row["next_offset"] < ends.get(row["partition"], 0)]
    latest = min(behind) if behind else max(row["bucket"] for row in read.values())
    if latest - keep <= floor:
        return floor
    floor = latest - keep
    await tx.execute("UPDATE quickwins.dedup_streams SET floor = $2 WHERE number = $1", number, floor)
    for row in await tx.fetch(_TABLES, f"^dedup_inbox_{number}_[0-9]+$"):
        if int(row["relname"].rpartition("_")[2]) < floor:
            await tx.execute(f"DROP TABLE quickwins.{row['relname']}")
    return floor


async def _locked(tx: Any, number: int) -> int:
    """The floor, which nobody else moves now."""
    found: int = await tx.fetchval(
        "SELECT floor FROM quickwins.dedup_streams WHERE number = $1 FOR UPDATE", number
    )
    return found
