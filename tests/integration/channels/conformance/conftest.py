"""Each test here runs on grpc's own channel and on ours in each mode, over TLS too, and can't tell which."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import grpc.aio
import pytest
import pytest_asyncio

from tests.backends.server import credentials
from tests.backends.tls import certificate, trusting
from tests.integration.channels.conformance.service import Service, serving
from tests.integration.channels.kinds import KINDS

Make = Callable[..., grpc.aio.Channel]
Serve = Callable[..., AbstractAsyncContextManager[tuple[Service, int]]]

MORE = ["pool of 1", "core", "bare over TLS", "pool of 3 over TLS"]
"""Kinds that differ by little of ours: in the volume run."""
OVER_TLS = " over TLS"


@pytest.fixture(
    params=[
        *(name for name in KINDS if name not in MORE),
        *(pytest.param(name, marks=pytest.mark.volume) for name in MORE),
    ]
)
def kind(request: pytest.FixtureRequest) -> str:
    """What is tested."""
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("conformance"))


@pytest.fixture
def make(kind: str, request: pytest.FixtureRequest) -> Make:
    """Makes a channel of the kind that is tested."""
    made = KINDS[kind.removesuffix(OVER_TLS)]
    if not kind.endswith(OVER_TLS):
        return made
    trust = trusting(request.getfixturevalue("tls"))

    def over_tls(target: str, *, options: Sequence[tuple[str, Any]] = (), **more: Any) -> grpc.aio.Channel:
        named = [*options, ("grpc.ssl_target_name_override", "localhost")]
        return made(target, options=named, credentials=trust, **more)

    return over_tls


@pytest.fixture
def serve(kind: str, request: pytest.FixtureRequest) -> Serve:
    """Serves what such a channel connects to."""
    if kind.endswith(OVER_TLS):
        return partial(serving, credentials=credentials(request.getfixturevalue("tls")))
    return serving


@pytest_asyncio.fixture
async def server(serve: Serve) -> AsyncIterator[tuple[Service, int]]:
    async with serve() as both:
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
