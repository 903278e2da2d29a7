"""The section `[backpressure]`, and the table of one pool in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import Field, model_validator

from quickwins.backpressure._gate import GateKind, Rule
from quickwins.core.config import Number, Section
from quickwins.core.flags import FlagSettings


class PoolSettings(Section):
    """What may differ from pool to pool."""

    gate: GateKind = Field(
        default=GateKind.THRESHOLD,
        description='"threshold": refuse as soon as a share of the pool is in use. "queue": use the whole pool, and let '
        "callers wait in a line that is bounded in length and in time. Off value of both: enabled = false.",
    )
    threshold: Number = Field(
        default=0.85,
        gt=0,
        le=1,
        description="Refuse when this share of the pool's connections is in use, rounded up to whole connections. "
        "0.85 leaves a pool of ten one spare for health checks and migrations. Only the threshold gate reads it. "
        "Off value: 1.0.",
    )
    target_seconds: float = Field(
        default=0.05,
        gt=0,
        le=3600,
        description="The wait in line that is fine, and the longest one under overload. 0.05 suits statements "
        "of up to some 20 ms; choose no less than a connection is held for, on average. The queue gate reads it.",
    )
    interval_seconds: float = Field(
        default=0.5,
        gt=0,
        le=3600,
        description="How long the oldest in line must have waited for more than the target before that is overload: "
        "bursts shorter than this are absorbed. Ten targets leave room for a few rounds of service. The queue gate "
        "reads it.",
    )
    queue_size: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="How many may wait. 0: twice the pool, which is two rounds of service. The queue gate reads it.",
    )
    retry_after_seconds: float = Field(
        default=1.0,
        gt=0,
        le=3600,
        description="What a refused caller is told to wait, on average; each is told something between half and one "
        "and a half times as much, so that they don't come back together.",
    )

    def rule(self) -> Rule:
        """These settings as the gate takes them."""
        return Rule(self.gate, self.threshold, self.target_seconds, self.interval_seconds, self.queue_size)


class BackpressureSettings(PoolSettings, FlagSettings):
    """The section `[backpressure]`: the flag, the defaults of every pool, and `[backpressure.names.<pool>]` for one."""

    names: Mapping[str, PoolSettings] = Field(
        default={},
        max_length=100,
        description="Pools with settings of their own, by the name given to `QuickWins.pool`. What one leaves out it "
        "takes from this section.",
    )

    def for_name(self, name: str) -> PoolSettings:
        """The settings of the pool `name`: its own table, else this section."""
        return self.names.get(name, self)

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, values: Any) -> Any:
        if not isinstance(values, dict) or not isinstance(values.get("names"), dict):
            return values
        inherited = {key: values[key] for key in PoolSettings.model_fields if key in values}
        names = {
            name: {**inherited, **own} if isinstance(own, dict) else own
            for name, own in values["names"].items()
        }
        return {**values, "names": names}
