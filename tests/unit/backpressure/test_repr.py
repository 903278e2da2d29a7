"""What a person sees of the room's objects: a name, and the state that it is in."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from prometheus_client import CollectorRegistry

from quickwins.backpressure import BackpressureSettings, Gate, GatedPool
from quickwins.backpressure.asgi import BackpressureMiddleware
from quickwins.backpressure.grpc import BackpressureInterceptor
from quickwins.backpressure.strawberry import BackpressureExtension
from quickwins.backpressure.testing import FakeConnection, FakePool
from quickwins.core.flags import Flags, MemorySource
from quickwins.core.metrics import metrics_app
from tests.eventually import eventually

pytestmark = pytest.mark.asyncio


def search(*, shadow: bool = False) -> Gate:
    return Gate.queue(size=2, name="search", registry=CollectorRegistry(), nested="allow", shadow=shadow)


async def test_a_gate_shows_its_kind_and_who_is_at_it() -> None:
    gate = search()
    assert repr(Gate.adaptive()) == "<Gate: adaptive, not bound>"
    assert repr(gate) == "<Gate 'search': queue, on, 0 of 2 permits in use, 0 waiting>"
    async with gate.permit(), gate.permit():
        waiting = asyncio.ensure_future(gate.permit().__aenter__())
        await eventually(lambda: gate.stats().waiting == 1)
        assert repr(gate) == "<Gate 'search': queue, on, 2 of 2 permits in use, 1 waiting>"
    (await waiting).done()
    gate.close()
    assert repr(gate) == "<Gate 'search': queue, closed, 0 of 2 permits in use, 0 waiting>"


async def test_a_gate_that_refuses_nobody_says_why() -> None:
    flags = Flags({"backpressure": BackpressureSettings}, [MemorySource({})], registry=CollectorRegistry())
    off = Gate.threshold(size=1, flag=flags.flag("backpressure"), registry=CollectorRegistry())
    assert repr(off) == "<Gate '': threshold, off, 0 of 1 permits in use, 0 waiting>"
    assert "queue, in shadow, " in repr(search(shadow=True))


async def test_a_permit_shows_how_far_it_has_come() -> None:
    gate = search()
    permit = gate.permit()
    assert repr(permit) == "<Permit of 'search': not in use>"
    async with permit:
        assert repr(permit) == "<Permit of 'search': in use>"
    assert repr(permit) == "<Permit of 'search': given back>"
    async with gate.permit(), gate.permit():
        late = gate.permit()
        waiting = asyncio.ensure_future(late.__aenter__())
        await eventually(lambda: gate.stats().waiting == 1)
        assert repr(late) == "<Permit of 'search': in line>"
        waiting.cancel()
        await asyncio.wait([waiting])
    assert repr(late) == "<Permit of 'search': not in use>"


async def test_a_pool_and_what_it_gives_show_the_same() -> None:
    pool = GatedPool(FakePool(3), name="feed", registry=CollectorRegistry())
    acquisition = pool.acquire()
    assert repr(acquisition) == "<Acquisition of 'feed': not in use>"
    async with acquisition:
        assert repr(acquisition) == "<Acquisition of 'feed': in use>"
        assert repr(pool) == "<GatedPool 'feed': threshold, on, 1 of 3 permits in use, 0 waiting>"
    assert repr(acquisition) == "<Acquisition of 'feed': given back>"


BOUND = "<Gate 'search': queue, on, 0 of 2 permits in use, 0 waiting>"


@pytest.mark.parametrize(
    ("made", "shown"),
    [
        pytest.param(
            lambda: BackpressureMiddleware(metrics_app()),
            "<BackpressureMiddleware around function, without a gate>",
            id="HTTP",
        ),
        pytest.param(
            lambda: BackpressureMiddleware(metrics_app(), gate=search()),
            f"<BackpressureMiddleware around function, with {BOUND}>",
            id="HTTP with a gate",
        ),
        pytest.param(BackpressureInterceptor, "<BackpressureInterceptor, without a gate>", id="gRPC"),
        pytest.param(
            lambda: BackpressureInterceptor(gate=search()),
            f"<BackpressureInterceptor, with {BOUND}>",
            id="gRPC with a gate",
        ),
        pytest.param(BackpressureExtension, "<BackpressureExtension>", id="GraphQL"),
        pytest.param(lambda: FakePool(3), "<FakePool, open, 0 of 3 connections in use>", id="a fake pool"),
        pytest.param(lambda: FakeConnection(print), "<FakeConnection, open>", id="a fake connection"),
    ],
)
async def test_an_adapter_and_a_fake_are_shown_by_name_and_state(
    made: Callable[[], object], shown: str
) -> None:
    assert repr(made()) == shown


async def test_a_fake_pool_shows_who_holds_what_and_that_it_is_closed() -> None:
    pool = FakePool(3)
    connection = await pool.acquire()
    assert repr(pool) == "<FakePool, open, 1 of 3 connections in use>"
    pool.terminate()
    assert repr(pool) == "<FakePool, closed, 1 of 3 connections in use>"
    assert repr(connection) == "<FakeConnection, lost>"
