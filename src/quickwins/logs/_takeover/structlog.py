"""structlog's loggers, taken over while our logging is on.

structlog stays as it is, with its loggers, configuration and processors, however and whenever it is configured; so nothing of it is
copied or given back. One method, which all of its loggers call before they give an event to their output, asks us first. What
then happens depends on the output:

- the process's standard output or error: the line is ours instead, with what the processors made of the fields. A processor
  that drops the event has dropped it, as `capture_logs()` does; the last one isn't run if it only makes text.
- the standard library: its handlers get what they always got, and our line has the fields, not the text.
- anything else is its owner's, and left alone. A logger of the configured kind has a line of ours besides.
"""

from __future__ import annotations

import logging
import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

import structlog
from structlog import _native, dev, processors, stdlib

from quickwins.logs._levels import CRITICAL, DEBUG, ERROR, INFO, WARNING, Level
from quickwins.logs._takeover.patch import Patch
from quickwins.logs._takeover.places import is_standard
from quickwins.logs._takeover.records import FREE_TEXT, Saying, saying

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class Destination(Protocol):
    """What takes events: a pipeline."""

    threshold: int

    def say(self, level: Level, event: str, args: tuple[object, ...], fields: dict[str, object]) -> None:
        """Take an event and its fields; `args` are for the `%` in it. The level has been checked already."""


_OUTPUTS = (structlog.PrintLogger, structlog.WriteLogger, structlog.BytesLogger)


def _standard_output() -> object:
    try:
        return getattr(structlog.PrintLogger(), "_file", None)
    except TypeError:  # there was none: descriptor 1 was closed
        return object()


_STANDARD_OUTPUT = _standard_output()
_RENDERERS = (
    dev.ConsoleRenderer,
    processors.JSONRenderer,
    processors.KeyValueRenderer,
    processors.LogfmtRenderer,
)
"""They only make a text."""

_LEVELS = {
    "critical": CRITICAL,
    "fatal": CRITICAL,
    "exception": ERROR,
    "error": ERROR,
    "err": ERROR,
    "failure": ERROR,
    "warning": WARNING,
    "warn": WARNING,
    "debug": DEBUG,
    "notset": DEBUG,
}
"""By methods' names; any other is `INFO`."""

_FORMATTED = ("timestamp", "level", "level_number", "exception", "stack", "logger")
"""What structlog's own processors add for a text; a line has its own."""


class _Text(str):
    """A text with arguments in it, which remembers both: they write about themselves what they like."""

    __slots__ = ("args", "template")
    template: str
    args: tuple[object, ...]


class _Steps:
    """What the processors made of an event's fields, up to where they become text."""

    def __init__(self) -> None:
        self.fields: dict[str, Any] = {}
        self.raised: object = None

    def over(self, processors: Iterable[Any]) -> list[Any]:
        """`processors`, watched."""
        return [partial(self._step, one) for one in processors]

    def _step(self, processor: Any, logger: Any, method: str, fields: Any) -> Any:
        self.keep(fields)
        made = processor(logger, method, fields)
        if isinstance(processor, stdlib.PositionalArgumentsFormatter) and isinstance(made, dict):
            template, args = self.fields.get("event"), self.fields.get("positional_args")
            if args and type(made.get("event")) is str:
                made["event"] = _text(made["event"], template, args)
        return made

    def keep(self, fields: Any) -> None:
        """Remember what is still fields."""
        if isinstance(fields, dict):
            self.fields = fields.copy()
            self.raised = fields.get("exc_info") or self.raised


def _text(made: str, template: Any, args: Any) -> _Text:
    text = _Text(made)
    text.template, text.args = template, tuple(args)
    return text


class Bridge:
    """Between structlog and a destination. Any thread."""

    def __init__(self, destination: Destination) -> None:
        """Nothing is taken over yet."""
        self._destination = destination

    def install(self) -> None:
        """Take structlog's loggers over."""
        global _taking  # noqa: PLW0603 -- logging is process-wide; until=never
        _taking = self
        for patch in _PATCHES:
            patch.put()

    def uninstall(self) -> None:
        """Leave structlog alone."""
        global _taking  # noqa: PLW0603 -- logging is process-wide; until=never
        _taking = None
        for patch in _PATCHES:
            patch.take_out()

    def process(self, bound: Any, method: str, event: object, given: dict[str, Any]) -> Any:
        """`BoundLoggerBase._process_event`."""
        state = vars(bound)
        logger = state["_logger"]
        instead = isinstance(logger, _OUTPUTS) and is_standard(_file(logger))
        through = isinstance(logger, logging.Logger)
        if not instead and not through and state["_processors"] is not structlog.get_config()["processors"]:
            return _PROCESS.before(bound, method, event, given)
        steps = _Steps()
        try:
            args, options = _PROCESS.before(
                _watched(bound, steps, text=not instead), method, event, given.copy()
            )
        except structlog.DropEvent:
            raise
        except Exception as broken:
            if not instead:
                raise
            self._say(method, "log.failed", (), {"kind": type(broken).__name__})
            raise structlog.DropEvent from None
        if not args and not through:
            steps.keep(options)
        said = _said(steps, bound, given)
        if through:
            saying.set(Saying(args[0] if args else options.get("msg", options.get("event")), *said))
        else:
            self._say(method, *said)
        if instead:
            raise structlog.DropEvent
        return args, options

    def _say(self, method: str, event: str, args: tuple[object, ...], fields: dict[str, object]) -> None:
        level = _LEVELS.get(method, INFO)
        if level.number >= self._destination.threshold:
            self._destination.say(level, event, args, fields)


def _file(logger: Any) -> Any:
    """Where `logger` writes."""
    file = getattr(logger, "_file", None)
    # `print` goes to what is standard output by then.
    return sys.stdout if isinstance(logger, structlog.PrintLogger) and file is _STANDARD_OUTPUT else file


def _watched(bound: Any, steps: _Steps, *, text: bool) -> Any:
    """`bound` again, with its processors watched; without the last one if it only makes a text and `text` is false."""
    chain = list(vars(bound)["_processors"])
    if not text and chain and isinstance(chain[-1], _RENDERERS):
        chain.pop()
    twin = object.__new__(type(bound))
    vars(twin).update(vars(bound), _processors=steps.over(chain))
    return twin


def _said(
    steps: _Steps, bound: Any, given: Mapping[str, Any]
) -> tuple[str, tuple[object, ...], dict[str, object]]:
    """The event, its arguments and its fields."""
    fields = steps.fields
    for name in _FORMATTED:
        if name in fields and name not in given and name not in structlog.get_context(bound):
            del fields[name]
    for name in [one for one in fields if one.startswith("_")]:  # ProcessorFormatter's own
        del fields[name]
    if steps.raised:
        fields["exc_info"] = steps.raised
    fields.pop("stack_info", None)
    event = fields.pop("event", None)
    args = tuple(fields.pop("positional_args", ()))
    if isinstance(event, _Text):
        return event.template, event.args, fields
    if isinstance(event, str):
        return event, args, fields
    if event is not None:
        fields["body"] = event
    return FREE_TEXT, (), fields


def _ours_process(self: Any, method_name: str, event: str | None, event_kw: dict[str, Any]) -> Any:
    taking = _taking
    if taking is None:
        return _PROCESS.before(self, method_name, event, event_kw)
    return taking.process(self, method_name, event, event_kw)


def _ours_interpolate(event: Any, args: tuple[Any, ...]) -> Any:
    made = _INTERPOLATE.before(event, args)
    return _text(made, event, args) if args and _taking is not None and type(made) is str else made


_taking: Bridge | None = None
_PROCESS = Patch(structlog.BoundLoggerBase, "_process_event", _ours_process)
_INTERPOLATE = Patch(_native, "_maybe_interpolate", _ours_interpolate)
_PATCHES = (_PROCESS, _INTERPOLATE)

# structlog looks for the caller of a logger behind all modules of this name, and should not find ours.
__name__ = "structlog.quickwins"
