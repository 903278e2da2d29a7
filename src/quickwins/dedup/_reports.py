"""What a deduplicator counts and reports, and nothing that it decides."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Protocol

from quickwins.core.events import (
    DEDUP_ALTERED,
    DEDUP_PAUSED,
    DEDUP_QUARANTINED,
    DEDUP_RESUMED,
    DUPLICATE_SKIPPED,
    Reporter,
)
from quickwins.core.metrics import Metrics
from quickwins.dedup import metrics
from quickwins.dedup.decision import Decision
from quickwins.dedup.stores._base import Sized

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from quickwins.dedup._core.batch import Batch
    from quickwins.dedup.stores._base import Store


class _TopicPartition(Protocol):
    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...


class Reports:
    """The series and events of one consumer group."""

    def __init__(self, group: str, store: Store, *, service: str, registry: CollectorRegistry | None) -> None:
        self._group = group
        self._store = store
        self._metrics = Metrics(registry=registry, service=service, name=group)
        self._reporter = Reporter(service=service, name=group, registry=registry)
        self._waiting: set[_TopicPartition] = set()
        self._skipped: Counter[str] = Counter()

    def applied(self, at: _TopicPartition, batch: Batch, seconds: float) -> None:
        """A batch has taken effect."""
        if batch.altered:
            self._metrics.counter(metrics.ALTERED, group=self._group, topic=at.topic).inc(batch.altered)
            self._reporter.report(DEDUP_ALTERED, topic=at.topic, partition=at.partition, count=batch.altered)
        self._metrics.histogram(metrics.STORE_SECONDS, group=self._group).observe(seconds)
        for decision, count in batch.counts.items():
            where = {"group": self._group, "topic": at.topic}
            self._metrics.counter(metrics.PROCESSED, decision=decision, **where).inc(count)
            if decision in (Decision.DUP_OFFSET, Decision.DUP_SOURCE):
                self._metrics.counter(metrics.DEDUPLICATED, reason=decision, **where).inc(count)
                self._skipped[at.topic] += count
            if decision is Decision.QUARANTINE:
                self._metrics.counter(metrics.DEAD_LETTERS, **where).inc(count)

    def quarantined(self, at: _TopicPartition, why: str) -> None:
        """A partition has stopped until somebody looks at it."""
        self._metrics.counter(metrics.QUARANTINED, group=self._group, topic=at.topic).inc()
        self._reporter.report(DEDUP_QUARANTINED, topic=at.topic, partition=at.partition, reason=why)

    def waits(self, at: _TopicPartition, error: BaseException) -> None:
        """A partition waits; said once until it goes on."""
        if at not in self._waiting:
            self._waiting.add(at)
            self._reporter.report(
                DEDUP_PAUSED, topic=at.topic, partition=at.partition, reason=type(error).__name__
            )

    def goes_on(self, at: _TopicPartition) -> None:
        """A partition is read, or read again."""
        if at in self._waiting:
            self._waiting.discard(at)
            self._reporter.report(DEDUP_RESUMED, topic=at.topic, partition=at.partition)

    def behind(self, records: int) -> None:
        """So many records of all partitions had no effect yet; about once a second, when what was skipped is reported, too."""
        skipped, self._skipped = self._skipped, Counter()
        for topic, count in (+skipped).items():
            self._reporter.report(DUPLICATE_SKIPPED, **{"messaging.destination.name": topic, "count": count})
        self._metrics.gauge(metrics.CURSOR_LAG, group=self._group).set(records)
        if isinstance(self._store, Sized):
            self._metrics.gauge(metrics.WINDOW_ENTRIES, group=self._group).set(self._store.entries)
            self._metrics.gauge(metrics.WINDOW_BYTES, group=self._group).set(self._store.table_bytes)
