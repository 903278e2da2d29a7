"""An entry and an invalidation as bytes, for a store that processes share. Read without trust: what is odd is no entry."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, get_args

from quickwins.core.digest import framed
from quickwins.query_cache._core.fences import Invalidation
from quickwins.query_cache._store import Entry
from quickwins.query_cache.policy import Scope

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from quickwins.query_cache._core.fences import Fence

EVERYTHING = b"*"
_MARK, _PREFIX = b"m", b"p"
_LENGTH = 4


class OddError(Exception):
    """These bytes are not what we write."""


def pack_texts(texts: Iterable[str]) -> bytes:
    """Texts, each behind its length."""
    return b"".join(map(framed, texts))


def unpack(data: bytes) -> Iterator[bytes]:
    """The parts that were put behind their lengths.

    Raises:
        OddError: See there.
    """
    start = 0
    while start < len(data):
        begin = start + _LENGTH
        start = begin + int.from_bytes(data[start:begin], "big")
        if start > len(data):
            raise OddError
        yield data[begin:start]


def unpack_texts(data: bytes) -> tuple[str, ...]:
    """What `pack_texts` packed.

    Raises:
        OddError: See there.
    """
    return tuple(_text(part) for part in unpack(data))


def pack_body(entry: Entry) -> bytes:
    """All of an entry but its key, fence, marks and time, which the server looks at."""
    facts = [
        entry.content_type,
        entry.etag,
        entry.policy,
        entry.scope,
        list(entry.vary),
        entry.ttl_seconds,
        entry.stale_while_revalidate_seconds,
        entry.stale_if_error_seconds,
    ]
    return b"".join((framed(json.dumps(facts)), framed(entry.material), framed(entry.body)))


def unpack_entry(key: bytes, fence: Fence, marks: bytes, stored_at: float, body: bytes) -> Entry:
    """The entry that these bytes were.

    Raises:
        OddError: See there.
    """
    try:
        facts, material, answer = unpack(body)
        content_type, etag, policy, scope, vary, *seconds = json.loads(facts)
    except (ValueError, TypeError) as error:
        raise OddError from error
    fresh, renewed, failed = (float(one) for one in _checked(seconds, 3, (int, float)))
    content_type, etag, policy, *vary = _checked([content_type, etag, policy, *_list(vary)], None, (str,))
    if scope not in get_args(Scope):
        raise OddError
    return Entry(
        key=key,
        material=material,
        body=answer,
        content_type=content_type,
        etag=etag,
        policy=policy,
        scope=scope,
        vary=tuple(vary),
        marks=unpack_texts(marks),
        fence=fence,
        stored_at=stored_at,
        ttl_seconds=fresh,
        stale_while_revalidate_seconds=renewed,
        stale_if_error_seconds=failed,
    )


def pack_invalidation(invalidation: Invalidation) -> bytes:
    """What is published."""
    if invalidation.everything:
        return EVERYTHING
    marks = (framed(_MARK + _bytes(mark)) for mark in sorted(invalidation.marks))
    prefixes = (framed(_PREFIX + _bytes(prefix)) for prefix in invalidation.tag_prefixes)
    return b"".join((*marks, *prefixes))


def unpack_invalidation(data: bytes) -> Invalidation:
    """What was published. What can't be read voids everything."""
    try:
        parts = list(unpack(data)) if data != EVERYTHING else []
        marks = frozenset(_text(part[1:]) for part in parts if part[:1] == _MARK)
        prefixes = tuple(_text(part[1:]) for part in parts if part[:1] == _PREFIX)
    except OddError:
        return Invalidation(everything=True)
    if not parts or len(marks) + len(prefixes) < len(parts):
        return Invalidation(everything=True)
    return Invalidation(marks, prefixes)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def _text(data: bytes) -> str:
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise OddError from error


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise OddError
    return value


def _checked(values: list[Any], count: int | None, types: tuple[type, ...]) -> list[Any]:
    if count not in (None, len(values)) or not all(isinstance(one, types) for one in values):
        raise OddError
    return values
