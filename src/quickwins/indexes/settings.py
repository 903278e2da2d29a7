"""The section `[indexes]` of quickwins.toml: when migrations of indexes may run, and how long they wait."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from quickwins.core.config import Number
from quickwins.core.flags import SwitchSettings
from quickwins.indexes._core.window import Window


class IndexesSettings(SwitchSettings):
    """The section `[indexes]`: migrations of indexes. The flag guards `apply` and `rollback` alone."""

    dsn: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="The database; from QUICKWINS_INDEXES__DSN only. Absent: the PG* variables say so.",
    )
    window: str = Field(
        default="",
        description="When a migration may begin, as `02:00-04:00 UTC` or `22:30-05:00 Europe/Berlin`. Empty: at any time.",
    )
    max_wait_seconds: Number = Field(
        default=600.0,
        ge=0,
        le=86_400,
        description="How long to wait for another runner, for what is in the way at the start, and for what holds a statement "
        "up: each so long. 0: for nobody.",
    )

    @field_validator("window")
    @classmethod
    def _readable(cls, text: str) -> str:
        if text:
            try:
                Window.parse(text)
            except Exception as error:
                raise ValueError(str(error)) from error
        return text
