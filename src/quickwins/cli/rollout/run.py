"""`quickwins rollout run`: the controller."""

import asyncio
import signal
import sys
from contextlib import nullcontext
from typing import TYPE_CHECKING, Annotated

import typer

from quickwins.cli.exit_codes import ExitCode
from quickwins.cli.options import ConfigOption, FeatureArgument, JsonOption
from quickwins.cli.output import hush, note, print_json, print_line, timestamp
from quickwins.cli.rollout._house import House, blocked
from quickwins.cli.rollout._options import DryRunOption
from quickwins.core.errors import ConfigError, QuickWinsError
from quickwins.core.metrics import MetricsServer, MetricsSettings
from quickwins.rollout import Phase

if TYPE_CHECKING:
    from quickwins.core.clock import Clock
    from quickwins.rollout import Look, RolloutController

LAST_PORT = 65_535
STAY_SECONDS = 60.0
"""What counts a rollback would otherwise be gone before anybody has scraped it."""


def run(
    feature: FeatureArgument,
    config: ConfigOption = None,
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            help="Serve the controller's own metrics there, at /metrics, behind [metrics] token if there is one; and stay for a "
            "minute after the end, until Prometheus has seen it. Default: nowhere.",
            show_default=False,
        ),
    ] = None,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Watch a ramp, and move it, until it is over.

    A line for each change of verdict. Any number may run, one decides. Exits with 0 at the end of the ramp, with 3 when it was taken back, and with 130 when it was stopped: then the percentage falls back to the last safe one when its time to live is over.
    """
    house = House.at(feature, config, None)
    try:
        with served(house, metrics) if metrics else nullcontext(), blocked():
            phase = asyncio.run(_run(house, dry_run=dry_run, as_json=as_json, stays=metrics is not None))
    except (asyncio.CancelledError, KeyboardInterrupt):
        note("stopped: the ramp waits for another `run`, and its percentage runs out")
        raise typer.Exit(ExitCode.INTERRUPTED) from None
    if phase is Phase.ROLLED_BACK:
        raise typer.Exit(ExitCode.FINDING)


def served(house: House, at: str) -> MetricsServer:
    """The controller's metrics at `HOST:PORT`.

    Raises:
        ConfigError: It is no such place, or nothing can listen there.
    """
    host, _, port = at.rpartition(":")
    if not host or not port.isdecimal() or int(port) > LAST_PORT:  # without a host it would be everywhere
        raise ConfigError(f"--metrics {at}: not allowed: HOST:PORT is meant, such as 127.0.0.1:9001")
    token = house.configuration.about("metrics", MetricsSettings).token
    try:
        return MetricsServer(int(port), host=host.strip("[]"), token=token)
    except OSError as error:
        raise ConfigError(f"--metrics {at}: {error.strerror or error}") from None


async def _run(house: House, *, dry_run: bool, as_json: bool, stays: bool) -> Phase | None:
    state = await house.state()
    if state is None:
        raise ConfigError(
            f"there was no ramp of {house.feature} yet: `quickwins rollout start {house.feature}`"
        )
    async with house.controller(state.plan) as controller:
        if dry_run:
            await _previewed(controller, house.configuration.clock, state.plan.interval)
            return None
        task = asyncio.current_task()
        assert task is not None
        for one in (signal.SIGTERM, signal.SIGHUP):  # the second: its terminal is closed; `nohup` goes on
            if signal.getsignal(one) is not signal.SIG_IGN:
                asyncio.get_running_loop().add_signal_handler(one, task.cancel)
        phase = await _watched(controller, house.configuration.clock, state.plan.interval, as_json=as_json)
    if stays:
        await house.configuration.clock.sleep(STAY_SECONDS)
    return phase


async def _previewed(controller: "RolloutController", clock: "Clock", interval: float) -> None:
    for _ in range(2):  # one look says nothing by itself
        decision = await controller.preview()
        await clock.sleep(interval)
    print_line(*(decision.verdict, decision.reason, decision.detail) if decision else ("nothing to decide",))


async def _watched(
    controller: "RolloutController", clock: "Clock", interval: float, *, as_json: bool
) -> Phase:
    shown: tuple[object, ...] = ()
    while True:
        try:
            look = await controller.tick()
        except (QuickWinsError, OSError) as error:
            note(f"{type(error).__name__}: {error}")
        else:
            news = look.leads, look.verdict, look.reason, look.phase, look.percent
            if news != shown:
                shown = news
                _show(look, clock.wall(), as_json=as_json)
            if look.phase in {Phase.DONE, Phase.ROLLED_BACK}:
                return look.phase
        await clock.sleep(interval)


def _show(look: "Look", now: float, *, as_json: bool) -> None:
    shown = {
        "at": timestamp(now),
        "leads": look.leads,
        "phase": None if look.phase is None else str(look.phase),
        "percent": look.percent,
        "verdict": None if look.verdict is None else str(look.verdict),
        "reason": None if look.reason is None else str(look.reason),
        "detail": look.detail,
    }
    try:
        if as_json:
            print_json(shown)
        else:
            print_line(*shown.values())
    except BrokenPipeError:  # nobody reads any more, but the ramp still needs its controller
        hush(sys.stdout)
