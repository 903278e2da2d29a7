"""What every line has, what a caller may not replace, and how fields become harmless JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.errors import needs_extra
from quickwins.logs._render.values import UNSAFE

with needs_extra("logs"):
    import orjson

if TYPE_CHECKING:
    import re
    from collections.abc import Collection, Mapping

ENVELOPE = frozenset(
    {
        "timestamp",
        "severity_text",
        "severity_number",
        "event.name",
        "service.name",
        "service.instance.id",
        "trace_id",
        "span_id",
        "correlation_id",
        "attributes",
        "exception.type",
        "exception.frames",
        "exception.stack_hash",
        "exception.causes",
        "exception.members",
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

MAX_LINE_BYTES = 16_384
"""The most that a line holds before `log.dropped` and `seq`; a longer one loses its largest values, and says so."""


def apart(
    fields: dict[str, object], declared: frozenset[str] | None
) -> tuple[dict[str, object], dict[str, object]]:
    """What stands on the line itself, and what goes under `attributes`.

    Args:
        fields: All of them.
        declared: Those that the event may have; `None`: any.
    """
    if ENVELOPE.isdisjoint(fields) and (declared is None or declared.issuperset(fields)):
        return fields, {}
    own: dict[str, object] = {}
    attributes: dict[str, object] = {}
    for name, value in fields.items():
        moved = name in ENVELOPE or (declared is not None and name not in declared)
        (attributes if moved else own)[name] = value
    return own, attributes


def under_attributes(fields: Mapping[str, object], moved: Collection[str]) -> dict[str, object]:
    """`fields` as they stand on the line, with those named in `moved` under `attributes`."""
    own: dict[str, object] = {}
    attributes: dict[str, object] = {}
    for name, value in fields.items():
        (attributes if name in moved else own)[name] = value
    own["attributes"] = attributes
    return own


def as_json(fields: Mapping[str, object]) -> bytes:
    """`fields` as JSON without a harmful character."""
    try:
        text = orjson.dumps(fields)
    except orjson.JSONEncodeError:  # lone surrogates
        text = orjson.dumps(_encodable(fields))
    if text.isascii() and b"\x7f" not in text:
        return text
    return UNSAFE.sub(_escaped, text.decode()).encode()


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _encodable(value: object) -> object:
    """A copy in which lone surrogates are spelled out."""
    if type(value) is str:
        return value.encode("utf-8", "backslashreplace").decode()
    if type(value) is dict:
        return {_encodable(key): _encodable(one) for key, one in value.items()}
    if type(value) is list:
        return [_encodable(one) for one in value]
    return value
