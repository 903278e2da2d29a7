"""What Sentry gets to see: no refusals, and texts and values as redacted as on a line.

    hooks = Hooks()
    sentry_sdk.init(before_send=hooks.before_send, before_breadcrumb=hooks.before_breadcrumb, ...)

Sentry itself isn't needed here: its hooks get plain dictionaries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickwins.core.errors import refusal_in
from quickwins.core.lazy import shows
from quickwins.logs._render.values import Walk
from quickwins.logs.redaction._rules import Redaction
from quickwins.logs.redaction._scan import Scanner

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Hooks"]
__dir__ = shows(__name__)

_PARTS = ("logentry", "extra", "request", "tags")
"""What applications say in an event; the rest is Sentry's own."""


class Hooks:
    """Hooks for `sentry_sdk.init`. Any thread; they change what they are given, as Sentry's may, and never raise."""

    def __init__(self, redaction: Redaction | None = None) -> None:
        """Make them.

        Args:
            redaction: What is not shown; `Redaction.strict()` when `None`. Give what `configure_logging` has.
        """
        self._scanner = Scanner(Redaction.strict() if redaction is None else redaction)

    def __repr__(self) -> str:
        return "<Hooks for sentry_sdk.init>"

    def before_send(self, event: Any, hint: Any) -> Any:
        """`event`, redacted; `None` for a refusal, which is policy: nobody is to be woken.

        Messages, what was put into them, `extra`, tags, the request, messages of exceptions and local variables are looked at.
        """
        raised = (hint.get("exc_info") or (None, None))[1]
        if isinstance(raised, BaseException) and refusal_in(raised) is not None:
            return None
        walk = Walk(self._scanner)
        for name in _PARTS:
            if name in event:
                event[name] = walk.value(event[name])
        if isinstance(event.get("message"), str):
            event["message"] = walk.value(event["message"])
        for one in (*_values(event, "exception"), *_values(event, "threads")):
            if isinstance(one.get("value"), str):
                one["value"] = walk.value(one["value"])
            for frame in (one.get("stacktrace") or {}).get("frames") or ():
                if "vars" in frame:
                    frame["vars"] = Walk(self._scanner).value(frame["vars"])
        return event

    def before_send_log(self, log: Any, hint: Any) -> Any:  # noqa: ARG002 -- as Sentry calls it; until=never
        """A record of Sentry Logs, redacted: its body and its attributes, among which are the arguments of its message."""
        return self._redacted(log, "body", "attributes")

    def before_breadcrumb(self, crumb: Any, hint: Any) -> Any:  # noqa: ARG002 -- as Sentry calls it; until=never
        """`crumb`, redacted: its message and its data."""
        return self._redacted(crumb, "message", "data")

    def _redacted(self, one: Any, *names: str) -> Any:
        walk = Walk(self._scanner)
        for name in names:
            if name in one:
                one[name] = walk.value(one[name])
        return one


def _values(event: Any, name: str) -> Iterable[Any]:
    return (event.get(name) or {}).get("values") or ()
