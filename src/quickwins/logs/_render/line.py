"""One record as one line of JSON: the envelope, what is bound, what the call says. Pure but for its memories.

Three ways, each the next one's fallback:

1. All values are plain, or strings known to be harmless: the call's fields go to orjson as they are.
2. Something is to be redacted, escaped, bounded or moved: a copy is made (`_values.Walk`), then the same.
3. Even that failed, because an object of the caller's broke: a line that says so.

What costs is remembered: a head for each event, the names that are harmless, the fields of a context (`Context.rendered`),
and the scanner knows which strings are harmless. All memories are bounded, and start again when they are full.
"""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError, needs_extra
from quickwins.logs._levels import LEVELS, Level
from quickwins.logs._render.exceptions import described, exception_in
from quickwins.logs._render.values import LARGEST_PLAIN_INTEGER, PLAIN, UNSAFE, Walk
from quickwins.logs.redaction._rules import Rule

with needs_extra("logs"):
    import orjson

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quickwins.logs._context import Context
    from quickwins.logs.redaction._scan import Scanner

ENVELOPE = frozenset(
    {
        "timestamp",
        "severity_text",
        "severity_number",
        "event.name",
        "service.name",
        "trace_id",
        "span_id",
        "correlation_id",
        "attributes",
        "exception.type",
        "exception.frames",
        "exception.stack_hash",
        "exception.causes",
        "log.redactions",
        "log.sample_rate",
        "log.dropped",
        "log.error",
        "seq",
    }
)
"""Names that mean one thing on every line; a caller's field of that name is kept under `attributes`."""

ALWAYS_DECLARED = frozenset({"exc_info", "name", "service"})
"""What any event may say besides its declared fields: its exception, and what `Reporter` adds."""

MAX_EVENTS, MAX_NAMES, MAX_NAME_LENGTH = 1_024, 1_024, 256
MAX_EVENT_LENGTH = 1_024
MAX_LINE_BYTES = 16_384
"""What a line holds at most before `log.dropped` and `seq`; a longer one keeps its envelope and says so."""

_DIGITS = tuple(b"%03d" % number for number in range(1_000))


@dataclass(frozen=True, slots=True)
class _Head:
    """What all lines of one event have in common.

    Attributes:
        text: From the end of the timestamp to the service's name.
        plain: Whether nothing in it was redacted.
        redactions: How much was.
        declared: The fields that the event may have; `None`: any.
        names: Those of them that may be written as they are, as far as they have been met.
    """

    text: bytes
    plain: bool
    redactions: int
    declared: frozenset[str] | None
    names: set[str]


@dataclass(slots=True)  # not frozen: that alone would be half of what making one costs
class _Bound:
    """A context's fields, rendered; never changed.

    Attributes:
        by: Whose they are: another renderer may redact otherwise.
        text: The fields, behind commas.
        names: Of the fields in it.
        plain: Whether nothing was redacted, and nothing belongs under `attributes`.
        fields: Looked at, as they were rendered.
        attributes: What belongs there.
        redactions: How much was redacted.
    """

    by: Renderer
    text: bytes
    names: frozenset[str]
    plain: bool
    fields: dict[str, object]
    attributes: dict[str, object]
    redactions: int


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
        declared: Mapping[str, tuple[str, ...]],
        strict: bool = False,
        wall_ns: Callable[[], int] = time.time_ns,
    ) -> None:
        """Make one.

        Args:
            scanner: What finds secrets.
            service: On each line.
            declared: The declared events and their fields.
            strict: Whether an undeclared field of a declared event raises `ConfigError`; otherwise it is kept under
                `attributes`.
            wall_ns: The time, in nanoseconds since the epoch.
        """
        self._scanner = scanner
        self._declared = {event: frozenset(fields) | ALWAYS_DECLARED for event, fields in declared.items()}
        self._strict = strict
        self._wall_ns = wall_ns
        walk = Walk(scanner)
        self._service = self._object({"service.name": walk.value(service)})[1:-1]
        self._heads: tuple[dict[str, _Head], ...] = tuple({} for _ in LEVELS)
        self._names: set[str] = set()  # of all events that are not declared
        self._free = _Head(b"", True, 0, None, self._names)
        self._second: tuple[int, bytes] = (-1, b"")
        self.redacted: dict[Rule, int] = dict.fromkeys(Rule, 0)

    def line(  # noqa: C901, PLR0912 -- one loop without calls: this is what every record costs; until=2027-12-31
        self,
        level: Level,
        event: str,
        fields: dict[str, object],
        context: Context,
        extra: Mapping[str, object] | None = None,
    ) -> bytes:
        """One line without its closing brace.

        Args:
            level: Of the record.
            event: What happened.
            fields: What the call says; may be changed.
            context: What is bound.
            extra: Envelope fields that our own code adds; not looked at for secrets.

        Raises:
            ConfigError: In strict mode, a declared event has an undeclared field. Nothing else is ever raised.
        """
        try:
            head = self._heads[level.index].get(event)
            if head is None:
                head = self._head(level, event)
            bound = context.rendered
            if type(bound) is not _Bound or bound.by is not self:
                bound = self._bind(context)
            second, below = divmod(self._wall_ns(), 1_000_000_000)
            stamp = self._second
            if stamp[0] != second:
                stamp = self._stamp(second)
            hits: list[Rule] = []
            if extra is None and head.plain and bound.plain and bound.names.isdisjoint(fields):
                names, clean = head.names, self._scanner.clean
                for name, value in fields.items():
                    if name not in names and not self._learn_name(head, event, name):
                        break
                    kind = type(value)
                    if kind is str:
                        if value not in clean:
                            shown = self._shown(value, hits)  # type: ignore[arg-type]  # -- a str, as just seen; until=2027-12-31
                            if shown is None:
                                break
                            fields[name] = shown
                    elif kind is int:
                        if not -LARGEST_PLAIN_INTEGER < value < LARGEST_PLAIN_INTEGER:  # type: ignore[operator]  # -- an int, as just seen; until=2027-12-31
                            break
                    elif kind not in PLAIN:
                        break
                else:
                    parts = (
                        stamp[1],
                        _DIGITS[below // 1_000_000],
                        _DIGITS[below // 1_000 % 1_000],
                        head.text,
                        bound.text,
                        b",",
                        orjson.dumps(fields)[1:-1],
                    )
                    line = b"".join(parts if fields else parts[:5])
                    if len(line) <= MAX_LINE_BYTES:
                        return b'%b,"log.redactions":%d' % (line, self._counted(hits)) if hits else line
            start = b"".join(
                (stamp[1], _DIGITS[below // 1_000_000], _DIGITS[below // 1_000 % 1_000], head.text)
            )
            return self._slow(start, head, event, fields, bound, extra, hits)
        except ConfigError:
            raise
        except Exception as broken:  # noqa: BLE001 -- a log call never raises, whatever the caller's objects do; until=2027-12-31
            return self._minimal(level, event, broken)

    # The usual way.

    def _shown(self, value: str, hits: list[Rule]) -> str | None:
        """What may be written of `value`; `None` where something in it must be escaped."""
        # Nothing that is unsafe is printable, and that is asked in a tenth of the time.
        if not value.isprintable() and UNSAFE.search(value) is not None:
            return None
        return self._scanner.text(value, hits)

    def _learn(self, value: str) -> bool:
        """Whether `value` may be written as it is."""
        return self._shown(value, []) is value

    def _learn_name(self, head: _Head, event: str, name: str) -> bool:
        """Whether a field `name` may be written as it is, if its value may; remembered if so."""
        if head.declared is not None and name not in head.declared:
            if self._strict:
                raise ConfigError(
                    f"{event} takes the fields {sorted(head.declared - ALWAYS_DECLARED)}, not {name!r}"
                )
            return False
        if name in ENVELOPE or name == "exc_info" or self._scanner.key(name) or not self._learn(name):
            return False
        if len(name) <= MAX_NAME_LENGTH:
            if len(head.names) >= MAX_NAMES:
                head.names.clear()
            head.names.add(name)
        return True

    # What is remembered.

    def _stamp(self, second: int) -> tuple[int, bytes]:
        text = time.strftime("%Y-%m-%dT%H:%M:%S.", time.gmtime(second))
        self._second = stamp = (second, f'{{"timestamp":"{text}'.encode())
        return stamp

    def _head(self, level: Level, event: object) -> _Head:
        walk = Walk(self._scanner)
        name = walk.value(event[:MAX_EVENT_LENGTH] if type(event) is str else event)
        text = self._object(
            {"severity_text": level.text, "severity_number": level.severity, "event.name": name}
        )
        known = self._declared.get(event) if type(event) is str else None
        count = self._counted(walk.hits)
        text = b'Z",' + text[1:-1] + b"," + self._service
        head = _Head(text, count == 0, count, known, self._names if known is None else set())
        heads = self._heads[level.index]
        if type(event) is str and len(event) <= MAX_NAME_LENGTH and not walk.hits:
            if len(heads) >= MAX_EVENTS:
                heads.clear()
            heads[event] = head
        return head

    def _bind(self, context: Context) -> _Bound:
        """`context`'s fields, rendered and kept with it."""
        trace = context.trace
        own: dict[str, object] = {}
        if trace is not None:
            own = {"trace_id": trace.trace_id, "span_id": trace.span_id}
        attributes: dict[str, object] = {}
        count = 0
        if self._harmless_in_context(context.fields, own):
            own.update(context.fields)
            text = orjson.dumps(own)
        else:
            walk = Walk(self._scanner)
            fields = walk.mapping(context.fields)
            if "correlation_id" in fields:
                own["correlation_id"] = fields["correlation_id"]
            rest, attributes = self._sorted(
                {name: value for name, value in fields.items() if name not in own}, None
            )
            own |= rest
            count = self._counted(walk.hits)
            text = self._object(own)
        context.rendered = bound = _Bound(
            self,
            b"," + text[1:-1] if own else b"",
            frozenset(own),
            count == 0 and not attributes,
            own,
            attributes,
            count,
        )
        return bound

    def _harmless_in_context(self, fields: Mapping[str, object], trace: Mapping[str, object]) -> bool:
        names, clean = self._names, self._scanner.clean
        for name, value in fields.items():
            if name == "correlation_id":
                if value == trace.get("trace_id"):  # as of a request that came without one
                    continue
            elif name not in names and not self._learn_name(self._free, "", name):
                return False
            if type(value) is not str or (value not in clean and not self._learn(value)):
                return False
        return True

    # The slow way.

    def _slow(
        self,
        start: bytes,
        head: _Head,
        event: str,
        fields: dict[str, object],
        bound: _Bound,
        extra: Mapping[str, object] | None,
        hits: list[Rule],
    ) -> bytes:
        if self._strict and head.declared is not None:
            for name in fields:
                self._learn_name(head, event, name)
        error = exception_in(fields.pop("exc_info"), sys.exception()) if "exc_info" in fields else None
        walk = Walk(self._scanner, hits)
        own, attributes = self._sorted(walk.mapping(fields), head.declared)
        redactions = head.redactions + self._counted(hits) + bound.redactions
        text = bound.text
        if not bound.names.isdisjoint(own):
            own, text = {**bound.fields, **own}, b""
        if error is not None:
            own |= described(error)
        if bound.attributes or attributes:
            own["attributes"] = {**bound.attributes, **attributes}
        if redactions:
            own["log.redactions"] = redactions
        if extra is not None:
            own |= extra
        body = self._object(own)
        line = b"".join((start, text, b"," + body[1:-1] if own else b""))
        if len(line) > MAX_LINE_BYTES:
            said = {"log.error": f"a line of {len(line)} bytes is too long", **(extra or {})}
            return start + b"," + orjson.dumps(said)[1:-1]
        return line

    @staticmethod
    def _sorted(
        fields: dict[str, object], declared: frozenset[str] | None
    ) -> tuple[dict[str, object], dict[str, object]]:
        """What stands on the line itself, and what goes under `attributes`."""
        if ENVELOPE.isdisjoint(fields) and (declared is None or declared.issuperset(fields)):
            return fields, {}
        own: dict[str, object] = {}
        attributes: dict[str, object] = {}
        for name, value in fields.items():
            moved = name in ENVELOPE or (declared is not None and name not in declared)
            (attributes if moved else own)[name] = value
        return own, attributes

    def _counted(self, hits: list[Rule]) -> int:
        for rule in hits:
            # Threads don't interfere: between reading and storing an item the interpreter changes no thread.
            self.redacted[rule] += 1
        return len(hits)

    def _minimal(self, level: Level, event: object, broken: Exception) -> bytes:
        """What can always be said: when, how bad, and which error kept the rest from being said."""
        second, below = divmod(self._wall_ns(), 1_000_000_000)
        name = event if type(event) is str and event in self._heads[level.index] else "log.failed"
        fields = {
            "severity_text": level.text,
            "severity_number": level.severity,
            "event.name": name,
            "log.error": type(broken).__name__,
        }
        return b'%b%06dZ",%b,%b' % (
            self._stamp(second)[1],
            below // 1_000,
            self._service,
            orjson.dumps(fields)[1:-1],
        )

    @staticmethod
    def _object(fields: Mapping[str, object]) -> bytes:
        """`fields` as JSON in which no character does harm."""
        try:
            text = orjson.dumps(fields)
        except orjson.JSONEncodeError:  # lone surrogates
            text = orjson.dumps(_encodable(fields))
        if text.isascii() and b"\x7f" not in text:
            return text
        return UNSAFE.sub(_escaped, text.decode()).encode()


def _escaped(found: object) -> str:
    return f"\\u{ord(found[0]):04x}"  # type: ignore[index]  # -- a match; until=2027-12-31


def _encodable(value: object) -> object:
    """A copy in which lone surrogates are spelled out."""
    if type(value) is str:
        return value.encode("utf-8", "backslashreplace").decode()
    if type(value) is dict:
        return {_encodable(key): _encodable(one) for key, one in value.items()}
    if type(value) is list:
        return [_encodable(one) for one in value]
    return value
