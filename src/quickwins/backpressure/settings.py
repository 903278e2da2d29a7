"""The section `[backpressure]`, and the table of one pool in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any, ClassVar

from pydantic import Field, model_validator

from quickwins.backpressure.rule import MAX_TENANTS, GateKind, Nested, Rule
from quickwins.core.config import Number, Section
from quickwins.core.flags import FlagSettings

_RULE_FIELDS = {field.name for field in fields(Rule)} - {"kind"}


class PoolSettings(Section):
    """What may differ from pool to pool."""

    gate: GateKind = Field(
        default=GateKind.THRESHOLD,
        description='"threshold": refuse as soon as a share of the pool is in use. "queue": use the whole pool, and let '
        'callers wait in a line that is bounded in length and in time. "adaptive": the same with a limit that is learned '
        "from hold times and failures. Off value of all: enabled = false.",
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
        "of up to some 20 ms; choose no less than a connection is held for, on average. The queue and adaptive gates read it.",
    )
    interval_seconds: float = Field(
        default=0.5,
        gt=0,
        le=3600,
        description="How long the oldest in line must have waited for more than the target before that is overload: "
        "bursts shorter than this are absorbed. Ten targets leave room for a few rounds of service. The queue and "
        "adaptive gates read it.",
    )
    queue_size: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="How many may wait. 0: twice the pool, which is two rounds of service. The queue and adaptive gates read it.",
    )
    min_limit: int = Field(
        default=2,
        ge=1,
        le=100_000,
        description="The fewest connections that the adaptive gate comes down to; the most is the pool's size.",
    )
    reserved_critical: Number = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="The share of the pool, rounded up to whole connections, that only critical work may take. Critical "
        "work goes first in line anyway; reserve where it must not wait at all. Off value: 0.",
    )
    reserved_normal: Number = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="The share of the pool, rounded up, that sheddable work may not take, beside the former: a burst of "
        "it leaves one connection in ten to the rest. Off value: 0.",
    )
    floor: Number = Field(
        default=0.05,
        ge=0,
        lt=1,
        description="The share of connections handed to the line that waiting work of a lower priority gets at least: "
        "with 0.05 it has one of any twenty, whatever is more important. Off value: 0, and then it may starve.",
    )
    tenants: int = Field(
        default=0,
        ge=0,
        le=MAX_TENANTS,
        description="How many tenants are told apart, and share fairly; those beyond are one tenant together. Off "
        "value: 0.",
    )
    nested: Nested = Field(
        default=Nested.REFUSE,
        description='What a task is told that holds a connection and asks for another one that is not free. "refuse": at '
        "once, with the place where it took the first, since ten such tasks on a pool of ten wait for each other for "
        'ever. "allow": it waits as anybody; for those who have counted.',
    )
    shadow: bool = Field(
        default=False,
        description="Count what would be refused in db_pool_shadow_rejected_total, and refuse nothing: how to start in "
        "production. Off value: false.",
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
        return Rule(
            kind=self.gate,
            **self.model_dump(include=_RULE_FIELDS),
        )


class BackpressureSettings(PoolSettings, FlagSettings):
    """The section `[backpressure]`: the flag, the defaults of every pool, and `[backpressure.names.<pool>]` for one."""

    env_aliases: ClassVar[Mapping[str, str]] = {"DB_POOL_BACKPRESSURE_THRESHOLD": "threshold"}

    replicas: int = Field(
        default=1,
        ge=1,
        le=100_000,
        description="How many processes of this service run, each with its own pools. Only `quickwins doctor` reads it: "
        "together they must not want more connections than the server takes.",
    )
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
