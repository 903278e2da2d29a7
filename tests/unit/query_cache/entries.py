"""Entries for tests."""

from __future__ import annotations

from quickwins.query_cache._core.fences import Fence
from quickwins.query_cache._core.key import key as key_of
from quickwins.query_cache._store import Entry


def entry(
    name: str = "a",
    *,
    fence: Fence,
    marks: tuple[str, ...] = (),
    body: bytes = b'{"data":{}}',
    stored_at: float = 1_000.0,
    ttl: float = 30.0,
    swr: float = 0.0,
    sie: float = 0.0,
) -> Entry:
    material = name.encode()
    return Entry(
        key=key_of(material), material=material, body=body, content_type="application/json", etag='W/"x"',
        policy="PUBLIC", scope="PUBLIC", vary=(), marks=marks, fence=fence, stored_at=stored_at, ttl_seconds=ttl,
        stale_while_revalidate_seconds=swr, stale_if_error_seconds=sie,
    )  # fmt: skip
