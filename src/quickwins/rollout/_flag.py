"""How a percentage becomes fields of a flag, and how they are written."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Protocol

from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from quickwins.rollout._core.state import Write


class Writer(Protocol):
    """What sets fields of a flag: `core.flags.writer.FlagWriter`. It may block; it is called in a thread."""

    def set(self, feature: str, /, **fields: object) -> object:
        """Give `feature` these fields; `None` removes one.

        Raises:
            ConfigError: They can't be written.
        """
        ...

    def kill(self, feature: str) -> object:
        """Turn `feature` off, whatever else is wrong.

        Raises:
            ConfigError: It can't be written.
        """
        ...


def fields_of(write: Write, *, now: float, ttl: float) -> dict[str, object]:
    """What the flag's section is to say."""
    ends = None if write.lasts else datetime.fromtimestamp(now + ttl, UTC).replace(microsecond=0)
    percent = int(write.percent) if write.percent == int(write.percent) else write.percent
    fields: dict[str, object] = {
        "enabled": True,
        "percent": percent,
        "expires_at": ends,
        "fallback_percent": None if write.lasts else write.fallback,
    }
    return fields


def _written(writer: Writer, feature: str, write: Write, *, now: float, ttl: float, kill: bool) -> None:
    fields = fields_of(write, now=now, ttl=ttl)
    if not kill:
        writer.set(feature, **fields)
        return
    try:
        writer.set(feature, **{**fields, "killed": True})
    except (ConfigError, OSError):
        writer.kill(feature)  # which works in a file that is wrong about anything else


async def write_flag(
    writer: Writer, feature: str, write: Write, *, now: float, ttl: float, kill: bool
) -> None:
    """Write the flag. Cancelled, it still waits for the end of the write: nobody else may come in between.

    Args:
        writer: Writes it.
        feature: Whose flag.
        write: What it is to say.
        now: In wall seconds.
        ttl: How long it lasts without being written again, in seconds.
        kill: Whether this is the way back: then it is killed as well.

    Raises:
        ConfigError: It can't be written.
        OSError: The same.
    """
    thread = asyncio.ensure_future(
        asyncio.to_thread(_written, writer, feature, write, now=now, ttl=ttl, kill=kill)
    )
    try:
        await asyncio.shield(thread)
    except asyncio.CancelledError:
        await asyncio.wait([thread])
        raise
