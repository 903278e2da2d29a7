"""A table for records that could not be applied: kept with their reason, so that their partition can go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickwins.core.given import whole
from quickwins.core.lazy import shows
from quickwins.dedup.stores._postgres import checked_pool

if TYPE_CHECKING:
    from quickwins.dedup.identity import Record

__all__ = ["DeadLetterTable"]
__dir__ = shows(__name__)

SCHEMA = """
CREATE SCHEMA IF NOT EXISTS quickwins;
CREATE TABLE IF NOT EXISTS quickwins.dead_letters (
    consumer_group text NOT NULL,
    topic text NOT NULL,
    partition integer NOT NULL,
    record_offset bigint NOT NULL,
    reason text NOT NULL,
    error text NOT NULL,
    attempts integer NOT NULL,
    key bytea,
    value bytea,
    headers jsonb NOT NULL,
    written_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer_group, topic, partition, record_offset)
);
"""
_WRITE = """
INSERT INTO quickwins.dead_letters
    (consumer_group, topic, partition, record_offset, reason, error, attempts, key, value, headers)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10::jsonb)
ON CONFLICT (consumer_group, topic, partition, record_offset) DO NOTHING
"""
MAX_ERROR = 1_000


class DeadLetterTable:
    """`quickwins.dead_letters`: whole records, as they came. People's data: give it the access that the topic has.

    Attributes:
        pool: Of the database with the table; with `PostgresState` the effects' own, whose transaction writes it.
        max_attempts: How often a handler may fail with a record by itself.
    """

    def __init__(self, pool: Any, *, max_attempts: int = 5) -> None:
        """Nothing is connected to yet.

        Args:
            pool: An asyncpg pool, or a `GatedPool` around one.
            max_attempts: 1 to 1,000.

        Raises:
            ConfigError: An argument is out of its bounds.
        """
        self.pool = checked_pool("DeadLetterTable", pool)
        self.max_attempts = whole("max_attempts", max_attempts, 1, 1_000)

    def __repr__(self) -> str:
        return f"<DeadLetterTable max_attempts={self.max_attempts}>"

    async def prepare(self) -> None:
        """Make the table where it is missing."""
        async with self.pool.acquire() as connection:
            if not await connection.fetchval("SELECT to_regclass('quickwins.dead_letters') IS NOT NULL"):
                async with connection.transaction():
                    await connection.execute(
                        "SELECT pg_advisory_xact_lock(hashtext('quickwins.dead_letters'))"
                    )
                    await connection.execute(SCHEMA)

    async def write(
        self, connection: Any, group: str, record: Record, *, reason: str, error: BaseException, attempts: int
    ) -> None:
        """Put one record aside, in the transaction of `connection`.

        Args:
            connection: An asyncpg connection.
            group: The consumer group.
            record: As the consumer gave it.
            reason: Why, in a word.
            error: What was raised. Only its type is kept, and the message where it is ours: a driver's or a handler's
                may hold rows, and the value is kept anyway.
            attempts: How often it was tried.
        """
        import msgspec

        from quickwins.core.errors import QuickWinsError

        said = (
            f"{type(error).__name__}: {error}" if isinstance(error, QuickWinsError) else type(error).__name__
        )
        headers = [
            [_text(name), None if value is None else value.hex()] for name, value in record.headers or ()
        ]
        await connection.execute(
            _WRITE,
            group,
            record.topic,
            record.partition,
            record.offset,
            reason,
            _text(said[:MAX_ERROR]),
            attempts,
            _bytes(record.key),
            _bytes(record.value),
            msgspec.json.encode(headers).decode(),
        )


def _text(text: str) -> str:
    """`text` with what PostgreSQL has no place for in another guise: a record must not be refused for its names."""
    return text.encode("utf-8", "replace").decode().replace("\0", "\u2400")


def _bytes(part: object) -> bytes | None:
    if part is None or isinstance(part, bytes):
        return part
    return str(part).encode("utf-8", "surrogatepass")
