"""Compression of a channel and of a call; a server that does not know it says so."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import grpc
import grpc.aio
import pytest
import pytest_asyncio

from tests.integration.channels.conformance.service import CHAT, ECHO

pytestmark = pytest.mark.asyncio

Make = Callable[..., grpc.aio.Channel]
NO_GZIP = ("grpc.compression_enabled_algorithms_bitset", 0b011)


@pytest_asyncio.fixture
async def picky(serve: Callable[..., Any]) -> AsyncIterator[str]:
    async with serve(options=[NO_GZIP]) as (_, port):
        yield f"127.0.0.1:{port}"


@pytest.mark.parametrize(
    ("compression", "expected"),
    [
        (grpc.Compression.Gzip, grpc.StatusCode.UNIMPLEMENTED),
        (grpc.Compression.Deflate, grpc.StatusCode.OK),
        (grpc.Compression.NoCompression, grpc.StatusCode.OK),
    ],
)
async def test_the_channels(
    make: Make, picky: str, compression: grpc.Compression, expected: grpc.StatusCode
) -> None:
    async with make(picky, compression=compression) as channel:
        assert await channel.unary_unary(ECHO)(b"x" * 1_000).code() is expected


@pytest.mark.parametrize(
    ("compression", "expected"),
    [(grpc.Compression.Gzip, grpc.StatusCode.UNIMPLEMENTED), (grpc.Compression.Deflate, grpc.StatusCode.OK)],
)
async def test_one_calls(
    make: Make, picky: str, compression: grpc.Compression, expected: grpc.StatusCode
) -> None:
    async with make(picky) as channel:
        assert await channel.unary_unary(ECHO)(b"x" * 1_000, compression=compression).code() is expected


async def test_one_streams(make: Make, picky: str) -> None:
    async with make(picky) as channel:
        stream = channel.stream_stream(CHAT)([b"x" * 1_000], compression=grpc.Compression.Deflate)
        assert [len(one) async for one in stream] == [1_000]
        assert await stream.code() is grpc.StatusCode.OK
