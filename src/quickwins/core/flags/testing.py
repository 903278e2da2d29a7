"""For tests of what asks a flag: features that are on, off or at a percentage for a block, whatever any file says.

with frozen_flags(qw.flags, backpressure=False, logs=True):
client.get("/feed")
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError
from quickwins.core.flags.live import Flags
from quickwins.core.lazy import shows

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["frozen_flags"]
__dir__ = shows(__name__)


@contextmanager
def frozen_flags(flags: Flags, **states: bool | int) -> Iterator[None]:
    """In this block the flags are as `states` says, and no source changes any: files, the environment, kills, expiry.

    What follows the flags follows: pools and gates, the log pipeline, the bridge for warnings. Afterwards all is as it was,
    and sources are looked at again. On the event loop that the flags belong to.

    Args:
        flags: Such as `QuickWins.flags`.
        states: By feature: on or off, or a percentage. The others stay as they are.

    Raises:
        ConfigError: There is no such flag, or no such state, or they are frozen already.
    """
    if not isinstance(flags, Flags):
        raise ConfigError(
            f"frozen_flags takes the flags of a QuickWins, qw.flags, not a {type(flags).__name__}"
        )
    for feature, state in states.items():
        if not isinstance(state, int):
            raise ConfigError(f"{feature}={state!r} is not allowed: True, False or a percentage")
    with flags.frozen(states):
        yield
