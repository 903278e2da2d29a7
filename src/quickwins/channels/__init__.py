"""Round-robin gRPC channels: several real connections behind one channel, so that none is a single point of failure.

    channel = rotating_channel("feed:50051", name="feed", methods={"/feed.v1.Feed/GetFeed": MethodPolicy(idempotent=True)})
    stub = FeedStub(channel)
    async with channel:
        await stub.GetFeed(request, timeout=1.0)

Turn it off with `enabled = false` (or `killed = true`) under `[channels]`, or with `PoolConfig(mode="single")`: new calls go
to a stock channel.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.channels._channel import RotatingChannel
    from quickwins.channels._rotating import rotating_channel
    from quickwins.channels.config import MethodPolicy, Mode, Pick, PoolConfig
    from quickwins.channels.errors import ChannelConflict, ChannelMisuse, MisuseReason, RotationFailed
    from quickwins.channels.settings import ChannelSettings, ChannelsSettings
    from quickwins.channels.stats import ChannelStats, MemberState, MemberStats, SwitchReason

__all__ = [
    "ChannelConflict",
    "ChannelMisuse",
    "ChannelSettings",
    "ChannelStats",
    "ChannelsSettings",
    "MemberState",
    "MemberStats",
    "MethodPolicy",
    "MisuseReason",
    "Mode",
    "Pick",
    "PoolConfig",
    "RotatingChannel",
    "RotationFailed",
    "SwitchReason",
    "rotating_channel",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "ChannelConflict": "errors",
        "ChannelMisuse": "errors",
        "ChannelSettings": "settings",
        "ChannelStats": "stats",
        "ChannelsSettings": "settings",
        "MemberState": "stats",
        "MemberStats": "stats",
        "MethodPolicy": "config",
        "MisuseReason": "errors",
        "Mode": "config",
        "Pick": "config",
        "PoolConfig": "config",
        "RotatingChannel": "_channel",
        "RotationFailed": "errors",
        "SwitchReason": "stats",
        "rotating_channel": "_rotating",
    },
)
