"""What our loggers say, kept for a test to look at: as it was said, before anything is redacted, sampled or rendered."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError
from quickwins.logs import _logger
from quickwins.logs._levels import LEVELS
from quickwins.logs._render.values import Walk
from quickwins.logs.redaction._rules import Redaction
from quickwins.logs.redaction._scan import Scanner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from quickwins.logs._context import Context
    from quickwins.logs._levels import Level
    from quickwins.logs._logger import Hits
    from quickwins.logs.redaction._rules import RedactionRule


@dataclass(frozen=True, slots=True)
class Line:
    """One call of a logger.

    Attributes:
        level: debug, info, warning, error or critical.
        event: What happened.
        fields: What the call said of it.
        bound: What every line said there: the fields that were bound, and the trace's ids.
    """

    level: str
    event: str
    fields: Mapping[str, object]
    bound: Mapping[str, object]


@contextmanager
def recording(level: str = "debug") -> Iterator[list[Line]]:
    """Within this block our loggers are on, whatever was configured, and their lines go into the list that it gives.

    Loggers of structlog and of the standard library go where they go otherwise. Any thread may log; configure nothing inside.

    Args:
        level: The lowest that is kept: debug, info, warning, error or critical.

    Example:
        with recording() as lines:
            get_logger().info("order.placed", items=3)
        assert lines[0].fields == {"items": 3}

    Raises:
        ConfigError: There is no such level.
    """
    lines: list[Line] = []
    with _kept(level, lines.append):
        yield lines


@contextmanager
def capture_logs(level: str = "debug") -> Iterator[list[dict[str, object]]]:
    """`recording` in the form that structlog's `capture_logs` has: a dictionary for each call, `event` and `log_level` in it.

    Args:
        level: The lowest that is kept: debug, info, warning, error or critical.

    Example:
        with capture_logs() as logs:
            get_logger().info("order.placed", items=3)
        assert logs == [{"event": "order.placed", "log_level": "info", "items": 3}]

    Raises:
        ConfigError: There is no such level.
    """
    logs: list[dict[str, object]] = []

    def keep(line: Line) -> None:
        logs.append({**line.bound, **line.fields, "event": line.event, "log_level": line.level})

    with _kept(level, keep):
        yield logs


@contextmanager
def _kept(level: str, keep: Callable[[Line], None]) -> Iterator[None]:
    recorder = _Recorder(level, keep)
    before, _logger.current = _logger.current, recorder
    try:
        yield
    finally:
        if _logger.current is recorder:
            _logger.current = before


class _Recorder:
    """See `Destination`."""

    def __init__(self, level: str, keep: Callable[[Line], None]) -> None:
        found = next((one for one in LEVELS if one.name == level), None)
        if found is None:
            raise ConfigError(
                f"level={level!r} is not allowed: one of {', '.join(one.name for one in LEVELS)}"
            )
        self.threshold = found.number
        self._keep = keep

    def emit(
        self,
        level: Level,
        event: str,
        fields: dict[str, object],
        context: Context,
        hits: Hits = None,  # noqa: ARG002 -- as `Destination` has it; until=never
    ) -> bool:
        self._keep(Line(level.name, event, fields, bound_in(context)))
        return True

    def interpolated(self, event: object, args: tuple[object, ...], hits: list[RedactionRule]) -> str:
        return Walk(Scanner(Redaction.none()), hits).filled(event, args)

    def adopt(self) -> None:
        """Other libraries' logging is not ours here."""

    def give_way(self) -> None:
        if _logger.current is self:
            _logger.current = None

    def flush(self, timeout_seconds: float) -> bool:  # noqa: ARG002 -- as `Destination` has it; until=never
        return True

    def close(self, timeout_seconds: float = 0.0) -> None:  # noqa: ARG002 -- as `Destination` has it; until=never
        self.give_way()


def bound_in(context: Context) -> dict[str, object]:
    """What each line says in `context`."""
    trace = context.trace
    ids = {} if trace is None else {"trace_id": trace.trace_id, "span_id": trace.span_id}
    return {**ids, **context.fields}
