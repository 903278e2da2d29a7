"""A percentage is one of requests, or of what a function of the request says; at 0 and 100 % nothing is done for it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins.backpressure import Gate
from quickwins.backpressure.asgi import BackpressureMiddleware
from quickwins.core.asgi import Message, Receive, Scope, Send
from quickwins.core.audit import AuditLog
from quickwins.core.flags import Flags, FlagSettings, MemorySource, pinned
from quickwins.core.flags.asgi import PinMiddleware
from quickwins.core.flags.history import keyless
from quickwins.core.flags.pin import PIN

pytestmark = pytest.mark.asyncio


class World:
    """A flag at a percentage, and an application that asks it."""

    def __init__(self, percent: float, audit: AuditLog | None = None) -> None:
        self.registry = CollectorRegistry()
        self.source = MemorySource({"one": {"enabled": True, "percent": percent}})
        self.flags = Flags({"one": FlagSettings}, [self.source], registry=self.registry, audit=audit)
        self.flag = self.flags.flag("one")
        self.on: list[bool] = []
        self.keys: list[str | None] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        pin = PIN.get()
        self.keys.append(None if pin is None else pin.key)
        self.on.append(self.flag.active())
        if "change" in scope:
            scope["change"]()
            self.on.append(self.flag.active())

    def kill(self) -> None:
        self.source.set("one", killed=True)
        assert self.flags.poll()

    def missing(self) -> float | None:
        return self.registry.get_sample_value(
            "quickwins_flag_missing_key_total", {"service": "", "name": "", "feature": "one"}
        )


async def nothing(*_: object) -> Any:
    return {}


async def request(app: Any, kind: str = "http", **scope: object) -> None:
    await app({"type": kind, "path": "/", **scope}, nothing, nothing)


async def test_five_percent_lets_about_five_in_a_hundred_requests_through_to_the_gate() -> None:
    world = World(5)
    gate = Gate.threshold(0.5, size=2, name="door", flag=world.flag, registry=world.registry)
    statuses: list[int] = []

    async def send(message: Message) -> None:
        statuses.extend([message["status"]] if "status" in message else [])

    async def hello(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})

    app = PinMiddleware(BackpressureMiddleware(hello, gate=gate), world.flags, rng=Random(7))
    with pinned(next(key for key in map(str, range(10_000)) if world.flag.active_for(key))):
        await gate.permit().__aenter__()
    for _ in range(2000):
        await app({"type": "http", "path": "/", "headers": []}, nothing, send)
    assert len(statuses) == 2000
    assert 60 <= statuses.count(503) <= 140
    assert world.missing() == 0


async def test_the_same_key_is_always_on_or_always_off() -> None:
    world = World(50)
    app = PinMiddleware(world, world.flags, key=lambda scope: scope["user"])
    for _ in range(2):
        for user in range(100):
            await request(app, user=f"user-{user}")
    assert world.on[:100] == world.on[100:]
    assert 25 < sum(world.on[:100]) < 75


def raising(_: Scope) -> str:
    raise KeyError("user")


def _raise(_: object) -> Any:
    raise ValueError


class Unaskable:
    __class__ = property(_raise)


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(lambda _: None, id="nobody"),
        pytest.param(raising, id="a mistake"),
        pytest.param(lambda _: 7, id="no text"),
        pytest.param(lambda _: Unaskable(), id="what raises when it is asked what it is"),
    ],
)
async def test_a_request_without_a_key_is_off_and_counted_and_never_fails(
    key: Callable[[Scope], Any],
) -> None:
    world = World(99.99)
    await request(PinMiddleware(world, world.flags, key=key))
    assert world.on == [False]
    assert world.missing() == 1


@pytest.mark.parametrize("percent", [0, 100])
async def test_nothing_is_asked_or_pinned_while_all_flags_are_at_0_or_100(percent: float) -> None:
    world = World(percent)
    await request(PinMiddleware(world, world.flags, key=raising))
    assert world.keys == [None]
    assert world.on == [percent == 100]


async def test_a_key_that_a_request_has_already_stays_unless_there_is_a_function_for_it() -> None:
    world = World(50)
    with pinned("outer"):
        await request(PinMiddleware(world, world.flags))
        await request(PinMiddleware(world, world.flags, key=lambda _: "inner"))
    assert world.keys == ["outer", "inner"]


async def test_a_request_goes_on_as_it_began_and_a_websocket_sees_the_kill() -> None:
    for kind, after in (("http", True), ("websocket", False)):
        world = World(99.99)
        await request(PinMiddleware(world, world.flags, key=lambda _: "user"), kind, change=world.kill)
        assert world.on == [True, after]
    assert PIN.get() is None


async def test_a_lifespan_has_no_key() -> None:
    world = World(50)
    await request(PinMiddleware(world, world.flags), "lifespan")
    assert world.keys == [None]


async def test_requests_at_the_same_time_have_keys_of_their_own() -> None:
    world = World(50)
    app = PinMiddleware(world, world.flags, rng=Random(1))
    await asyncio.gather(*(request(app) for _ in range(50)))
    assert len({*world.keys}) == 50


async def test_a_percentage_that_finds_no_keys_is_said_once_for_each_state(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING, "quickwins")
    audit = AuditLog(tmp_path / "audit.jsonl")
    world = World(5, audit)
    for _ in range(3):
        await request(world)
    assert caplog.messages == ["flag.key_missing feature=one percent=5.0"]
    assert world.missing() == 3
    (said,) = keyless(audit.records(), 0).values()
    assert (said["feature"], said["percent"]) == ("one", 5.0)
    assert keyless(audit.records(), float("inf")) == {}
    world.source.set("one", percent=10)
    world.flags.poll()
    assert keyless(audit.records(), 0) == {}, "the flag has changed since"
    await request(world)
    await request(world)
    assert caplog.messages[1:] == ["flag.key_missing feature=one percent=10.0"]
    assert [*keyless(audit.records(), 0)] == [("one", 10.0)]
