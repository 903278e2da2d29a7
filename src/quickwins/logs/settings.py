"""The section `[logs]`."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, SecretStr

from quickwins.core.flags import FlagSettings


class LogsSettings(FlagSettings):
    """The section `[logs]`: one JSON line for each fact. The flag is for the whole process: on at 100 %, else off."""

    level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        default="info", description="The lowest severity that is written."
    )
    output: str = Field(
        default="stdout",
        min_length=1,
        description="Where lines go: stdout, stderr, or the path of a file, which may be rotated by others. Read at the "
        "start.",
    )
    queue_max_bytes: int = Field(
        default=8 << 20,
        ge=64 << 10,
        le=1 << 30,
        description="How much may wait for a slow reader before lines are dropped and counted, debug and info first. "
        "Read at the start.",
    )
    redact_keys: tuple[str, ...] = Field(
        default=(),
        description="Names whose values are never shown, besides those that are known; at any depth.",
    )
    safe_keys: tuple[str, ...] = Field(
        default=(),
        description="Names that are shown although they look like a secret's. Their values are still scanned.",
    )
    pseudonym_key: SecretStr | None = Field(
        default=None,
        min_length=16,
        description="With it, e-mail addresses and phone numbers become pseudonyms that stay the same; from "
        "QUICKWINS_LOGS__PSEUDONYM_KEY only. Absent: they are left out.",
    )
    sample_first: int = Field(
        default=100,
        ge=0,
        le=1_000_000,
        description="How many records of an event are kept each second, whatever comes.",
    )
    sample_every: int = Field(
        default=1,
        ge=1,
        le=1_000_000,
        description="After those, one of so many is kept; warnings, errors and slow requests always. Off value: 1.",
    )
    slow_ms: float = Field(
        default=1_000.0, ge=0, le=86_400_000, description="From this duration on a record is always kept."
    )
