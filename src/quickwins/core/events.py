"""The named facts that features report, each with its declared fields, as standard-library logging records.

No set-up happens here: an application that configures nothing sees warnings on stderr as Python shows them, and any
handler can read `record.event` and `record.fields`. The structured-logging feature renders the same records.

Never put a secret, an address or a user's data into a field.
"""

from __future__ import annotations

import logging
import math
import sys
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from quickwins.core.errors import ENDS_PROCESS, ConfigError
from quickwins.core.lazy import shows

if TYPE_CHECKING:
    from collections.abc import Callable

    from prometheus_client import CollectorRegistry

__all__ = [
    "AUDIT_FAILED",
    "AUTH_DENIED",
    "AUTH_FAILURE",
    "CACHE_ACCESS",
    "CACHE_INVALIDATION_UNTOLD",
    "CACHE_PRINCIPAL_FAILED",
    "CACHE_STORE_BACK",
    "CACHE_STORE_LOST",
    "CALL_METADATA_FAILED",
    "CONFIG_UNUSED",
    "CONNECTION_SWITCHED",
    "DEDUP_PAUSED",
    "DEDUP_QUARANTINED",
    "DEDUP_RESUMED",
    "DOOR_QUESTION_FAILED",
    "DUPLICATE_SKIPPED",
    "FLAG_CHANGED",
    "FLAG_KEY_MISSING",
    "FLAG_SOURCE_FAILED",
    "FLAG_SOURCE_RECOVERED",
    "FLAG_SUBSCRIBER_FAILED",
    "FLAG_WRITTEN",
    "INDEX_SESSION_TERMINATED",
    "LOGGER",
    "METRICS_FILE_UNREADABLE",
    "POOL_REJECTED",
    "PYTHON_WARNING",
    "QUERY_SLOW",
    "QUIET_SECONDS",
    "RATE_LIMITED",
    "ROLLOUT_MOVED",
    "ROLLOUT_PAGE",
    "Event",
    "Reporter",
    "Seldom",
    "declared",
]
__dir__ = shows(__name__)

_R = TypeVar("_R", bound=str)
LOGGER = "quickwins"
QUIET_SECONDS = 1.0
"""How often what happens often is reported at most: a record costs as much as many refusals."""


@dataclass(frozen=True, slots=True)
class Event:
    """One kind of fact.

    Attributes:
        name: Dotted, `thing.happened`.
        level: A `logging` level.
        fields: The names a report of it must give, no more and no fewer.
    """

    name: str
    level: int
    fields: tuple[str, ...]


FLAG_CHANGED = Event("flag.changed", logging.INFO, ("feature", "old", "new", "source", "version", "digest"))
FLAG_WRITTEN = Event(
    "flag.written", logging.INFO, ("feature", "old", "new", "source", "version", "digest", "changes", "where")
)
FLAG_KEY_MISSING = Event("flag.key_missing", logging.WARNING, ("feature", "percent"))
FLAG_SOURCE_FAILED = Event("flag.source_failed", logging.WARNING, ("source", "reason", "detail"))
FLAG_SOURCE_RECOVERED = Event("flag.source_recovered", logging.INFO, ("source",))
FLAG_SUBSCRIBER_FAILED = Event("flag.subscriber_failed", logging.ERROR, ("subscriber", "error"))
CONFIG_UNUSED = Event("config.unused", logging.WARNING, ("key", "reason"))
AUDIT_FAILED = Event("audit.failed", logging.WARNING, ("reason",))
PYTHON_WARNING = Event(
    "python.warning", logging.WARNING, ("kind", "category", "file", "line", "count", "hidden_by")
)
METRICS_FILE_UNREADABLE = Event("metrics.file_unreadable", logging.WARNING, ("file", "error"))
INDEX_SESSION_TERMINATED = Event(
    "index.session_terminated", logging.WARNING, ("pid", "application", "age_seconds")
)
CACHE_PRINCIPAL_FAILED = Event("cache.principal_failed", logging.WARNING, ("error", "count"))
CALL_METADATA_FAILED = Event("call.metadata_failed", logging.WARNING, ("error",))
DOOR_QUESTION_FAILED = Event("door.question_failed", logging.WARNING, ("question", "error"))
POOL_REJECTED = Event("pool.rejected", logging.INFO, ("reason", "limit", "inflight", "count"))

# Facts that services report themselves, and features to come (`quickwins.logs.events` has a function for each).
AUTH_FAILURE = Event("auth.failure", logging.WARNING, ("mechanism", "reason"))
AUTH_DENIED = Event("auth.denied", logging.WARNING, ("action", "resource", "reason"))
RATE_LIMITED = Event("rate.limited", logging.WARNING, ("scope", "limit", "window_seconds"))
QUERY_SLOW = Event("query.slow", logging.WARNING, ("db.query.summary", "duration_ms"))
CACHE_ACCESS = Event("cache.access", logging.INFO, ("cache", "hit"))
CACHE_INVALIDATION_UNTOLD = Event("cache.invalidation_untold", logging.WARNING, ("reason", "count"))
CACHE_STORE_LOST = Event("cache.store_lost", logging.WARNING, ("reason",))
CACHE_STORE_BACK = Event("cache.store_back", logging.INFO, ())
DEDUP_PAUSED = Event("dedup.paused", logging.WARNING, ("topic", "partition", "reason"))
DEDUP_RESUMED = Event("dedup.resumed", logging.INFO, ("topic", "partition"))
DEDUP_ALTERED = Event("dedup.altered", logging.WARNING, ("topic", "partition", "count"))
DEDUP_QUARANTINED = Event("dedup.quarantined", logging.ERROR, ("topic", "partition", "reason"))
DUPLICATE_SKIPPED = Event("duplicate.skipped", logging.INFO, ("messaging.destination.name", "count"))
ROLLOUT_MOVED = Event("rollout.moved", logging.INFO, ("feature", "percent", "verdict", "reason"))
ROLLOUT_PAGE = Event("rollout.page", logging.ERROR, ("feature", "reason", "detail"))
CONNECTION_SWITCHED = Event("connection.switched", logging.WARNING, ("member", "reason"))


def declared() -> tuple[Event, ...]:
    """Every event declared here."""
    return tuple(one for one in globals().values() if isinstance(one, Event))


class Reporter:
    """Reports events of one instance. Thread-safe.

    Handlers, filters and the values of fields are other people's code: what they raise is counted in
    `quickwins_report_failures_total` and said once on stderr, and the caller never sees it.
    """

    def __init__(
        self, *, service: str = "", name: str = "", registry: CollectorRegistry | None = None
    ) -> None:
        """Nothing is reported yet.

        Args:
            service: On every record.
            name: Of the instance, also on every record.
            registry: Where failed reports are counted; the default registry when `None`.
        """
        self._service = service
        self._name = name
        self._registry = registry
        self._logger = logging.getLogger(LOGGER)
        self._has_failed = False

    def __repr__(self) -> str:
        return f"<Reporter service={self._service!r} name={self._name!r}>"

    def report(self, event: Event, **fields: object) -> None:
        """Write one record. What handlers raise is not raised here.

        Raises:
            ConfigError: The fields are not the declared ones: the caller's mistake, at every call.
        """
        if fields.keys() != set(event.fields):
            raise ConfigError(f"{event.name} takes the fields {list(event.fields)}, not {sorted(fields)}")
        # `dictConfig` and `fileConfig` disable each logger that they don't name, unless told not to.
        self._logger.disabled = False
        try:
            if self._logger.isEnabledFor(event.level):
                shown = " ".join(f"{key}={value}" for key, value in fields.items())
                extra = {
                    "event": event.name,
                    "fields": {"service": self._service, "name": self._name, **fields},
                }
                self._logger.log(event.level, "%s %s", event.name, shown, extra=extra)
        except BaseException as error:  # a log handler's failure is no reason to fail the service
            if isinstance(error, ENDS_PROCESS):
                raise
            self._failed(event, error)

    def _failed(self, event: Event, error: BaseException) -> None:
        from quickwins.core.metrics import Metrics
        from quickwins.core.metrics.reports import REPORT_FAILURES

        with suppress(Exception):  # of a registry that is not ours
            metrics = Metrics(registry=self._registry, service=self._service, name=self._name)
            metrics.counter(REPORT_FAILURES, event=event.name).inc()
        if self._has_failed:
            return
        self._has_failed = True
        with suppress(Exception):  # stderr may be closed, or there is none
            sys.stderr.write(
                f"quickwins: {event.name} could not be reported: a logging handler or filter raised "
                f"{type(error).__name__}; from now on only counted, in {REPORT_FAILURES.name}\n"
            )


class Seldom(Generic[_R]):
    """Counts what happens often, and has it reported at most once a second for each reason.

        self._seldom = Seldom(rejected, self._report)   # which puts the fields together, and calls a `Reporter`
        self._seldom.note(reason, now)                  # a tenth of a microsecond when it is not time

    The first of a reason is reported at once, the others with the first that comes after a second, or when their owner
    calls `rest`. For one event of one instance, on one thread.
    """

    __slots__ = ("_counts", "_later", "_left", "_quiet_until", "_report", "_reported")

    def __init__(
        self, counts: dict[_R, int], report: Callable[[_R, int], None], later: Callable[[], None]
    ) -> None:
        """Nothing is reported yet.

        Args:
            counts: How many there were of each reason, all of which are in it. This counts there; its owner reads it.
            report: Gets a reason, and how many there were since it was last reported.
            later: Called when something was counted and not reported: `rest` is to be called in `QUIET_SECONDS`. Not
                called again before that.
        """
        self._counts = counts
        self._report = report
        self._later = later
        self._left = False
        self._reported = counts.copy()
        self._quiet_until = dict.fromkeys(counts, -math.inf)

    def note(self, reason: _R, now: float) -> None:
        """Count one more for `reason` at `now`, in monotonic seconds, and report it when it is time."""
        counts = self._counts
        count = counts[reason] = counts[reason] + 1
        if now >= self._quiet_until[reason]:
            self._quiet_until[reason] = now + QUIET_SECONDS
            since = count - self._reported[reason]
            self._reported[reason] = count
            self._report(reason, since)
        elif not self._left:
            self._left = True
            self._later()

    def forget(self) -> None:
        """Leave what was counted so far to somebody else's report, as in a fork's child."""
        self._left = False
        self._reported = self._counts.copy()

    def rest(self, now: float) -> None:
        """Report what was counted at `now` and is not reported yet."""
        self._left = False
        for reason, count in self._counts.items():
            since = count - self._reported[reason]
            if since:
                self._quiet_until[reason] = now + QUIET_SECONDS
                self._reported[reason] = count
                self._report(reason, since)
