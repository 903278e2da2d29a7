"""How an event is told from all others: by its place in PostgreSQL's log, by a header, or by a function of the record."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.dedup.identity._base import Identity, Policy, Record
    from quickwins.dedup.identity._debezium import DebeziumPostgres
    from quickwins.dedup.identity._named import HeaderId, KeyId

__all__ = ["DebeziumPostgres", "HeaderId", "Identity", "KeyId", "Policy", "Record"]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "DebeziumPostgres": "_debezium",
        "HeaderId": "_named",
        "Identity": "_base",
        "KeyId": "_named",
        "Policy": "_base",
        "Record": "_base",
    },
)
