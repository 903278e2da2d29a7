"""One record as one line of JSON: the envelope, what is bound, what the call says. Pure but for its memory.

Three ways, each the next one's fallback:

1. All values are plain, or strings known to be harmless: the call's fields go to orjson as they are.
2. Something is to be redacted, escaped, bounded or moved: a copy is made (`slow`), then the same. A value that breaks there
   is named, and the others stay.
3. Even that failed, as close to the recursion limit, or for an event that isn't a text: a line that says so.

What is expensive to make is remembered (`memory`), and the scanner knows which strings are harmless.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError, needs_extra
from quickwins.logs._render.bound import Bound
from quickwins.logs._render.envelope import MAX_LINE_BYTES, under_attributes
from quickwins.logs._render.memory import Memory
from quickwins.logs._render.slow import slowly
from quickwins.logs._render.values import LARGEST_PLAIN_INTEGER, LONG, Walk, type_name
from quickwins.logs._span import finder

with needs_extra("logs"):
    import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quickwins.logs._context import Context
    from quickwins.logs._levels import Level
    from quickwins.logs.redaction._rules import RedactionRule
    from quickwins.logs.redaction._scan import Scanner

MAX_LONG = 16
"""Long texts of one call that are looked at on the first way; with more of them the second says when to stop."""
_SECOND = 1_000_000_000
_LEAST, _LARGEST = -LARGEST_PLAIN_INTEGER, LARGEST_PLAIN_INTEGER
_LOWEST, _HIGHEST = float(_LEAST), float(_LARGEST)  # a float is compared to a float in a fifth of the time
_DIGITS = tuple(b"%03d" % number for number in range(1_000))


class Renderer:
    """Makes lines. Any thread.

    Attributes:
        redacted: How often each rule replaced something, once for each rendering.
    """

    def __init__(
        self,
        scanner: Scanner,
        *,
        service: str,
        instance: str = "",
        declared: Mapping[str, tuple[str, ...]],
        strict: bool = False,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Make one.

        Args:
            scanner: What finds secrets.
            service: On each line.
            instance: Which of its processes this is, on each line; empty: left out.
            declared: The declared events and their fields.
            strict: Whether an undeclared field of a declared event raises `ConfigError`; otherwise it is kept under
                `attributes`.
            wall_ns: The time, in nanoseconds since the epoch.
        """
        self._memory = Memory(scanner, service=service, instance=instance, declared=declared, strict=strict)
        self._heads = self._memory.heads
        self._clean = scanner.clean
        self._wall_ns = wall_ns
        self._second: tuple[int, bytes] = (-_SECOND, b"")  # when one began, and what it is called
        self._in_span = finder()
        self.redacted: dict[RedactionRule, int] = self._memory.redacted

    def identify(self, instance: str) -> None:
        """Name the process, as after a fork; empty: it has no name. While another thread makes lines, it may use either."""
        self._memory.identify(instance)

    def line(  # noqa: C901, PLR0912 -- one loop without calls: this is what every record costs; until=never
        self,
        level: Level,
        event: str,
        fields: dict[str, object],
        context: Context,
        extra: Mapping[str, object] | None = None,
        hits: list[RedactionRule] | None = None,
    ) -> bytes:
        """One line without its closing brace.

        Args:
            level: Of the record.
            event: What happened.
            fields: What the call says; may be changed.
            context: What is bound.
            extra: Envelope fields that our own code adds; not looked at for secrets.
            hits: What was redacted before.

        Raises:
            ConfigError: In strict mode, a declared event has an undeclared field. Nothing else is ever raised.
        """
        memory = self._memory
        try:
            head = self._heads[level.index].get(event)
            if head is None:
                head = memory.learn_head(level, event)
            now = self._wall_ns()
            stamp = self._second
            if not 0 <= (below := now - stamp[0]) < _SECOND:
                stamp = self._stamp(now)
                below = now - stamp[0]
            if (in_span := self._in_span) is not None:
                context = in_span(context)
            bound = context.rendered
            if type(bound) is not Bound or (bound.by is not memory and bound.by is not None):
                bound = memory.learn_context(context)
            if (
                extra is None
                and head.plain
                and bound.plain
                and (not bound.names or bound.names.isdisjoint(fields))
            ):
                names, clean = head.names, self._clean
                long = 0
                for name, value in fields.items():
                    if name not in names and not memory.learn_name(head, event, name):
                        break
                    kind = type(value)
                    if kind is str:
                        if value not in clean:
                            if len(value) > LONG:  # type: ignore[arg-type]  # -- a str, as just seen; until=never
                                long += 1
                                if long > MAX_LONG:
                                    break
                            if hits is None:
                                hits = []
                            shown = memory.shown(value, hits)  # type: ignore[arg-type]  # -- a str, as just seen; until=never
                            if shown is None:
                                break
                            fields[name] = shown
                    elif kind is int:
                        if not _LEAST < value < _LARGEST:  # type: ignore[operator]  # -- an int, as just seen; until=never
                            break
                    elif kind is float:
                        if not _LOWEST < value < _HIGHEST:  # type: ignore[operator]  # -- a float, as just seen; until=never
                            break
                    elif kind is not bool and value is not None:
                        break
                else:
                    parts = (
                        stamp[1],
                        _DIGITS[below // 1_000_000],
                        _DIGITS[below // 1_000 % 1_000],
                        head.text,
                        bound.text,
                        b",",
                        orjson.dumps(
                            under_attributes(fields, head.moved)
                            if head.moved and not head.moved.isdisjoint(fields)
                            else fields
                        )[1:-1],
                    )
                    line = b"".join(parts if fields else parts[:5])
                    if len(line) <= MAX_LINE_BYTES:
                        return b'%b,"log.redactions":%d' % (line, memory.count(hits)) if hits else line
            start = b"".join(
                (stamp[1], _DIGITS[below // 1_000_000], _DIGITS[below // 1_000 % 1_000], head.text)
            )
            return slowly(memory, start, head, event, fields, bound, extra, [] if hits is None else hits)
        except ConfigError:
            raise
        except Exception as broken:  # noqa: BLE001 -- a log call never raises, whatever the caller's objects do; until=never
            return self._carefully(level, event, fields, context, extra, broken)

    def _stamp(self, now: int) -> tuple[int, bytes]:
        self._in_span = finder()  # the application may have imported it since
        second = now // _SECOND
        text = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        self._second = stamp = (second * _SECOND, f'{{"timestamp":"{text}'.encode())
        return stamp

    def _carefully(
        self,
        level: Level,
        event: object,
        fields: dict[str, object],
        context: Context,
        extra: Mapping[str, object] | None,
        broken: Exception,
    ) -> bytes:
        """The line again, remembering nothing: an event or a name was no plain text, and did what it liked."""
        memory = self._memory
        try:
            plain = event if type(event) is str else str(Walk(memory.scanner).value(event))
            head, bound = memory.learn_head(level, plain), memory.learn_context(context)
            now = self._wall_ns()
            start = b"%b%06d%b" % (self._stamp(now)[1], now % _SECOND // 1_000, head.text)
            return slowly(memory, start, head, plain, fields, bound, extra, [])
        except Exception:  # noqa: BLE001 -- a log call never raises, whatever the caller's objects do; until=never
            return self._minimal(level, event, broken)

    def _minimal(self, level: Level, event: object, broken: Exception) -> bytes:
        """What can always be said: when, how bad, and which error kept the rest from being said."""
        now = self._wall_ns()
        name = event if type(event) is str and event in self._heads[level.index] else "log.failed"
        fields = {
            "severity_text": level.text,
            "severity_number": level.severity,
            "event.name": name,
            "log.error": type_name(type(broken)),
        }
        return b'%b%06dZ",%b,%b' % (
            self._stamp(now)[1],
            now % _SECOND // 1_000,
            self._memory.service,
            orjson.dumps(fields)[1:-1],
        )
