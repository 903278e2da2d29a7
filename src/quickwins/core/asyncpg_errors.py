"""What asyncpg raises, in one place. Imports asyncpg: import it where that is needed."""

from __future__ import annotations

import asyncpg

FAILED = (asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""What a call raises that the server refused, or whose session is over; beside `OSError`.

`InternalClientError` is what a session raises whose end the server has said, until its connection has ended, too.
"""
