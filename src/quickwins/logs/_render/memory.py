"""What is the same on many lines, made once: a head for each event, a context's fields, the names that are harmless.

The rule: only what was looked at and found harmless is remembered. Everything is bounded, and starts again when full.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError
from quickwins.logs._levels import LEVELS
from quickwins.logs._render.bound import Bound, of_ids
from quickwins.logs._render.envelope import ALWAYS_DECLARED, ENVELOPE, apart, as_json
from quickwins.logs._render.values import UNSAFE, Walk
from quickwins.logs.redaction._rules import RedactionRule

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from quickwins.logs._context import Context
    from quickwins.logs._levels import Level
    from quickwins.logs.redaction._scan import Scanner

MAX_EVENTS, MAX_NAMES, MAX_NAME_LENGTH = 1_024, 1_024, 256
MAX_EVENT_LENGTH = 1_024


@dataclass(frozen=True, slots=True)
class Head:
    """What all lines of one event have in common.

    Attributes:
        text: From the end of the timestamp to the service's name and instance.
        plain: Whether nothing in it was redacted.
        redactions: How much was.
        declared: The fields that the event may have; `None`: any.
        names: The harmless ones among the names met so far.
        moved: Those of `names` that are not declared, and belong under `attributes`; never fewer.
    """

    text: bytes
    plain: bool
    redactions: int
    declared: frozenset[str] | None
    names: set[str]
    moved: set[str]


class Memory:
    """What one renderer remembers. Any thread.

    Attributes:
        scanner: What finds secrets; it remembers harmless texts.
        service: The service's name and its instance, as they are on each line.
        heads: For each level, by its index: heads by event.
        names: The harmless ones of events that are not declared.
        redacted: How often each rule replaced something, once for each rendering.
    """

    def __init__(
        self,
        scanner: Scanner,
        *,
        service: str,
        instance: str,
        declared: Mapping[str, tuple[str, ...]],
        strict: bool,
    ) -> None:
        self.scanner = scanner
        self._service = service
        self._declared = {event: frozenset(fields) | ALWAYS_DECLARED for event, fields in declared.items()}
        self._strict = strict
        self.heads: tuple[dict[str, Head], ...] = tuple({} for _ in LEVELS)
        self.identify(instance)
        self.names: set[str] = set()
        self._free = Head(b"", True, 0, None, self.names, set())
        self.redacted: dict[RedactionRule, int] = dict.fromkeys(RedactionRule, 0)

    def identify(self, instance: str) -> None:
        """Name the instance; empty: it has no name. Its operator chose it, so it isn't looked at for secrets."""
        named = {"service.name": Walk(self.scanner).value(self._service)}
        self.service = as_json(named | ({"service.instance.id": instance} if instance else {}))[1:-1]
        for heads in self.heads:
            heads.clear()

    def count(self, hits: list[RedactionRule]) -> int:
        """Count what a rendering redacted; how many values that is."""
        for rule in hits:
            # Threads don't interfere: the interpreter doesn't switch between reading and storing an item.
            self.redacted[rule] += 1
        return len(hits)

    def shown(self, value: str, hits: list[RedactionRule]) -> str | None:
        """What may be written of `value`; `None` where something in it must be escaped."""
        # Nothing unsafe is printable, and that check takes a tenth of the time.
        if not value.isprintable() and UNSAFE.search(value) is not None:
            return None
        return self.scanner.text(value, hits)

    def learn_name(self, head: Head, event: str, name: str) -> bool:
        """Whether a field `name` may be written as it is, if its value may; remembered if so.

        Raises:
            ConfigError: In strict mode, where the event is declared and the field is not.
        """
        is_moved = False
        if head.declared is not None and name not in head.declared:
            if self._strict:
                raise ConfigError(
                    f"{event} takes the fields {sorted(head.declared - ALWAYS_DECLARED)}, not {name!r}"
                )
            is_moved = True
        if name in ENVELOPE or name == "exc_info" or self.scanner.key(name) or not self._harmless(name):
            return False
        if is_moved:
            if len(name) > MAX_NAME_LENGTH or len(head.moved) >= MAX_NAMES:
                return False
            head.moved.add(name)
        if len(name) <= MAX_NAME_LENGTH:
            if len(head.names) >= MAX_NAMES:
                head.names.clear()
            head.names.add(name)
        return True

    def check(self, head: Head, event: str, names: Iterable[str]) -> None:
        """Refuse undeclared fields of a declared event in strict mode.

        Raises:
            ConfigError: There is one.
        """
        if self._strict and head.declared is not None:
            for name in names:
                self.learn_name(head, event, name)

    def learn_head(self, level: Level, event: object) -> Head:
        """The head of `event`'s lines at `level`, made; remembered if it is harmless."""
        walk = Walk(self.scanner)
        name = walk.value(event[: 2 * MAX_EVENT_LENGTH] if type(event) is str else event)
        name = (name if type(name) is str else str(name))[:MAX_EVENT_LENGTH]
        text = as_json({"severity_text": level.text, "severity_number": level.severity, "event.name": name})
        known = self._declared.get(event) if type(event) is str else None
        count = self.count(walk.hits)
        text = b'Z",' + text[1:-1] + b"," + self.service
        head = Head(text, count == 0, count, known, self.names if known is None else set(), set())
        heads = self.heads[level.index]
        if type(event) is str and len(event) <= MAX_NAME_LENGTH and not walk.hits:
            if len(heads) >= MAX_EVENTS:
                heads.clear()
            heads[event] = head
        return head

    def learn_context(self, context: Context) -> Bound:
        """`context`'s fields, rendered, and kept with it."""
        trace, given = context.trace, context.fields
        own: dict[str, object] = {}
        if trace is not None:
            trace_id, span_id = trace.trace_id, trace.span_id
            if len(given) == 1 and given.get("correlation_id") is trace_id:  # as of a span of OpenTelemetry's
                context.rendered = bound = of_ids(trace_id, span_id)
                return bound
            own = {"trace_id": trace_id, "span_id": span_id}
        attributes: dict[str, object] = {}
        count = 0
        if self._harmless_in_context(given, own):
            own.update(given)
            text = as_json(own)
        else:
            walk = Walk(self.scanner)
            fields = walk.mapping(given)
            if "correlation_id" in fields:
                own["correlation_id"] = fields["correlation_id"]
            rest, attributes = apart({name: value for name, value in fields.items() if name not in own}, None)
            own |= rest
            count = self.count(walk.hits)
            text = as_json(own)
        context.rendered = bound = Bound(
            self, b"," + text[1:-1] if own else b"", own, frozenset(own) - ENVELOPE, attributes, count
        )
        return bound

    def _harmless_in_context(self, fields: Mapping[str, object], trace: Mapping[str, object]) -> bool:
        names, clean = self.names, self.scanner.clean
        for name, value in fields.items():
            if name == "correlation_id":
                if type(value) is str and value == trace.get(
                    "trace_id"
                ):  # as of a request that came without one
                    continue
            elif name not in names and not self.learn_name(self._free, "", name):
                return False
            if type(value) is not str or (value not in clean and not self._harmless(value)):
                return False
        return True

    def _harmless(self, text: str) -> bool:
        """Whether `text` may be written as it is."""
        return self.shown(text, []) is text
