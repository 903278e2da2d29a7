"""The standard facts as functions, so that their names and fields never drift; declared in `quickwins.core.events`.

None of them takes a name, an address or a token: the context's tenant or a pseudonym says who it was.
"""

from __future__ import annotations

from quickwins.core import events
from quickwins.core.lazy import shows
from quickwins.logs._logger import get_logger

__all__ = [
    "auth_denied",
    "auth_failure",
    "cache_access",
    "connection_switched",
    "duplicate_skipped",
    "pool_rejected",
    "python_warning",
    "query_slow",
    "rate_limited",
]
__dir__ = shows(__name__)

_log = get_logger()


def auth_failure(*, mechanism: str, reason: str) -> None:
    """A caller failed to prove who they are.

    Args:
        mechanism: How they tried: `password`, `bearer`, `mtls`.
        reason: Why not, of a few: `expired`, `unknown`, `mismatch`.
    """
    _log.warning(events.AUTH_FAILURE.name, mechanism=mechanism, reason=reason)


def auth_denied(*, action: str, resource: str, reason: str) -> None:
    """A known caller was not allowed to do something.

    Args:
        action: What they wanted: `read`, `delete`.
        resource: The kind of thing, not which one.
        reason: Why not, of a few.
    """
    _log.warning(events.AUTH_DENIED.name, action=action, resource=resource, reason=reason)


def rate_limited(*, scope: str, limit: int, window_seconds: float) -> None:
    """A caller sent more requests than are allowed.

    Args:
        scope: What is counted: `tenant`, `route`.
        limit: How many are allowed in a window.
        window_seconds: Its length.
    """
    _log.warning(events.RATE_LIMITED.name, scope=scope, limit=limit, window_seconds=window_seconds)


def query_slow(*, summary: str, duration_ms: float) -> None:
    """A query was slow.

    Args:
        summary: Its kind and tables, such as `SELECT posts`; never its text or arguments.
        duration_ms: How long.
    """
    _log.warning(events.QUERY_SLOW.name, **{"db.query.summary": summary, "duration_ms": duration_ms})


def cache_access(*, cache: str, hit: bool) -> None:
    """Something was looked up in a cache.

    Args:
        cache: Its name.
        hit: Whether it was there.
    """
    _log.info(events.CACHE_ACCESS.name, cache=cache, hit=hit)


def pool_rejected(*, reason: str, limit: int, inflight: int, count: int = 1) -> None:
    """A pool's gate refused; `quickwins.backpressure` reports this itself.

    Args:
        reason: Which rule refused.
        limit: Permits at that moment.
        inflight: Permits in use.
        count: How often since the last report.
    """
    _log.info(events.POOL_REJECTED.name, reason=reason, limit=limit, inflight=inflight, count=count)


def duplicate_skipped(*, destination: str, count: int = 1) -> None:
    """A message was skipped, because it had been processed before.

    Args:
        destination: The topic.
        count: How many.
    """
    _log.info(events.DUPLICATE_SKIPPED.name, **{"messaging.destination.name": destination, "count": count})


def connection_switched(*, member: str, reason: str) -> None:
    """Calls go over another connection from now on.

    Args:
        member: Which one, by its name or number; not its address.
        reason: Why: `failed`, `rotated`.
    """
    _log.warning(events.CONNECTION_SWITCHED.name, member=member, reason=reason)


def python_warning(
    *, kind: str, category: str, file: str, line: int, count: int = 1, hidden_by: str = ""
) -> None:
    """Python has warned; `quickwins.suppressions` reports this itself.

    Args:
        kind: `warning`, `unraisable` or `thread`.
        category: The class's name.
        file: Where.
        line: Where.
        count: How often since the last report.
        hidden_by: Whose filter would have hidden it.
    """
    _log.warning(
        events.PYTHON_WARNING.name,
        kind=kind,
        category=category,
        file=file,
        line=line,
        count=count,
        hidden_by=hidden_by,
    )
