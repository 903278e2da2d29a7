"""Kafka event deduplication: what tells an event from its duplicates, and what becomes of each record.

identity = DebeziumPostgres(incarnation="pg1")
event = identity.read(record)          # or EventRefused, which says why it has no identity
event.op, event.table, event.after, event.identity
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.dedup._deduplicator import Deduplicator
    from quickwins.dedup._run import Run
    from quickwins.dedup.checked import Checked
    from quickwins.dedup.context import Context
    from quickwins.dedup.dead_letters import DeadLetterTable
    from quickwins.dedup.decision import Decision, Explanation
    from quickwins.dedup.errors import (
        ErrorSwallowed,
        EventRefused,
        Fenced,
        PartitionQuarantined,
        RefusedBecause,
        StoreDown,
    )
    from quickwins.dedup.event import Event, Op
    from quickwins.dedup.identity import DebeziumPostgres, HeaderId, Identity, KeyId, Policy, Record
    from quickwins.dedup.stores._base import Store
    from quickwins.dedup.stores.memory_window import MemoryWindow
    from quickwins.dedup.stores.postgres_inbox import PostgresInbox
    from quickwins.dedup.stores.postgres_state import PostgresState
    from quickwins.dedup.stores.valkey_claims import ValkeyClaims

__all__ = [
    "Checked",
    "Context",
    "DeadLetterTable",
    "DebeziumPostgres",
    "Decision",
    "Deduplicator",
    "ErrorSwallowed",
    "Event",
    "EventRefused",
    "Explanation",
    "Fenced",
    "HeaderId",
    "Identity",
    "KeyId",
    "MemoryWindow",
    "Op",
    "PartitionQuarantined",
    "Policy",
    "PostgresInbox",
    "PostgresState",
    "Record",
    "RefusedBecause",
    "Run",
    "Store",
    "StoreDown",
    "ValkeyClaims",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Checked": "checked",
        "Context": "context",
        "DeadLetterTable": "dead_letters",
        "DebeziumPostgres": "identity",
        "Decision": "decision",
        "Deduplicator": "_deduplicator",
        "ErrorSwallowed": "errors",
        "Event": "event",
        "EventRefused": "errors",
        "Explanation": "decision",
        "Fenced": "errors",
        "HeaderId": "identity",
        "Identity": "identity",
        "KeyId": "identity",
        "MemoryWindow": "stores.memory_window",
        "Op": "event",
        "PartitionQuarantined": "errors",
        "Policy": "identity",
        "PostgresInbox": "stores.postgres_inbox",
        "PostgresState": "stores.postgres_state",
        "Record": "identity",
        "RefusedBecause": "errors",
        "Run": "_run",
        "Store": "stores._base",
        "StoreDown": "errors",
        "ValkeyClaims": "stores.valkey_claims",
    },
)
