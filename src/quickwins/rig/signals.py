"""Sends the signals of a schedule to real processes, and never leaves one stopped."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING, TypeAlias

from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.rig.schedule import Action

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quickwins.core.clock import Clock
    from quickwins.rig.schedule import SignalSchedule, Step

SignalTarget: TypeAlias = "int | Callable[[signal.Signals], object]"
"""A process id, or a function that sends a signal to whichever process plays the part now, such as `Popen.send_signal`.

A supervised process has a new id after each restart, and another process may then have the old one: use a function for
anything that may end during the schedule.
"""


async def perform(
    schedule: SignalSchedule, targets: Mapping[str, SignalTarget], *, clock: Clock | None = None
) -> list[Step]:
    """Send each signal when it is due; however it ends, even by cancellation, continue what was stopped.

    Args:
        schedule: The signals to send.
        targets: Each target that the schedule names.
        clock: `None` means the system's.

    Returns:
        The steps that found no process: it had ended, and had not been restarted yet.

    Raises:
        ConfigError: The schedule names a target that is not in `targets`; nothing has been sent.
    """
    unknown = {step.target for step in schedule.steps} - set(targets)
    if unknown:
        raise ConfigError(f"the schedule names targets that are not given: {', '.join(sorted(unknown))}")
    clock = clock or SystemClock()
    started = clock.monotonic()
    missed: list[Step] = []
    stopped: set[str] = set()
    try:
        for step in schedule.steps:
            wait_seconds = started + step.at_seconds - clock.monotonic()
            if wait_seconds > 0:
                await clock.sleep(wait_seconds)
            if step.action is Action.STOP:
                stopped.add(step.target)
            if not _send(targets[step.target], step.action):
                missed.append(step)
            if step.action is Action.CONTINUE:
                stopped.discard(step.target)
    finally:
        for name in stopped:
            _send(targets[name], Action.CONTINUE)
    return missed


def _send(target: SignalTarget, action: Action) -> bool:
    number = signal.Signals[action.value]
    try:
        if isinstance(target, int):
            os.kill(target, number)
        else:
            target(number)
    except ProcessLookupError:
        return False
    return True
