"""The shortcuts of asyncpg's pool: each takes a connection for one statement."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any


class Shortcuts(ABC):
    """They do what `asyncpg.Pool`'s do, but while the gate is on `timeout` covers the wait for a connection too."""

    __slots__ = ()

    @abstractmethod
    async def _with(self, method: str, *args: object, timeout: float | None, **options: Any) -> Any:
        """Run `method` of a connection, taken for it."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:
        """As `asyncpg.Pool.execute`."""
        result: str = await self._with("execute", query, *args, timeout=timeout)
        return result

    async def executemany(self, command: str, args: Any, *, timeout: float | None = None) -> None:
        """As `asyncpg.Pool.executemany`."""
        await self._with("executemany", command, args, timeout=timeout)

    async def fetch(
        self, query: str, *args: object, timeout: float | None = None, **options: Any
    ) -> list[Any]:
        """As `asyncpg.Pool.fetch`."""
        result: list[Any] = await self._with("fetch", query, *args, timeout=timeout, **options)
        return result

    async def fetchval(self, query: str, *args: object, timeout: float | None = None, **options: Any) -> Any:
        """As `asyncpg.Pool.fetchval`."""
        return await self._with("fetchval", query, *args, timeout=timeout, **options)

    async def fetchrow(self, query: str, *args: object, timeout: float | None = None, **options: Any) -> Any:
        """As `asyncpg.Pool.fetchrow`."""
        return await self._with("fetchrow", query, *args, timeout=timeout, **options)

    async def fetchmany(
        self, query: str, args: Any, *, timeout: float | None = None, **options: Any
    ) -> list[Any]:
        """As `asyncpg.Pool.fetchmany`."""
        result: list[Any] = await self._with("fetchmany", query, args, timeout=timeout, **options)
        return result

    async def copy_from_table(self, table_name: str, *, timeout: float | None = None, **options: Any) -> str:
        """As `asyncpg.Pool.copy_from_table`."""
        result: str = await self._with("copy_from_table", table_name, timeout=timeout, **options)
        return result

    async def copy_from_query(
        self, query: str, *args: object, timeout: float | None = None, **options: Any
    ) -> str:
        """As `asyncpg.Pool.copy_from_query`."""
        result: str = await self._with("copy_from_query", query, *args, timeout=timeout, **options)
        return result

    async def copy_to_table(self, table_name: str, *, timeout: float | None = None, **options: Any) -> str:
        """As `asyncpg.Pool.copy_to_table`."""
        result: str = await self._with("copy_to_table", table_name, timeout=timeout, **options)
        return result

    async def copy_records_to_table(
        self, table_name: str, *, timeout: float | None = None, **options: Any
    ) -> str:
        """As `asyncpg.Pool.copy_records_to_table`."""
        result: str = await self._with("copy_records_to_table", table_name, timeout=timeout, **options)
        return result
