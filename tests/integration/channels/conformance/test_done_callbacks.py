"""Callbacks for the end of a call: each once, whenever they are added."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import pytest

from tests.eventually import eventually
from tests.integration.channels.conformance.service import CHAT, COUNT, ECHO, FAIL, HANG, JOIN, Service

pytestmark = pytest.mark.asyncio


CALLS = [
    pytest.param(lambda channel: channel.unary_unary(ECHO)(b""), id="unary"),
    pytest.param(lambda channel: channel.unary_stream(COUNT)(b"2"), id="answers"),
    pytest.param(lambda channel: channel.stream_unary(JOIN)([b"a"]), id="requests"),
    pytest.param(lambda channel: channel.stream_stream(CHAT)([b"a"]), id="both"),
    pytest.param(lambda channel: channel.unary_unary(FAIL)(b"UNAVAILABLE"), id="failure"),
]


@pytest.mark.parametrize("begin", CALLS)
async def test_they_are_called_once_with_the_call(
    channel: grpc.aio.Channel, begin: Callable[[grpc.aio.Channel], Any]
) -> None:
    call = begin(channel)
    early: list[object] = []
    call.add_done_callback(early.append)
    call.add_done_callback(early.append)
    if hasattr(call, "read"):
        async for _ in call:
            pass
    await call.code()
    await eventually(lambda: len(early) == 2)
    late: list[object] = []
    call.add_done_callback(late.append)
    await eventually(lambda: late)
    assert early == [call, call]
    assert late == [call]


async def test_they_are_called_for_a_call_that_is_cancelled(
    channel: grpc.aio.Channel, service: Service
) -> None:
    call = channel.unary_unary(HANG)(b"")
    told: list[Any] = []
    call.add_done_callback(told.append)
    await service.entered.wait()
    call.cancel()
    await eventually(lambda: told)
    with pytest.raises(asyncio.CancelledError):
        await call
    assert told == [call]
