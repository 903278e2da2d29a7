"""What a channel says about itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from quickwins.channels.config import Mode


class MemberState(StrEnum):
    """What a connection is good for."""

    READY = "ready"
    CONNECTING = "connecting"
    IDLE = "idle"
    FAILING = "failing"
    EJECTED = "ejected"
    DRAINING = "draining"


class SwitchReason(StrEnum):
    """Why a connection was replaced."""

    AGE = "age"
    ASKED = "asked"
    EJECTED = "ejected"
    SILENT = "silent"
    RESIZED = "resized"


@dataclass(frozen=True, slots=True)
class MemberStats:
    """One connection.

    Attributes:
        number: Counts the connections of this channel, from 1; it is in events, too.
        state: What it is good for.
        inflight: Calls on it.
        age_seconds: How long it is in use.
        silent: Calls in a row that ended without a response.
        probe_in_seconds: Of an ejected one: when one call may try it; else `None`.
    """

    number: int
    state: MemberState
    inflight: int
    age_seconds: float
    silent: int
    probe_in_seconds: float | None


@dataclass(frozen=True, slots=True)
class ChannelStats:
    """A channel at one moment.

    Attributes:
        name: What it is called.
        mode: What it is made of; never `auto`.
        why: Why that.
        addresses: How many the target has; `None`: not known, or nobody asked.
        members: Those that calls go to, in turn.
        draining: Replaced ones that calls are still on.
        inflight: Calls under way on either; those of the stock channel are not counted.
        held: Calls that wait for a first connection.
        retry_tokens: Retries that the budget would pay for now.
        requests: Calls that have ended, by code, since the start.
    """

    name: str
    mode: Mode
    why: str
    addresses: int | None
    members: tuple[MemberStats, ...]
    draining: tuple[MemberStats, ...]
    inflight: int
    held: int
    retry_tokens: float
    requests: Mapping[str, int]
