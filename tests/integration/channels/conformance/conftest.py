"""Each test here runs on grpc's own channel and on ours in each mode, and can't tell which."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import grpc.aio
import pytest
import pytest_asyncio

from tests.integration.channels.conformance.service import Service, serving
from tests.integration.channels.kinds import KINDS

Make = Callable[..., grpc.aio.Channel]


@pytest.fixture(params=[*KINDS])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes a channel of the kind that is tested."""
    return KINDS[request.param]


@pytest_asyncio.fixture
async def server() -> AsyncIterator[tuple[Service, int]]:
    async with serving() as both:
        yield both


@pytest.fixture
def service(server: tuple[Service, int]) -> Service:
    return server[0]


@pytest.fixture
def target(server: tuple[Service, int]) -> str:
    return f"127.0.0.1:{server[1]}"


@pytest_asyncio.fixture
async def channel(make: Make, target: str) -> AsyncIterator[grpc.aio.Channel]:
    async with make(target) as made:
        yield made
