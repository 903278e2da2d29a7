"""What is asked of a server, and what is done there."""

from quickwins.core.errors import needs_extra

with needs_extra("indexes"):
    import asyncpg as asyncpg
