"""Channels as a caller writes them."""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING, assert_type

from quickwins.channels import (
    ChannelConflict,
    ChannelMisuse,
    ChannelSettings,
    ChannelsSettings,
    ChannelStats,
    MemberState,
    MemberStats,
    MethodPolicy,
    MisuseReason,
    Mode,
    Pick,
    PoolConfig,
    RotatingChannel,
    RotationFailed,
    SwitchReason,
    rotating_channel,
)
from quickwins.core.clock import Chance
from quickwins.core.events import CALL_METADATA_FAILED
from quickwins.logs.grpc import trace_metadata

if TYPE_CHECKING:
    import grpc

    from quickwins import QuickWins

FEED = {
    "/feed.v1.Feed/GetFeed": MethodPolicy(
        idempotent=True, timeout_seconds=1.0, codes=("UNAVAILABLE", "ABORTED")
    )
}


def pool(chance: Random) -> RotatingChannel:
    channel = rotating_channel(
        "feed:50051",
        name="feed",
        service="api",
        config=PoolConfig(size=4, mode="pool", max_age_seconds=600, pick=Pick.LEAST_INFLIGHT),
        methods=FEED,
        metadata=trace_metadata,
        options=[("grpc.max_receive_message_length", -1)],
        rng=chance,
    )
    assert_type(channel, RotatingChannel)
    return channel


def followed(qw: QuickWins, credentials: grpc.ChannelCredentials) -> RotatingChannel:
    return qw.channel("feed:50051", name="feed", credentials=credentials, methods=FEED)


async def used(channel: RotatingChannel) -> tuple[MemberStats, ...]:
    async with channel:
        call = channel.unary_unary("/feed.v1.Feed/GetFeed")
        await call(b"", timeout=1.0, metadata=(("x-tenant", "t1"),), wait_for_ready=True)
        try:
            await channel.rotate()
        except RotationFailed:
            channel.reconfigure(PoolConfig(mode=Mode.SINGLE))
        stats = channel.stats()
        assert_type(stats, ChannelStats)
        assert_type(stats.mode, Mode)
        await channel.close(grace=10)
    return tuple(one for one in stats.members if one.state is MemberState.READY)


def refusal(error: Exception) -> str:
    if isinstance(error, ChannelConflict):
        return str(error)
    return (
        "fork" if isinstance(error, ChannelMisuse) and error.reason is MisuseReason.FORK else SwitchReason.AGE
    )


def settings(section: ChannelsSettings, chance: Chance) -> PoolConfig:
    table = section.for_name("feed" if chance.random() < 1 else CALL_METADATA_FAILED.name)
    assert_type(table, ChannelSettings)
    return table.config()
