"""Traces and correlation ids over Kafka, in the headers of messages, with any client.

    await producer.send(topic, value, headers=inject())

    async for message in consumer:
        with extract(message.headers, topic=message.topic):
            await handle(message)                       # its lines carry the trace of its sender

Keys and values are never looked at.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError
from quickwins.core.lazy import shows
from quickwins.logs._context import CONTEXT, EMPTY, within
from quickwins.logs._logger import is_on
from quickwins.logs._span import in_span
from quickwins.logs._trace.request import NAMES, begin, departing, joined, pick

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Self

    from quickwins.logs._trace.w3c import Bits

__all__ = ["extract", "inject"]
__dir__ = shows(__name__)


def inject(headers: Mapping[str, bytes] | Iterable[tuple[str, bytes]] | None = ()) -> list[tuple[str, bytes]]:
    """`headers` with `traceparent`, `tracestate` and `x-correlation-id` of where this is called; a new list.

    A valid `traceparent` that is there stays, with its `tracestate`: it is somebody's who begins a span for the message. The others
    are replaced, since two of a kind would mean nothing. Outside a trace, or while logging is off, nothing is added or replaced.

    Raises:
        ConfigError: They are one text.
    """
    if isinstance(headers, (str, bytes)):
        raise ConfigError(f"headers={headers!r} is not allowed: pairs of a name and bytes, or a dictionary")
    kept = list(headers.items() if isinstance(headers, Mapping) else headers or ())
    ours = departing(in_span(CONTEXT.get())) if is_on(None) else []
    if not ours:
        return kept
    kept, ours = joined(kept, ours)
    return kept + [(name, value.encode()) for name, value in ours]


class extract(within):  # noqa: N801 -- used as a context manager, like a function; until=never
    """Within this block every line carries the trace of a message, its correlation id, and where it came from.

    While logging is off, or was never configured, it does nothing. Enter an object once.
    """

    __slots__ = ("_headers", "_rng", "_topic", "_trusted")

    def __init__(
        self,
        headers: Sequence[tuple[str, bytes]] | None,
        *,
        topic: str = "",
        trusted: bool = True,
        rng: Bits | None = None,
    ) -> None:
        """Look at the headers of a message; whatever they are, nothing is raised.

        Args:
            headers: As the client gives them. Anything but a pair of a string and bytes is skipped.
            topic: Where the message came from, on every line as `messaging.destination.name`; empty: left out.
            trusted: Whether its trace is continued, as is right among services of one owner. Otherwise a new trace
                begins, and the message's is on each line as `link.trace_id` and `link.span_id`.
            rng: For new ids; the module `random` when `None`.
        """
        super().__init__(EMPTY)
        self._headers = headers
        self._topic = topic
        self._trusted = trusted
        self._rng: Bits = random if rng is None else rng

    def __repr__(self) -> str:
        return f"<extract topic={self._topic!r}, {'trusted' if self._trusted else 'not trusted'}>"

    def __enter__(self) -> Self:
        outer = CONTEXT.get()
        if not is_on(None):
            self._context = outer
            return super().__enter__()
        found = pick(_readable(self._headers), NAMES)
        context = begin(outer, found, self._trusted, self._rng, None)
        if self._topic:
            context = context.with_({"messaging.destination.name": self._topic})
        self._context = context
        return super().__enter__()


def _readable(headers: object) -> list[tuple[str, bytes | str]]:
    """Those of `headers` that can be headers. Clients differ in what they leave in a header without a value."""
    if not isinstance(headers, Sequence):
        return []
    return [
        (pair[0], pair[1])
        for pair in headers
        if isinstance(pair, (list, tuple))
        and len(pair) == 2  # noqa: PLR2004 -- a pair; until=never
        and isinstance(pair[0], str)
        and isinstance(pair[1], (bytes, str))
    ]
