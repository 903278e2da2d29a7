"""Kafka event deduplication: what tells an event from its duplicates, and what becomes of each record.

identity = DebeziumPostgres(incarnation="pg1")
event = identity.read(record)          # or EventRefused, which says why it has no identity
event.op, event.table, event.after, event.identity
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.dedup.decision import Decision, Explanation
    from quickwins.dedup.errors import EventRefused, Fenced, PartitionQuarantined, RefusedBecause
    from quickwins.dedup.event import Event, Op
    from quickwins.dedup.identity import DebeziumPostgres, HeaderId, Identity, KeyId, Policy, Record

__all__ = [
    "DebeziumPostgres",
    "Decision",
    "Event",
    "EventRefused",
    "Explanation",
    "Fenced",
    "HeaderId",
    "Identity",
    "KeyId",
    "Op",
    "PartitionQuarantined",
    "Policy",
    "Record",
    "RefusedBecause",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "DebeziumPostgres": "identity",
        "Decision": "decision",
        "Event": "event",
        "EventRefused": "errors",
        "Explanation": "decision",
        "Fenced": "errors",
        "HeaderId": "identity",
        "Identity": "identity",
        "KeyId": "identity",
        "Op": "event",
        "PartitionQuarantined": "errors",
        "Policy": "identity",
        "Record": "identity",
        "RefusedBecause": "errors",
    },
)
