"""What other libraries, configurations and people do to a channel: agents that patch grpcio, tokens that cannot be had, odd arguments."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorClient
from opentelemetry.sdk.trace import TracerProvider
from sentry_sdk.integrations.grpc import GRPCIntegration

from quickwins.channels import PoolConfig
from tests.backends.server import credentials
from tests.backends.tls import certificate, trusting
from tests.eventually import eventually
from tests.grpc_service import listening
from tests.integration.channels.conformance.service import COUNT, ECHO, serving
from tests.integration.channels.kinds import KINDS, ours
from tests.integration.channels.test_leftovers import ALL, one_of_each

pytestmark = [pytest.mark.asyncio, pytest.mark.no_cover]

POOL = PoolConfig(mode="pool")
PATCHED = ("insecure_channel", "secure_channel", "server")
INSTRUMENTOR: Any = GrpcAioInstrumentorClient
AGENTS: dict[str, Callable[[], object]] = {
    "OpenTelemetry": lambda: INSTRUMENTOR().instrument(tracer_provider=TracerProvider()),
    "Sentry": GRPCIntegration.setup_once,
}


@pytest.fixture(params=AGENTS)
def agent(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """One that puts interceptors into every channel that the process makes, by patching `grpc.aio`."""
    for module, names in ((grpc.aio, PATCHED), (grpc, (*PATCHED, "intercept_channel"))):
        for name in names:
            monkeypatch.setattr(module, name, getattr(module, name))
    AGENTS[request.param]()
    yield request.param
    if request.param == "OpenTelemetry":
        INSTRUMENTOR().uninstrument()


@pytest.mark.parametrize("methods", [ALL, []], ids=["retried", "native"])
@pytest.mark.parametrize("kind", ["single", "pool of 3", "core"])
async def test_an_agent_that_patches_grpcio_sees_every_call_and_takes_no_place(
    agent: str, kind: str, methods: list[str]
) -> None:
    async with serving() as (service, port), KINDS[kind](f"127.0.0.1:{port}", methods=methods) as channel:
        await one_of_each(channel)
        counted = channel.unary_stream(COUNT, request_serializer=bytes)(b"2")
        assert [one async for one in counted] == [b"0", b"1"]
        stats = channel.stats
        await eventually(lambda: stats().inflight == 0, "a call stays in flight")
    assert (
        agent == "Sentry" or "traceparent" in service.metadata
    )  # that one has nothing to say before it is set up


class Tokens(grpc.AuthMetadataPlugin):  # type: ignore[misc]  # -- grpc ships no types; until=2027-05-31
    """Whoever asks for a token does not get a good one."""

    def __init__(self, *answer: Any) -> None:
        self._answer = answer
        self.asked = 0

    def __call__(self, _: grpc.AuthMetadataContext, callback: Callable[..., None]) -> None:
        self.asked += 1
        callback(*self._answer)


@pytest.mark.parametrize(
    "tokens",
    [
        pytest.param(Tokens((), RuntimeError("the token service is away")), id="none"),
        pytest.param(Tokens((("Not a name", "1"),), None), id="none that can be sent"),
    ],
)
@pytest.mark.parametrize("methods", [["/test/say"], []], ids=["retried", "native"])
async def test_a_token_that_cannot_be_had_is_no_fault_of_the_connections(
    tmp_path: Path, tokens: Tokens, methods: list[str]
) -> None:
    tokens.asked = 0
    folder = certificate(tmp_path)
    both = grpc.composite_channel_credentials(trusting(folder), grpc.metadata_call_credentials(tokens))
    named = [("grpc.ssl_target_name_override", "localhost")]
    async with (
        secure(folder) as port,
        ours(f"127.0.0.1:{port}", credentials=both, options=named, config=POOL, methods=methods) as channel,
    ):
        await channel.channel_ready()
        for _ in range(12):
            with pytest.raises(grpc.aio.AioRpcError) as failed:
                await channel.unary_unary("/test/say")(b"x")
            assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
        stats = channel.stats()
    assert ([one.number for one in stats.members], tokens.asked) == ([1, 2, 3], 12)


async def say(request: bytes, _: grpc.aio.ServicerContext) -> bytes:
    return request


@asynccontextmanager
async def secure(folder: Path) -> AsyncIterator[int]:
    server = grpc.aio.server()
    method = {"say": grpc.unary_unary_rpc_method_handler(say)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test", method),))
    port = server.add_secure_port("127.0.0.1:0", credentials(folder))
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


class AsksForAToken(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # -- grpc ships no types; until=2027-05-31
    """Refuses whatever brings none, the watch of its health too."""

    async def intercept_service(self, continuation: Any, details: grpc.HandlerCallDetails) -> Any:
        if dict(details.invocation_metadata).get("authorization"):
            return await continuation(details)

        async def refuse(_: bytes, context: grpc.aio.ServicerContext) -> None:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "no token")

        return grpc.unary_unary_rpc_method_handler(refuse)


@pytest.mark.parametrize("kind", ["bare", "single", "pool of 3", "core"])
async def test_a_server_that_asks_everybody_for_a_token_is_called(kind: str) -> None:
    method = grpc.unary_unary_rpc_method_handler(say)
    async with (
        listening(AsksForAToken(), say=method) as port,
        KINDS[kind](f"127.0.0.1:{port}") as channel,
    ):
        token = [("authorization", "Bearer x")]
        assert await channel.unary_unary("/test/say")(b"x", metadata=token, timeout=5) == b"x"


@pytest.mark.parametrize("methods", [[ECHO], []], ids=["retried", "native"])
@pytest.mark.parametrize("seconds", [float("inf"), 1e10, float("nan")])
async def test_a_deadline_beyond_what_grpc_knows_is_no_fault_of_the_connections(
    seconds: float, methods: list[str]
) -> None:
    """grpcio takes it for one that has passed."""
    async with serving() as (_, port), ours(f"127.0.0.1:{port}", config=POOL, methods=methods) as channel:
        await channel.channel_ready()
        for _ in range(12):
            with pytest.raises(grpc.aio.AioRpcError, match="DEADLINE_EXCEEDED"):
                await channel.unary_unary(ECHO)(b"x", timeout=seconds)
        assert [one.number for one in channel.stats().members] == [1, 2, 3]


async def test_none_is_no_option_and_no_interceptor_as_in_grpcio() -> None:
    nothing: Any = {"options": None, "interceptors": None}
    async with serving() as (_, port), ours(f"127.0.0.1:{port}", config=POOL, **nothing) as channel:
        assert await channel.unary_unary(ECHO)(b"x") == b"x"
