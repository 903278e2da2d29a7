"""The section `[logs]`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, SecretStr, field_validator, model_validator

from quickwins.core.config import Number, Whole, setting
from quickwins.core.errors import ConfigError
from quickwins.core.flags import SwitchSettings
from quickwins.logs._instance import INSTANCE
from quickwins.logs._sampling import Sampling
from quickwins.logs.redaction import MIN_KEY_BYTES, Redaction
from quickwins.logs.sink._buffering import Buffering


class LogsSettings(SwitchSettings):
    """The section `[logs]`: one JSON line for each fact. The flag is for the whole process: on at 100 %, else off."""

    level: Literal["debug", "info", "warning", "error", "critical"] = Field(
        default="info", description="The lowest severity that is written."
    )
    output: str = Field(
        default="stdout",
        min_length=1,
        description="Where lines go: stdout, stderr, or the path of a file, with a folder or an ending in it, which may be "
        "rotated by others. Read at the start.",
    )
    keep: tuple[str, ...] = Field(
        default=(),
        description="Handlers that go on writing to standard output or error beside our lines, by the names that dictConfig "
        "gave them. Read at the start.",
    )
    instance: str = Field(
        default=INSTANCE,
        max_length=255,
        description="Which process of the service it is, on each line as service.instance.id; {host} and {pid} stand for the "
        "machine's name and the process's number. Keep {pid} in it where processes fork or share this file. Off value: empty. "
        "Read at the start.",
    )
    queue_max_bytes: Whole = setting(Buffering, "max_bytes")
    redact_keys: tuple[str, ...] = Field(
        default=(),
        description="Names whose values are never shown, at any depth, besides those that are known.",
    )
    safe_keys: tuple[str, ...] = Field(
        default=(),
        description="Names that are shown although they look like a secret's. Their values are still scanned.",
    )
    pseudonym_key: SecretStr | None = Field(
        default=None,
        min_length=MIN_KEY_BYTES,
        description="With it, e-mail addresses and phone numbers become pseudonyms that stay the same; from "
        "QUICKWINS_LOGS__PSEUDONYM_KEY only. Absent: they are left out.",
    )
    sample_first: Whole = setting(Sampling, "first")
    sample_every: Whole = setting(Sampling, "every")
    slow_ms: Number = setting(Sampling, "slow_ms")

    @field_validator("output")
    @classmethod
    def _no_word(cls, output: str) -> str:
        if output not in {"stdout", "stderr"} and not {"/", "."} & {*output}:  # such as STDOUT, - or none
            raise ValueError("Input should be stdout, stderr, or a path with a folder or an ending in it")
        return output

    @model_validator(mode="after")
    def _can_be_redacted(self) -> Self:
        try:
            Redaction.strict(keys=self.redact_keys, safe_keys=self.safe_keys)
        except ConfigError as error:
            raise ValueError(f"redact_{error}" if str(error).startswith("keys ") else str(error)) from None
        return self
