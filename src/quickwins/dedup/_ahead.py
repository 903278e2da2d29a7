"""Reading the next records of a partition while the batch before them waits for its store."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickwins.dedup._core.reading import Reader, Reading
    from quickwins.dedup.identity import Record

SLICE = 32
"""After how many records a batch in progress gets its turn: some fifty microseconds, sooner than a server nearby has answered."""


async def read_ahead(reader: Reader, records: Sequence[Record]) -> None:
    """Read `records` now, for which `reader` will be asked next."""
    readings: list[Reading] = []
    for start in range(0, len(records), SLICE):
        try:
            readings += reader.read_now(records[start : start + SLICE])
        except Exception:  # noqa: BLE001 -- an identity may be the service's own: it raises again in their turn; until=never
            return
        await asyncio.sleep(0)
    reader.keep(records, readings)
