"""The section `[channels]`, and the table of one channel in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from quickwins.channels.config import Mode, Pick, PoolConfig
from quickwins.core.config import Number, Section, Whole, inherited, setting
from quickwins.core.flags import FlagSettings


class ChannelSettings(Section):
    """What may differ from channel to channel; `PoolConfig` says what each does."""

    size: Whole = setting(PoolConfig, "size")
    mode: Mode = setting(PoolConfig, "mode")
    max_age_seconds: Number = setting(PoolConfig, "max_age_seconds")
    max_attempts: Whole = setting(PoolConfig, "max_attempts")
    backoff_base_seconds: Number = setting(PoolConfig, "backoff_base_seconds")
    backoff_max_seconds: Number = setting(PoolConfig, "backoff_max_seconds")
    retry_budget_ratio: Number = setting(PoolConfig, "retry_budget_ratio")
    eject_after: Whole = setting(PoolConfig, "eject_after")
    ejection_seconds: Number = setting(PoolConfig, "ejection_seconds")
    max_pushback_seconds: Number = setting(PoolConfig, "max_pushback_seconds")
    drain_seconds: Number = setting(PoolConfig, "drain_seconds")
    pick: Pick = setting(PoolConfig, "pick")

    def config(self) -> PoolConfig:
        """These settings as the channel takes them."""
        return PoolConfig(**{key: getattr(self, key) for key in ChannelSettings.model_fields})


class ChannelsSettings(ChannelSettings, FlagSettings):
    """The section `[channels]`: the flag, what holds for every channel, and `[channels.names.<name>]` for one."""

    names: Mapping[str, ChannelSettings] = Field(
        default={},
        max_length=100,
        description="Channels with settings of their own, by the name given to `QuickWins.channel`. What one leaves out it "
        "takes from this section.",
    )

    def for_name(self, name: str) -> ChannelSettings:
        """The settings of the channel `name`: its own table, else this section."""
        return self.names.get(name, self)

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, values: Any) -> Any:
        return inherited(values, ChannelSettings)
