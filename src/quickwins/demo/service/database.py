"""The feed's tables, their deterministic content, and the query that the load runs.

The server makes the rows itself, from `generate_series` and the MD5 of each row's number: the same `rows` gives the same
content on every machine and version, and a million posts take seconds. MD5, because PostgreSQL's own hash functions may
differ between major versions.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

from quickwins.core.errors import needs_extra

with needs_extra("demo"):
    import asyncpg

if TYPE_CHECKING:
    from collections.abc import Callable

FEED_QUERY = """
    SELECT post.id, author.name AS author, post.body, post.created_at
    FROM follows AS follow
    JOIN posts AS post ON post.user_id = follow.followee_id AND post.soft_delete IS NULL
    JOIN users AS author ON author.id = post.user_id
    WHERE follow.follower_id = $1 AND (SELECT pg_sleep($3)) IS NOT NULL
    ORDER BY post.created_at DESC, post.id DESC
    LIMIT $2
"""
"""The feed of user `$1`: at most `$2` posts, holding the connection for `$3` seconds longer than the work takes.

The sub-select depends on no row, so the server runs it exactly once, even for an empty feed. It stands for the time a
query on a busy production database waits for disks and locks: time, but no CPU.
"""

_FOLLOWS_PER_USER = 10
_SKEWED = "(({first}) % {users}) * (({second}) % {users}) / {users} + 1"
"""Low numbers more often than high ones: the product of two uniform draws. A few authors write most of the posts."""


@dataclass(frozen=True, slots=True)
class RowCounts:
    """How many rows each table gets."""

    users: int
    posts: int
    follows: int
    messages: int

    @classmethod
    def for_posts(cls, rows: int) -> RowCounts:
        """A tenth as many users as posts, ten follows for each user, a message for every two posts.

        Args:
            rows: Number of posts, at least 1.
        """
        users = max(10, rows // 10)
        return cls(users=users, posts=rows, follows=users * _FOLLOWS_PER_USER, messages=max(1, rows // 2))


def _draw(table: str, purpose: str) -> str:
    """SQL for a number from 0 to 2**32 - 1 that depends only on table, purpose and the row's number `n`."""
    return f"('x' || substr(md5('{table}:{purpose}:' || n), 1, 8))::bit(32)::bigint"


def seed_statements(counts: RowCounts) -> dict[str, str]:
    """An `INSERT` for each table, by name; the same counts give the same rows."""
    users = counts.users
    author = _SKEWED.format(first=_draw("posts", "author"), second=_draw("posts", "author2"), users=users)
    followee = _SKEWED.format(
        first=_draw("follows", "followee"), second=_draw("follows", "followee2"), users=users
    )
    start = "timestamptz '2025-01-01 00:00:00+00'"
    return {
        "users": f"""
            INSERT INTO users (id, email, name, created_at)
            SELECT n, 'user' || n || '@feed.example', 'User ' || n, {start} + n * interval '1 minute'
            FROM generate_series(1, {users}) AS n""",  # noqa: S608 -- integers of ours; until=never
        "posts": f"""
            INSERT INTO posts (id, user_id, body, created_at)
            SELECT n, {author}, 'Post ' || n || ': ' || md5('posts:body:' || n),
                   {start} + n * interval '37 seconds' + ({_draw("posts", "time")} % 3600) * interval '1 second'
            FROM generate_series(1, {counts.posts}) AS n""",  # noqa: S608 -- integers of ours; until=never
        "follows": f"""
            INSERT INTO follows (id, follower_id, followee_id, created_at)
            SELECT n, (n - 1) % {users} + 1, {followee}, {start} + n * interval '11 seconds'
            FROM generate_series(1, {counts.follows}) AS n""",  # noqa: S608 -- integers of ours; until=never
        "messages": f"""
            INSERT INTO messages (id, conversation_id, sender_id, recipient_id, body, created_at)
            SELECT n, {_draw("messages", "conversation")} % {users} + 1, {_draw("messages", "sender")} % {users} + 1,
                   {_draw("messages", "recipient")} % {users} + 1, 'Message ' || n,
                   {start} + n * interval '53 seconds'
            FROM generate_series(1, {counts.messages}) AS n""",  # noqa: S608 -- integers of ours; until=never
    }


async def create_feed(url: str, rows: int, progress: Callable[[str], None]) -> RowCounts:
    """Create the tables in the empty database at `url` and fill them; all or nothing.

    Args:
        url: A PostgreSQL URL; its user may create tables.
        rows: Number of posts, which sizes the other tables too (`RowCounts.for_posts`).
        progress: Told about each table.
    """
    counts = RowCounts.for_posts(rows)
    connection = await asyncpg.connect(url)
    try:
        async with connection.transaction():
            await connection.execute(files(__package__).joinpath("schema.sql").read_text(encoding="utf-8"))
            for table, statement in seed_statements(counts).items():
                progress(f"filling {table}: {getattr(counts, table):,} rows")
                await connection.execute(statement)
        await connection.execute("VACUUM ANALYZE")
    finally:
        await connection.close()
    return counts
