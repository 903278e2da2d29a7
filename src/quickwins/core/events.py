"""The named facts that features report, each with its declared fields, as standard-library logging records.

No set-up happens here: an application that configures nothing sees warnings on stderr as Python shows them, and any
handler can read `record.event` and `record.fields`. The structured-logging feature renders the same records.

Never put a secret, an address or a user's data into a field.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from quickwins.core.clock import Clock

LOGGER = "quickwins"
QUIET_SECONDS = 1.0
"""On hot paths one record per event and reason at most this often: a record costs many times a refusal."""


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
FLAG_SOURCE_FAILED = Event("flag.source_failed", logging.WARNING, ("source", "reason", "detail"))
FLAG_SOURCE_RECOVERED = Event("flag.source_recovered", logging.INFO, ("source",))
FLAG_SUBSCRIBER_FAILED = Event("flag.subscriber_failed", logging.ERROR, ("subscriber", "error"))
CONFIG_UNUSED = Event("config.unused", logging.WARNING, ("key", "reason"))
AUDIT_FAILED = Event("audit.failed", logging.WARNING, ("reason",))
PYTHON_WARNING = Event(
    "python.warning", logging.WARNING, ("kind", "category", "file", "line", "count", "hidden_by")
)
POOL_REJECTED = Event("pool.rejected", logging.WARNING, ("reason", "limit", "inflight", "count"))

# Facts that services report themselves, and features to come (`quickwins.logs.events` has a function for each).
AUTH_FAILURE = Event("auth.failure", logging.WARNING, ("mechanism", "reason"))
AUTH_DENIED = Event("auth.denied", logging.WARNING, ("action", "resource", "reason"))
RATE_LIMITED = Event("rate.limited", logging.WARNING, ("scope", "limit", "window_seconds"))
QUERY_SLOW = Event("query.slow", logging.WARNING, ("db.query.summary", "duration_ms"))
CACHE_ACCESS = Event("cache.access", logging.INFO, ("cache", "hit"))
DUPLICATE_SKIPPED = Event("duplicate.skipped", logging.INFO, ("messaging.destination.name", "count"))
CONNECTION_SWITCHED = Event("connection.switched", logging.WARNING, ("member", "reason"))


def declared() -> tuple[Event, ...]:
    """Every event declared here."""
    return tuple(one for one in globals().values() if isinstance(one, Event))


class Reporter:
    """Reports events of one instance. Thread-safe."""

    def __init__(
        self,
        *,
        service: str = "",
        name: str = "",
        clock: Clock | None = None,
        logger: logging.Logger | None = None,
    ) -> None:
        self._service = service
        self._name = name
        self._clock = SystemClock() if clock is None else clock
        self._logger = logging.getLogger(LOGGER) if logger is None else logger
        self._lock = threading.Lock()
        # Bounded by the declared events times the members of their reason enums.
        self._pending: dict[tuple[str, str], tuple[float, int]] = {}

    def report(self, event: Event, **fields: object) -> None:
        """Write one record.

        Raises:
            ConfigError: The fields are not the declared ones.
        """
        if fields.keys() != set(event.fields):
            raise ConfigError(f"{event.name} takes the fields {list(event.fields)}, not {sorted(fields)}")
        if self._logger.isEnabledFor(event.level):
            shown = " ".join(f"{key}={value}" for key, value in fields.items())
            extra = {"event": event.name, "fields": {"service": self._service, "name": self._name, **fields}}
            self._logger.log(event.level, "%s %s", event.name, shown, extra=extra)

    def report_seldom(self, event: Event, reason: str, **fields: object) -> None:
        """Write at most one record a second for this event and reason, with `count` since the last one.

        Costs a clock reading, a lock and a dictionary look-up when nothing is written.
        """
        now = self._clock.monotonic()
        with self._lock:
            due, count = self._pending.get((event.name, reason), (now, 0))
            if now < due:
                self._pending[event.name, reason] = (due, count + 1)
                return
            self._pending[event.name, reason] = (now + QUIET_SECONDS, 0)
        self.report(event, reason=reason, count=count + 1, **fields)


class Seldom:
    """When to report what happens often: at most once a second for each reason, with how many there were since.

    The caller pays for a look into a dictionary, and puts the fields together only when it is time:

        if count := self._seldom.due(reason, now):
            self._reporter.report(POOL_REJECTED, reason=reason, count=count, limit=..., inflight=...)

    The first of a reason is due at once. For one event of one instance, on one thread. Reasons are the members of an
    enum: nothing is ever forgotten here.
    """

    __slots__ = ("_states",)

    def __init__(self) -> None:
        self._states: dict[str, list[float]] = {}  # reason to when it may be told again, and how many since

    def due(self, reason: str, now: float) -> int:
        """Count one more for `reason` at `now`, in monotonic seconds; how many to report now, most often 0."""
        state = self._states.get(reason)
        if state is None:
            self._states[reason] = [now + QUIET_SECONDS, 0]
            return 1
        state[1] += 1
        if now < state[0]:
            return 0
        count = int(state[1])
        state[0] = now + QUIET_SECONDS
        state[1] = 0
        return count
