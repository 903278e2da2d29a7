"""What a command about a ramp works with: the configuration, its flag, the plans, and where ramps are kept."""

from __future__ import annotations

from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import typer
from pydantic import ValidationError

from quickwins.cli._configuration import Configuration, flag_section, flag_settings
from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.output import note
from quickwins.cli.rollout._store import service_of, store_of
from quickwins.core.audit import AuditLog
from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.flags.writer import FlagWriter
from quickwins.facade import SECTIONS
from quickwins.rollout import (
    PrometheusSource,
    RolloutBlocked,
    RolloutController,
    ScrapeSource,
    load_plans,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path

    from quickwins.rollout import FactSource, Plan, Reading, State

PLANS = "rollout.toml"
WHOLE = 100


class _Nowhere:
    """For commands that don't look."""

    async def read(self, feature: str, now: float) -> Reading:
        raise ConfigError(f"nowhere to look for {feature} at {now}")


@dataclass(frozen=True, slots=True)
class House:
    """One feature's ramp, and all that it touches.

    Attributes:
        feature: Whose flag.
        configuration: Where the flag is.
        plans: The file of plans.
        audit: Where decisions are recorded.
    """

    feature: str
    configuration: Configuration
    plans: Path
    audit: AuditLog

    @classmethod
    def at(cls, feature: str, config: Path | None, plans: Path | None) -> House:
        """That of `feature`.

        Raises:
            ConfigError: There is no such flag.
        """
        flag_section(feature)
        configuration = Configuration.at(config, SystemClock())
        file = configuration.path
        audit = AuditLog(file.with_name(file.name + ".rollout.jsonl"))
        return cls(feature, configuration, file.with_name(PLANS) if plans is None else plans, audit)

    def writer(self) -> FlagWriter:
        """What writes the flag."""
        return FlagWriter(
            self.configuration.path, SECTIONS, command=self.configuration.about_flags().write_command
        )

    def plan(self) -> Plan:
        """The feature's plan, checked against what is there.

        Raises:
            ConfigError: There is none, it can't be followed, or the flag can't be written where it counts.
        """
        found = load_plans(self.plans)
        if self.feature not in found:
            raise ConfigError(
                f"{self.plans}: no ramp of {self.feature!r}; there is: {', '.join(found) or 'none'}"
            )
        plan = found[self.feature]
        section = flag_section(self.feature)
        for step in plan.steps:
            try:
                section.model_validate({"percent": step.percent})
            except ValidationError as error:
                said = error.errors()[0]["msg"]
                raise ConfigError(f"{self.plans}: {self.feature} at {step.percent:g} %: {said}") from None
        if section.unit != "requests" and plan.control == "cohort" and plan.steps[0].percent < WHOLE:
            raise ConfigError(
                f"{self.plans}: {self.feature}: its percentage is of {section.unit}, and requests say nothing of them one by one: "
                'give it control = "baseline"'
            )
        snapshot = self.configuration.read()
        file = str(self.configuration.path)
        for key in ("enabled", "percent", "expires_at", "fallback_percent"):
            origin = snapshot.settings.origins.get(f"{self.feature}.{key}", file)
            if origin != file and not self.configuration.about_flags().write_command:
                raise ConfigError(
                    f"{self.feature}.{key} comes from {origin}, which nothing written here would change: take it out there"
                )
        self.writer().check()
        return plan

    def is_killed(self) -> bool:
        """Whether somebody has killed the flag."""
        return flag_settings(self.configuration.read(), self.feature).killed

    @asynccontextmanager
    async def controller(self, plan: Plan | None = None) -> AsyncIterator[RolloutController]:
        """What decides, looking where `plan` says.

        Raises:
            ConfigError: The configuration doesn't say where ramps are kept.
        """
        source: FactSource = _Nowhere()
        if plan is not None:
            source = source_of(plan)
        async with store_of(self.configuration) as store:
            yield RolloutController(
                source,
                self.writer(),
                store,
                feature=self.feature,
                audit=self.audit,
                service=service_of(self.configuration),
                clock=self.configuration.clock,
            )

    async def state(self) -> State | None:
        """Where the ramp stands; `None`: there never was one."""
        async with self.controller() as controller:
            return await controller.status()


def source_of(plan: Plan) -> FactSource:
    """Where to look for `plan`.

    Raises:
        ConfigError: It doesn't say.
    """
    if plan.prometheus:
        return PrometheusSource(plan.prometheus)
    if not plan.targets:
        raise ConfigError("nowhere to look: give the plan its targets, or a prometheus")
    return ScrapeSource(plan.targets)


@contextmanager
def blocked() -> Iterator[None]:
    """Exit with 4 when something else is in the way, and with 5 when the ramps can't be reached."""
    try:
        yield
    except RolloutBlocked as error:
        note(str(error))
        raise typer.Exit(ExitCode.BLOCKED) from None
    except OSError as error:
        note(f"ramps can't be reached: {str(error) or type(error).__name__}")
        raise typer.Exit(ExitCode.FAILED_CLEAN) from None
