"""The section `[backpressure]`, and the table of one gate in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from quickwins.backpressure.rule import GateKind, Nested, Rule
from quickwins.core.config import Number, Section, Whole, inherited, setting
from quickwins.core.flags import FlagSettings


class PoolSettings(Section):
    """What may differ from gate to gate; `Rule` says what each does."""

    gate: GateKind = setting(Rule, "kind")
    threshold: Number = setting(Rule, "threshold")
    target_seconds: Number = setting(Rule, "target_seconds")
    interval_seconds: Number = setting(Rule, "interval_seconds")
    queue_size: Whole = setting(Rule, "queue_size")
    min_limit: Whole = setting(Rule, "min_limit")
    reserved_critical: Number = setting(Rule, "reserved_critical")
    reserved_normal: Number = setting(Rule, "reserved_normal")
    floor: Number = setting(Rule, "floor")
    tenants: Whole = setting(Rule, "tenants")
    nested: Nested = setting(Rule, "nested")
    shadow: bool = setting(Rule, "shadow")
    retry_after_seconds: Number = setting(Rule, "retry_after_seconds")

    def rule(self) -> Rule:
        """These settings as the gate takes them."""
        given = {key: getattr(self, key) for key in PoolSettings.model_fields}
        return Rule(kind=given.pop("gate"), **given)


class BackpressureSettings(PoolSettings, FlagSettings):
    """The section `[backpressure]`: the flag, the rule of every gate, and `[backpressure.names.<name>]` for one."""

    env_aliases: ClassVar[Mapping[str, str]] = {"DB_POOL_BACKPRESSURE_THRESHOLD": "threshold"}

    replicas: Whole = Field(
        default=1,
        ge=1,
        le=100_000,
        description="How many processes of this service run, each with its own pools. Only `quickwins doctor` reads it: "
        "together they must not want more connections than the server takes.",
    )
    names: Mapping[str, PoolSettings] = Field(
        default={},
        max_length=100,
        description="Pools and gates with settings of their own, by the name given to `QuickWins.pool` or `QuickWins.gate`. "
        "What one leaves out it takes from this section.",
    )

    def for_name(self, name: str) -> PoolSettings:
        """The settings of the pool or gate `name`: its own table, else this section."""
        return self.names.get(name, self)

    @model_validator(mode="before")
    @classmethod
    def _inherit(cls, values: Any) -> Any:
        return inherited(values, PoolSettings)
