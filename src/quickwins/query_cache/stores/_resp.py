"""RESP 3, as far as a Valkey or Redis server of today says it: bytes in, replies out. Does no I/O.

The protocol is described at https://valkey.io/topics/protocol/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

END: Final = b"\r\n"
MAX_LINE_BYTES: Final = 64 << 10
MAX_BULK_BYTES: Final = 64 << 20
MAX_ITEMS: Final = 1 << 20
MAX_DEPTH: Final = 8


class ProtocolError(Exception):
    """What was received is no RESP 3, or more than is accepted. Nothing after it can be read."""


class Refusal(Exception):
    """An error that the server replied with; its first word is the kind."""

    @property
    def kind(self) -> str:
        """Such as `NOSCRIPT`, `MOVED`, `OOM`."""
        return str(self).partition(" ")[0]


class Push(list[Any]):
    """Something that the server sent unasked: the kind, then what belongs to it."""


class _PartialError(Exception):
    """More bytes are needed: at least so many, counted from the beginning of the buffer."""

    def __init__(self, least: int) -> None:
        super().__init__(least)
        self.least = least


def command(*words: bytes) -> bytes:
    """A command as it is sent."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        parts += (b"$%d\r\n" % len(word), word, END)
    return b"".join(parts)


class Parser:
    """Collects bytes and gives replies. An error of the server is a reply: a `Refusal`, not raised."""

    __slots__ = ("_buffer", "_least")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._least = 1

    def __repr__(self) -> str:
        return f"<Parser with {len(self._buffer)} bytes>"

    def feed(self, data: bytes) -> list[Any]:
        """The replies that `data` completes.

        Raises:
            ProtocolError: See there.
        """
        buffer = self._buffer
        buffer += data
        if len(buffer) < self._least:  # the rest of a long reply: nothing to look at yet
            return []
        found: list[Any] = []
        start = 0
        self._least = 1
        while start < len(buffer):
            try:
                reply, start = self._read(start, 0)
            except _PartialError as partial:
                self._least = partial.least - start
                break
            except ValueError as error:
                raise ProtocolError(f"a number is expected: {error}") from None
            found.append(reply)
        del buffer[:start]
        return found

    def _read(self, start: int, depth: int) -> tuple[Any, int]:
        buffer = self._buffer
        end = buffer.find(END, start, start + MAX_LINE_BYTES)
        if end < 0:
            if len(buffer) - start >= MAX_LINE_BYTES:
                raise ProtocolError("a line without an end")
            raise _PartialError(len(buffer) + 1)
        kind, line = chr(buffer[start]), bytes(buffer[start + 1 : end])
        after = end + len(END)
        if kind in "$=!":
            return self._bulk(kind, int(line), after)
        if kind in "*>~%":
            return self._items(kind, int(line), after, depth)
        if kind == "-":
            return Refusal(line.decode(errors="replace")), after
        read = _SCALARS.get(kind)
        if read is None:
            raise ProtocolError(f"a reply begins with {kind!r}")
        return read(line), after

    def _bulk(self, kind: str, size: int, after: int) -> tuple[Any, int]:
        if size < 0:
            return None, after
        if size > MAX_BULK_BYTES:
            raise ProtocolError(f"a reply of {size:,} bytes")
        stop = after + size
        if len(self._buffer) < stop + len(END):
            raise _PartialError(stop + len(END))
        data = bytes(self._buffer[after:stop])
        return (Refusal(data.decode(errors="replace")) if kind == "!" else data), stop + len(END)

    def _items(self, kind: str, count: int, after: int, depth: int) -> tuple[Any, int]:
        if count < 0:
            return None, after
        if count > MAX_ITEMS or depth == MAX_DEPTH:
            raise ProtocolError(f"a reply of {count:,} items, {depth} deep")
        items: list[Any] = Push() if kind == ">" else []
        for _ in range(2 * count if kind == "%" else count):
            item, after = self._read(after, depth + 1)
            items.append(item)
        return items, after


_SCALARS: Mapping[str, Callable[[bytes], Any]] = {
    "+": bytes,
    ":": int,
    "(": int,
    ",": float,
    "#": b"t".__eq__,
    "_": lambda _: None,
}
