"""A context's fields as they are on each of its lines."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_NONE: frozenset[str] = frozenset()
_NOTHING: Mapping[str, object] = MappingProxyType({})


class Bound:
    """A context's fields, rendered; never changed.

    Attributes:
        by: The memory whose they are: another one may redact differently. `None`: anybody's, since they are ids that we have drawn.
        text: The fields, behind commas.
        fields: Looked at, as they were rendered.
        names: Of the fields in it that a call may have, too; no call has an id's on the line itself.
        plain: Whether nothing was redacted, and nothing belongs under `attributes`.
        attributes: What belongs there.
        redactions: How much was redacted.
    """

    __slots__ = ("attributes", "by", "fields", "names", "plain", "redactions", "text")

    def __init__(
        self,
        by: object,
        text: bytes,
        fields: dict[str, object],
        names: frozenset[str] = _NONE,
        attributes: Mapping[str, object] = _NOTHING,
        redactions: int = 0,
    ) -> None:
        self.by = by
        self.text = text
        self.fields = fields
        self.names = names
        self.plain = redactions == 0 and not attributes
        self.attributes = attributes
        self.redactions = redactions


def of_ids(trace_id: str, span_id: str) -> Bound:
    """Of a request whose correlation id is its trace's: hexadecimal digits, and nothing else."""
    return Bound(
        None,
        f',"trace_id":"{trace_id}","span_id":"{span_id}","correlation_id":"{trace_id}"'.encode(),
        {"trace_id": trace_id, "span_id": span_id, "correlation_id": trace_id},
    )
