"""What a channel is made of, from what is configured and how many addresses the target has."""

from __future__ import annotations

from quickwins.channels.config import Mode

SINGLE, CORE, POOL, AUTO = Mode


def decide(mode: Mode | str, size: int, addresses: int | None, *, on: bool = True) -> tuple[Mode, str]:
    """The mode in effect, which is never `auto`, and why.

    Args:
        mode: The configured one.
        size: The configured number of members.
        addresses: How many the target has; `None`: that is not known (yet).
        on: Whether the flag is on.
    """
    if not on:
        return SINGLE, "the flag is off"
    if mode in {SINGLE, CORE}:
        return Mode(mode), f"mode is {mode}"
    if mode is AUTO and addresses is None:
        return SINGLE, "the target's addresses are not known yet"
    if mode is AUTO and addresses != 1:
        return CORE, f"the target has {addresses} addresses"
    if size == 1:
        return SINGLE, "size is 1"
    return POOL, "mode is pool" if mode is POOL else "the target has one address"
