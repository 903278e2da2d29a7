"""What Sentry gets to see: no refusals, and texts and values as redacted as on a line.

    hooks = Hooks()
    sentry_sdk.init(before_send=hooks.before_send, before_breadcrumb=hooks.before_breadcrumb, ...)

Sentry itself isn't needed here: its hooks get plain dictionaries.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import refusal_in
from quickwins.core.lazy import shows
from quickwins.logs._render.values import Walk, is_mark
from quickwins.logs.redaction._rules import Redaction
from quickwins.logs.redaction._scan import Scanner

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["Hooks"]
__dir__ = shows(__name__)

_PARTS = ("logentry", "extra", "request", "tags", "contexts", "transaction", "fingerprint")
"""What applications say in an event; the rest is Sentry's own, but for `user`, which says who it was on purpose."""
_REFUSED = (429, 503)
_PARAMETER = "sentry.message.parameter."


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

        Messages, what was put into them, `extra`, tags, contexts, the request, the transaction's name, messages of exceptions and
        local variables are looked at.
        """
        raised = (hint.get("exc_info") or (None, None))[1]
        if isinstance(raised, BaseException) and _is_refusal(raised):
            return None
        said = event.get("logentry")
        if isinstance(said, dict):
            said["formatted"] = self._without(said.get("formatted"), said.get("params"))
        self._redacted(event, *_PARTS, "message")
        for one in (*_values(event, "exception"), *_values(event, "threads")):
            if isinstance(one.get("value"), str):
                self._redacted(one, "value")
            for frame in (one.get("stacktrace") or {}).get("frames") or ():
                if "vars" in frame:
                    frame["vars"] = Walk(self._scanner).value(frame["vars"])
        return event

    def before_send_log(self, log: Any, hint: Any) -> Any:  # noqa: ARG002 -- as Sentry calls it; until=never
        """A record of Sentry Logs, redacted: its body and its attributes, among which are the arguments of its message."""
        attributes = log.get("attributes")
        if isinstance(attributes, dict):
            put_in = {name: value for name, value in attributes.items() if name.startswith(_PARAMETER)}
            log["body"] = self._without(log.get("body"), put_in)
        return self._redacted(log, "body", "attributes")

    def before_send_metric(self, metric: Any, hint: Any) -> Any:  # noqa: ARG002 -- as Sentry calls it; until=never
        """A metric of Sentry's, redacted: its attributes."""
        return self._redacted(metric, "attributes")

    def before_send_transaction(self, event: Any, hint: Any) -> Any:  # noqa: ARG002 -- as Sentry calls it; until=never
        """A transaction, redacted as an event is, and each of its spans: its description, its data and its tags."""
        for span in event.get("spans") or ():
            self._redacted(span, "description", "data", "tags")
        return self._redacted(event, *_PARTS)

    def before_breadcrumb(self, crumb: Any, hint: Any) -> Any:
        """`crumb`, redacted: its message and its data."""
        record = (hint or {}).get("log_record")
        if isinstance(record, logging.LogRecord):
            crumb["message"] = self._without(crumb.get("message"), record.args)
        return self._redacted(crumb, "message", "data")

    def _without(self, text: Any, put_in: Any) -> Any:
        """`text` without what was put into it under a name that is private, which the text itself doesn't have."""
        if isinstance(text, str) and isinstance(put_in, dict):
            shown = Walk(self._scanner).value(put_in)
            for name, value in put_in.items():
                mark = shown.get(name) if isinstance(shown, dict) else None
                if isinstance(value, (str, int, float)) and str(value) and is_mark(mark):
                    text = text.replace(str(value), str(mark))
        return text

    def _redacted(self, one: Any, *names: str) -> Any:
        walk = Walk(self._scanner)
        for name in names:
            if name in one:
                one[name] = walk.value(one[name])
        return one


def _values(event: Any, name: str) -> Iterable[Any]:
    return (event.get(name) or {}).get("values") or ()


def _is_refusal(raised: BaseException) -> bool:
    """Whether `raised` is a refusal, GraphQL's error of one, or the 503 or 429 that a service answers one with."""
    seen: set[int] = set()
    found: Any = raised
    while isinstance(found, BaseException) and id(found) not in seen:
        if refusal_in(found) is not None:
            return True
        seen.add(id(found))
        inside = getattr(found, "original_error", None)
        answers = getattr(found, "status_code", None) in _REFUSED
        found = inside or ((found.__cause__ or found.__context__) if answers else None)
    return False
