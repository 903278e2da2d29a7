"""`quickwins rollout plan`, `status`, `history` and `replay`: nothing of them changes anything."""

import asyncio
from typing import TYPE_CHECKING, Annotated

import typer

from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.options import ConfigOption, FeatureArgument, JsonOption
from quickwins.cli.output import counted, note, print_json, print_table, timestamp
from quickwins.cli.rollout._house import House, blocked, source_of
from quickwins.cli.rollout._options import LooksOnly, PlanOption
from quickwins.core.errors import ConfigError
from quickwins.rollout import Phase, replayed

if TYPE_CHECKING:
    from quickwins.core.audit import AuditLog
    from quickwins.rollout import Plan, State


NOT_ASKED = "not asked for"


def plan(
    feature: FeatureArgument,
    config: ConfigOption = None,
    plan: PlanOption = None,
    _dry_run: LooksOnly = False,
    as_json: JsonOption = False,
) -> None:
    """Show a ramp before it begins.

    Exits with 2 if it can't be followed: a mistake in the plan, a flag that is set where nothing can be written, or nowhere to look.
    """
    found = House.at(feature, config, plan).plan()
    source_of(found)
    show_plan(found, as_json=as_json)


def show_plan(plan: "Plan", *, as_json: bool) -> None:
    """Print what `plan` says."""
    if as_json:
        print_json(plan.model_dump(mode="json"))
        return
    print_table(
        ("step", "percent", "hold_seconds", "min_requests", "approval"),
        [
            (number, step.percent, step.hold, step.min_requests, step.approval)
            for number, step in enumerate(plan.steps, 1)
        ],
    )


def status(
    feature: FeatureArgument,
    config: ConfigOption = None,
    _dry_run: LooksOnly = False,
    as_json: JsonOption = False,
) -> None:
    """Show where a ramp stands."""
    with blocked():
        state = asyncio.run(House.at(feature, config, None).state())
    show_state(state, feature, as_json=as_json)


def asked_for(state: "State") -> str:
    """Whether the next step waits for a person's approval."""
    following, steps = state.step + 1, state.plan.steps
    if (
        state.phase not in {Phase.OBSERVING, Phase.RAMPING}
        or following >= len(steps)
        or not steps[following].approval
    ):
        return NOT_ASKED
    return "given" if state.approved >= following else "asked for"


def show_state(state: "State | None", feature: str, *, as_json: bool) -> None:
    """Print where the ramp of `feature` stands."""
    if state is None:
        raise ConfigError(f"there was no ramp of {feature} yet: `quickwins rollout start {feature}`")
    step = state.step + 1
    shown = {
        "feature": state.feature,
        "phase": str(state.phase),
        "step": f"{step} of {len(state.plan.steps)}",
        "percent": state.percent,
        "intended": None if state.intent is None else state.intent.percent,
        "confirmed": state.confirmed,
        "served_seconds": round(state.served_seconds),
        "requests_on": state.on.requests,
        "errors_on": state.on.errors,
        "requests_off": state.off.requests,
        "errors_off": state.off.errors,
        "paused": state.paused,
        "approval": asked_for(state),
        "looked_at": None if state.looked_at is None else timestamp(state.looked_at),
        "why": None if state.why is None else str(state.why),
    }
    if as_json:
        print_json(shown)
    else:
        print_table(("what", "is"), shown.items())


def history(
    feature: FeatureArgument,
    config: ConfigOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many, the newest.")] = 20,
    _dry_run: LooksOnly = False,
    as_json: JsonOption = False,
) -> None:
    """Show what was decided and asked, the newest last."""
    lines = [one for one in _records(House.at(feature, config, None).audit) if one.get("feature") == feature]
    keys = ("verdict", "reason", "percent", "write", "detail", "what", "holder")
    rows = [
        {"at": timestamp(float(str(one["at"]))), **{key: one.get(key) for key in keys}}
        for one in lines[-limit:]
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(("at", *keys), [list(row.values()) for row in rows])


def replay(
    feature: FeatureArgument,
    config: ConfigOption = None,
    _dry_run: LooksOnly = False,
    as_json: JsonOption = False,
) -> None:
    """Decide once more from the numbers in the history.

    Exits with 3 if some decision would be another one now.
    """
    again = list(replayed(_records(House.at(feature, config, None).audit), feature))
    rows = [(timestamp(one.at), one.then, one.now) for one in again if not one.same]
    if as_json:
        print_json(
            {
                "decisions": len(again),
                "others": [dict(zip(("at", "then", "now"), row, strict=True)) for row in rows],
            }
        )
    elif rows:
        print_table(("at", "then", "now"), rows)
    note(f"{counted(len(again), 'decision')}, {len(rows)} would be another one now")
    if rows:
        raise typer.Exit(ExitCode.FINDING)


def _records(audit: "AuditLog") -> list[dict[str, object]]:
    try:
        return list(audit.records())
    except OSError as error:
        raise ConfigError(f"{audit.path}: {error.strerror}") from None
