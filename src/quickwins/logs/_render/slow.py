"""The lines that cannot be written as they are: looked at whole, sorted, cut short where they must be."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from quickwins.logs._render.envelope import MAX_LINE_BYTES, apart, as_json
from quickwins.logs._render.exceptions import described, exception_in
from quickwins.logs._render.values import Walk

_ROOM = 128
"""For saying what was left out."""

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickwins.logs._render.bound import Bound
    from quickwins.logs._render.memory import Head, Memory
    from quickwins.logs.redaction._rules import RedactionRule


def slowly(
    memory: Memory,
    start: bytes,
    head: Head,
    event: str,
    fields: dict[str, object],
    bound: Bound,
    extra: Mapping[str, object] | None,
    hits: list[RedactionRule],
) -> bytes:
    """One line without its closing brace.

    Args:
        memory: What looks for secrets, and counts them.
        start: The line up to and with the head.
        head: Of the event.
        event: What happened.
        fields: What the call says; may be changed.
        bound: What the context says.
        extra: Envelope fields that our own code adds; not looked at for secrets.
        hits: The rules that have replaced something in `fields` already.

    Raises:
        ConfigError: In strict mode, a declared event has an undeclared field.
    """
    memory.check(head, event, fields)
    error = exception_in(fields.pop("exc_info"), sys.exception()) if "exc_info" in fields else None
    walk = Walk(memory.scanner, hits)
    own, attributes = apart(walk.mapping(fields), head.declared)
    redactions = head.redactions + memory.count(hits) + bound.redactions
    text = bound.text
    if (
        attributes
    ):  # a processor or filter of the application's may have added the ids that the line has anyway
        attributes = {
            name: one
            for name, one in attributes.items()
            if name not in bound.fields or bound.fields[name] != one
        }
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
    if walk.unread:
        own["log.error"] = f"{_left_out(walk.unread)}: the line had more text than is looked at"
    line = b"".join((start, text, b"," + as_json(own)[1:-1] if own else b""))
    if len(line) <= MAX_LINE_BYTES:
        return line
    return _shortened(start, {**bound.fields, **own}, len(line), walk.unread)


def _left_out(count: int) -> str:
    return "a value is left out" if count == 1 else f"{count} values are left out"


def _shortened(start: bytes, fields: dict[str, object], length: int, left_out: int) -> bytes:
    """A line that fits: without its largest values, and, should even their names be too much, without those.

    Args:
        start: The line up to and with the head.
        fields: What the line has besides.
        length: Of the line with all of them.
        left_out: Values that are left out already.
    """
    excess = length + _ROOM - MAX_LINE_BYTES
    sizes = sorted(((len(as_json({"": value})) - 5, name) for name, value in fields.items()), reverse=True)
    for size, name in sizes:
        mark = f"<{size} bytes>"
        if excess <= 0 or size <= len(mark) + 2:
            break
        fields[name] = mark
        left_out += 1
        excess -= size - len(mark) - 2
    for name in sorted(fields, key=len, reverse=True):
        if excess <= 0:
            break
        excess -= len(as_json({name: fields.pop(name)}))
    fields["log.error"] = f"{_left_out(left_out)}: the line was {length} bytes long"
    return start + b"," + as_json(fields)[1:-1]
