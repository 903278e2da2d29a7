"""Claims for tests: stores, places and events."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from quickwins.dedup.stores._base import Place
from quickwins.dedup.stores._claims import Claim
from quickwins.dedup.stores.valkey_claims import ValkeyClaims

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


def events(*numbers: int, payload: bytes = b"payload0") -> list[Claim]:
    """Claims of events by number, which fall into different shards."""
    return [Claim(number.to_bytes(2, "little") * 8, payload, f"0:{number}") for number in numbers]


def place(group: str, partition: int = 0) -> Place:
    return Place(group, "", "topic", partition)


@asynccontextmanager
async def claims_at(url: str, **options: Any) -> AsyncIterator[ValkeyClaims]:
    """A store that is ready, and closed afterwards."""
    store = ValkeyClaims(url, **options)
    await store.prepare()
    try:
        yield store
    finally:
        await store.close()
