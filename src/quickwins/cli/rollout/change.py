"""`quickwins rollout start`, `approve`, `pause`, `resume` and `abort`: what a person says about a ramp."""

import asyncio
from typing import TYPE_CHECKING

import typer

from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.options import ConfigOption, FeatureArgument, JsonOption
from quickwins.cli.output import note
from quickwins.cli.rollout._house import House, blocked, source_of
from quickwins.cli.rollout._options import DryRunOption, PlanOption
from quickwins.cli.rollout.look import show_plan, show_state

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quickwins.rollout import RolloutController, State


def start(
    feature: FeatureArgument,
    config: ConfigOption = None,
    plan: PlanOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Begin a ramp, which waits for `run`.

    The plan is kept as it is now. Exits with 4 when a ramp of this feature or of its group is under way, or the flag is killed.
    """
    house = House.at(feature, config, plan)
    found = house.plan()
    source_of(found)
    if house.is_killed():
        note(f"{feature} is killed: `quickwins flags revive {feature}` first")
        raise typer.Exit(ExitCode.BLOCKED)
    if dry_run:
        show_plan(found, as_json=as_json)
        return
    with blocked():
        asyncio.run(house.controller(found).start(found))
    show_state(asyncio.run(house.controller().status()), feature, as_json=as_json)
    note(f"begun; `quickwins rollout run {feature}` moves it")


def approve(
    feature: FeatureArgument,
    config: ConfigOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say yes to the next step.

    Once: a later step that needs approval asks again. Everything else the step has to show first still counts.
    """
    _said(feature, config, lambda controller: controller.approve(), dry_run=dry_run, as_json=as_json)


def pause(
    feature: FeatureArgument,
    config: ConfigOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Stay at this percentage.

    Harm takes the ramp back all the same, and so does its deadline.
    """
    _said(feature, config, lambda controller: controller.pause(), dry_run=dry_run, as_json=as_json)


def resume(
    feature: FeatureArgument,
    config: ConfigOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Go on after a pause."""
    _said(feature, config, lambda controller: controller.resume(), dry_run=dry_run, as_json=as_json)


def abort(
    feature: FeatureArgument,
    config: ConfigOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Turn the feature off now, and end the ramp.

    Writes the flag itself, whether a controller runs or not; one that runs reads it back from all targets.
    """
    _said(feature, config, lambda controller: controller.abort(), dry_run=dry_run, as_json=as_json)


def _said(
    feature: str,
    config: ConfigOption,
    say: "Callable[[RolloutController], Awaitable[State]]",
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    controller = House.at(feature, config, None).controller()
    with blocked():
        state = asyncio.run(_say(controller, say, dry_run=dry_run))
    show_state(state, feature, as_json=as_json)


async def _say(
    controller: "RolloutController",
    say: "Callable[[RolloutController], Awaitable[State]]",
    *,
    dry_run: bool,
) -> "State | None":
    return await controller.status() if dry_run else await say(controller)
