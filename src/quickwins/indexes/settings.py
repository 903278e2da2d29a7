"""The section `[indexes]` of quickwins.toml: when migrations of indexes may run, and how long they wait."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field, SecretStr, field_validator

from quickwins.core.flags import SwitchSettings
from quickwins.indexes._core.window import Window

if TYPE_CHECKING:
    from quickwins.core.config import Number


class IndexesSettings(SwitchSettings):
    """The section `[indexes]`: migrations of indexes. The flag guards `apply` alone; whatever only reads always works."""

    dsn: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="The database, as postgresql://USER:PASSWORD@HOST:PORT/NAME; from QUICKWINS_INDEXES__DSN only. Absent: the "
        "PG* variables, a service or a password file say so.",
    )
    window: str = Field(
        default="",
        description="When a migration may begin, as `02:00-04:00 UTC` or `22:30-05:00 Europe/Berlin`. Empty: at any time.",
    )
    max_wait_seconds: Number = Field(
        default=600.0,
        ge=0,
        le=86_400,
        description="How long to wait for another runner, for what is in the way before the first change, and for those who hold "
        "a statement up: each so long. Patience costs nobody anything: a build in line lets readers and writers pass.",
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
