"""`QuickWins.channel`: its table or the section, live changes, the kill, the trace, and the end."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import pairwise
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from prometheus_client import CollectorRegistry

from quickwins import ConfigError, QuickWins
from quickwins.channels import MemberState, MethodPolicy, Mode
from tests.eventually import eventually
from tests.grpc_service import listening

pytestmark = pytest.mark.asyncio

CONFIG = """\
service = "api"
[flags]
audit = false
[logs]
enabled = true
output = "{output}"
[channels]
enabled = true
size = 2
[channels.names.feed]
size = 3
"""


class Service:
    """A `QuickWins` on a file of its own, with a server that remembers what calls brought along."""

    def __init__(self, folder: Path, text: str = CONFIG) -> None:
        self.file = folder / "quickwins.toml"
        self.file.write_text(f"{text.format(output=folder / 'log')}\n# quickwins: complete\n")
        self.registry = CollectorRegistry()
        self.qw = QuickWins.load(self.file, env={}, registry=self.registry)
        self.brought: list[dict[str, Any]] = []
        self.target = ""

    async def say(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        self.brought.append(dict(context.invocation_metadata()))
        return request

    def change(self, old: str, new: str) -> None:
        self.file.write_text(self.file.read_text().replace(old, new))
        assert self.qw.flags.poll()

    def sample(self, series: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(series, {"service": "api", **labels})


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[Service]:
    service = Service(folder)
    async with listening(say=grpc.unary_unary_rpc_method_handler(service.say)) as port:
        service.target = f"127.0.0.1:{port}"
        yield service


async def test_each_channel_has_its_own_table_or_the_section(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.qw:
        feed = service.qw.channel(service.target, name="feed")
        search = service.qw.channel(service.target, name="search")
        for channel in (feed, search):
            assert await channel.unary_unary("/test/say")(b"x") == b"x"
        assert [len(channel.stats().members) for channel in (feed, search)] == [3, 2]
        assert service.sample("grpc_requests_total", name="feed", code="OK") == 1
        assert service.sample("grpc_pool_mode", name="feed", mode="pool") == 1
        assert service.sample("grpc_pool_mode", name="feed", mode="single") == 0


async def test_a_change_of_the_file_is_followed_while_calls_go_on(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.qw:
        feed = service.qw.channel(
            service.target, name="feed", methods={"/test/say": MethodPolicy(idempotent=True)}
        )
        say = feed.unary_unary("/test/say")
        for before, size in pairwise((3, 5, 1, 4, 2)):
            service.change(f"[channels.names.feed]\nsize = {before}", f"[channels.names.feed]\nsize = {size}")
            for _ in range(10):
                await say(b"x")
            assert len(feed.stats().members) == (size if size > 1 else 0)
        await eventually(lambda: feed.stats().draining == ())
        assert feed.stats().requests == {"OK": 30}  # with a size of 1 they were the stock channel's


async def test_a_kill_moves_new_calls_to_a_stock_channel_and_the_way_back_is_as_short(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.qw:
        feed = service.qw.channel(service.target, name="feed")
        say = feed.unary_unary("/test/say")
        await say(b"x")
        service.change("[channels]", "[channels]\nkilled = true")
        assert await say(b"x") == b"x"
        stats = feed.stats()
        assert (stats.mode, stats.why, stats.requests) == (Mode.SINGLE, "the flag is off", {"OK": 1})
        assert service.sample("grpc_pool_mode", name="feed", mode="single") == 1
        service.change("killed = true", "killed = false")
        await say(b"x")
        assert (feed.stats().mode, feed.stats().requests) == (Mode.POOL, {"OK": 2})


async def test_the_trace_goes_along_unless_the_caller_has_another_function_or_logging_is_off(
    tmp_path: Path,
) -> None:
    async with serving(tmp_path) as service, service.qw:
        feed = service.qw.channel(service.target, name="feed")
        own = service.qw.channel(service.target, name="own", metadata=lambda path: [("x-path", path)])
        async with asyncio.timeout(30):
            from quickwins.logs.kafka import extract

            with extract([], topic="posts"):
                await feed.unary_unary("/test/say")(b"x", metadata=(("traceparent", "mine"),))
                await own.unary_unary("/test/say")(b"x")
                service.change('output = "', 'killed = true\noutput = "')
                await feed.unary_unary("/test/say")(b"x")
        traced, by_function, untraced = service.brought
        assert traced["traceparent"].startswith("00-")
        assert (by_function["x-path"], "traceparent" in by_function) == ("/test/say", False)
        assert "traceparent" not in untraced


async def test_a_name_is_given_once(tmp_path: Path) -> None:
    async with serving(tmp_path) as service, service.qw:
        service.qw.channel(service.target, name="feed")
        with pytest.raises(ConfigError, match="there is a channel 'feed' already"):
            service.qw.channel(service.target, name="feed")


async def test_leaving_closes_its_channels_and_says_which_tables_nobody_used(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(tmp_path) as service:
        with caplog.at_level(logging.WARNING, "quickwins"):
            async with service.qw:
                search = service.qw.channel(service.target, name="search")
                await search.unary_unary("/test/say")(b"x")
                assert {one.state for one in search.stats().members} <= set(MemberState)
        assert search.get_state() is grpc.ChannelConnectivity.SHUTDOWN
        assert "config.unused key=channels.names.feed reason=no channel had that name" in caplog.text
        assert len(asyncio.all_tasks()) < 5
