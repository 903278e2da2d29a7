"""Where our loggers' records go while structured logging is off, killed or not configured: where the application logs.

Through structlog where that is configured, else through the standard library. What is under a private name is hidden here
too; nothing else is looked for. Objects aren't asked what they are: they may raise, and may say what they like.
"""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

from quickwins.logs._render.exceptions import exception_in
from quickwins.logs._render.values import Walk, type_name
from quickwins.logs.redaction._rules import Redaction, RedactionRule
from quickwins.logs.redaction._scan import Scanner

if TYPE_CHECKING:
    from quickwins.logs._levels import Level

_FRAMES = 3
"""From the application's call to `logging`: a logger's method, its `_log`, and `say`."""
_NOT_FOR_STRUCTLOG = frozenset({"event", "level", "self", "method_name"})
"""Names of parameters of its loggers' methods; such fields go under `attributes`, as on a line of ours."""

_scanner = Scanner(Redaction(rules=frozenset({RedactionRule.KEY})))
_has_failed = False


def redact(redaction: Redaction) -> None:
    """Hide the names that `redaction` does, from now on."""
    global _scanner  # noqa: PLW0603 -- where the application logs is process-wide; until=never
    _scanner = Scanner(
        Redaction(
            keys=redaction.keys, safe_keys=redaction.safe_keys, rules=redaction.rules & {RedactionRule.KEY}
        )
    )


def say(level: Level, name: str, event: object, args: tuple[object, ...], fields: dict[str, object]) -> None:
    """Log as the application does without us.

    Args:
        level: Of the record.
        name: The logger's.
        event: What happened; a template, if there are `args`.
        args: For the `%` in it.
        fields: What the call says; changed.
    """
    structlog: Any = sys.modules.get("structlog")
    beside = structlog is not None and structlog.is_configured()
    logger = logging.getLogger(name or None)
    if not beside and not logger.isEnabledFor(level.number):
        return
    walk = Walk(_scanner)
    own: dict[str, Any] = {}
    if "exc_info" in fields:
        own["exc_info"] = exception_in(fields.pop("exc_info"), sys.exception())
    if fields.pop("stack_info", None) is True:
        own["stack_info"] = True
    stacklevel = fields.pop("stacklevel", 1)
    text = walk.filled(event, args)
    shown = walk.mapping(fields)
    if beside:
        apart = {name: shown.pop(name) for name in _NOT_FOR_STRUCTLOG & shown.keys()}
        if apart:
            shown["attributes"] = apart
        write = getattr(structlog.get_logger(*([name] if name else [])), level.name)
        write(text.replace("%", "%%") if args else text, **shown, **own)
        return
    told = "".join(f" {name}={value}" for name, value in shown.items())
    logger.log(
        level.number,
        "%s%s",
        text,
        told,
        extra={"event": text, "fields": shown},
        stacklevel=_FRAMES + (stacklevel if type(stacklevel) is int else 1),
        **own,
    )


def failed(failure: Exception) -> None:
    """Count a log call that failed, because a handler or a processor of the application did; say so once on stderr.

    Raises:
        Exception: Not even that was possible: stderr may be closed, or the recursion limit near.
    """
    global _has_failed  # noqa: PLW0603 -- once for a process; until=never
    from quickwins.core.metrics import Metrics
    from quickwins.core.metrics.reports import REPORT_FAILURES

    Metrics().counter(REPORT_FAILURES, event="log.failed").inc()
    if not _has_failed:
        _has_failed = True
        sys.stderr.write(
            f"quickwins: a record could not be logged: a handler, filter or processor raised "
            f"{type_name(type(failure))}; from now on only counted, in {REPORT_FAILURES.name}\n"
        )
