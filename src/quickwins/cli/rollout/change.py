"""`quickwins rollout start`, `approve`, `pause`, `resume` and `abort`: what a person says about a ramp."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.options import ConfigOption, FeatureArgument, JsonOption
from quickwins.cli.output import note, print_json
from quickwins.cli.rollout._house import House, blocked, source_of
from quickwins.cli.rollout._options import DryRunOption, PlanOption
from quickwins.cli.rollout._store import where
from quickwins.cli.rollout.look import NOT_ASKED, asked_for, show_plan, show_state
from quickwins.core.errors import ConfigError
from quickwins.rollout import RolloutBlocked, RolloutReason

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quickwins.rollout import Plan, RolloutController, State


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
        state = asyncio.run(_begun(house, found))
    show_state(state, feature, as_json=as_json)
    note(f"begun; `quickwins rollout run {feature}` moves it")


async def _begun(house: House, plan: "Plan") -> "State | None":
    async with house.controller() as controller:
        await controller.start(plan)
        return await controller.status()


def approve(
    feature: FeatureArgument,
    config: ConfigOption = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Say yes to the next step.

    Once: a later step that needs approval asks again. Everything else the step has to show first still counts.
    """
    state = _said(feature, config, lambda controller: controller.approve(), dry_run=dry_run, as_json=as_json)
    if state is not None and asked_for(state) == NOT_ASKED:
        note("the next step asks for nobody's approval: a later one that does will ask for its own")


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
    unseen: Annotated[
        bool,
        typer.Option("--unseen", help="Don't wait for every target to show 0, for good: some are gone."),
    ] = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Turn the feature off now, and end the ramp.

    Writes the flag itself, whether a controller runs or not; one that runs reads it back from all targets. Exits with 0 when no ramp is under way, too: there is nothing to take back. Exits with 6 when the ramps can't be reached: the feature is off then, and its ramp still to be ended by another `abort`.
    """
    house = House.at(feature, config, None)
    if dry_run:
        with blocked():
            state = asyncio.run(house.state())
    else:
        state = asyncio.run(_aborted(house, unseen=unseen))
    if state is not None:
        show_state(state, feature, as_json=as_json)
    elif as_json:
        print_json({"feature": feature, "phase": None})


async def _aborted(house: House, *, unseen: bool) -> "State | None":
    async with house.controller() as controller:
        try:
            return await controller.abort(unseen=unseen)
        except (RolloutBlocked, OSError, ConfigError) as error:
            if isinstance(error, ConfigError) and not house.is_killed():
                raise
            if isinstance(error, RolloutBlocked) and error.reason is RolloutReason.NOT_RUNNING:
                note(
                    f"{error} in {where(house.configuration)}: nothing to take back; `quickwins flags kill {house.feature}` "
                    "turns it off all the same"
                )
                return await controller.status()
            note(
                f"{house.feature} is off, but its ramp is not ended: {str(error) or type(error).__name__}; abort it again"
            )
            raise typer.Exit(ExitCode.FAILED_DEBRIS) from None


def _said(
    feature: str,
    config: ConfigOption,
    say: "Callable[[RolloutController], Awaitable[State]]",
    *,
    dry_run: bool,
    as_json: bool,
) -> "State | None":
    house = House.at(feature, config, None)
    with blocked():
        state = asyncio.run(_say(house, say, dry_run=dry_run))
    show_state(state, feature, as_json=as_json)
    return state


async def _say(
    house: House, say: "Callable[[RolloutController], Awaitable[State]]", *, dry_run: bool
) -> "State | None":
    async with house.controller() as controller:
        return await controller.status() if dry_run else await say(controller)
