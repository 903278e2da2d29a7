"""The `/metrics` endpoint over real sockets and as an ASGI application."""

from __future__ import annotations

import asyncio
import socket
import threading
import urllib.error
import urllib.request
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from quickwins.core.metrics import Kind, Metric, Metrics, endpoint
from quickwins.core.metrics.endpoint import MAX_SCRAPES, MetricsServer, metrics_app

DEPTH = Metric("depth", Kind.GAUGE, "Depth.")


@pytest.fixture
def registry() -> CollectorRegistry:
    registry = CollectorRegistry()
    Metrics(registry=registry, service="feed").gauge(DEPTH).set(7)
    return registry


def get(port: int, **headers: str) -> tuple[int, str]:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/metrics", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as response:  # noqa: S310 -- always http; until=never
            return response.status, response.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def test_a_port_of_its_own_serves_the_metrics_and_closes(registry: CollectorRegistry) -> None:
    with MetricsServer(registry=registry) as server:
        status, body = get(server.port)
    assert (status, 'depth{name="",service="feed"} 7.0' in body) == (200, True)
    with pytest.raises(urllib.error.URLError):
        get(server.port)


def test_a_second_server_takes_another_port(registry: CollectorRegistry) -> None:
    with MetricsServer(registry=registry) as one, MetricsServer(registry=registry) as other:
        assert one.port != other.port
        assert get(one.port)[0] == get(other.port)[0] == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param({}, 401, id="nothing"),
        pytest.param({"Authorization": "Bearer wrong"}, 401, id="another token"),
        pytest.param({"Authorization": "Bearer secret1"}, 401, id="longer"),
        pytest.param({"Authorization": "secret"}, 401, id="no scheme"),
        pytest.param({"Authorization": "Bearer s\u00e9cret"}, 401, id="not ASCII"),
        pytest.param({"Authorization": "Bearer secret"}, 200, id="the token"),
    ],
)
@pytest.mark.asyncio
async def test_a_token_is_asked_for_by_both_forms(
    registry: CollectorRegistry, sent: dict[str, str], status: int
) -> None:
    token = SecretStr("secret")
    with MetricsServer(registry=registry, token=token) as server:
        answered, body = await asyncio.to_thread(get, server.port, **sent)
    assert (answered, "depth" in body) == (status, status == 200)
    assert await ask(registry, token, sent) == (status, status == 200)


async def ask(registry: CollectorRegistry, token: SecretStr | None, sent: dict[str, str]) -> tuple[int, bool]:
    messages: list[Any] = []

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        messages.append(message)

    headers = [(key.lower().encode(), value.encode("latin-1")) for key, value in sent.items()]
    scope = {"type": "http", "method": "GET", "path": "/metrics", "query_string": b"", "headers": headers}
    await metrics_app(registry, token=token)(scope, receive, send)
    return messages[0]["status"], b"depth" in messages[1]["body"]


@pytest.mark.asyncio
async def test_a_request_that_brings_no_headers_at_all_brings_no_token() -> None:
    messages: list[Any] = []

    async def receive() -> dict[str, object]:
        raise AssertionError("a refused request is not read")

    async def send(message: Any) -> None:
        messages.append(message)

    scope = {"type": "http", "method": "GET", "path": "/metrics"}
    await metrics_app(CollectorRegistry(), token=SecretStr("s3cret"))(scope, receive, send)
    assert messages[0]["status"] == 401


@pytest.mark.asyncio
async def test_without_a_token_the_application_answers_everybody(registry: CollectorRegistry) -> None:
    assert await ask(registry, None, {}) == (200, True)


def test_idle_connections_take_a_bounded_number_of_threads_and_make_no_noise(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(endpoint, "SCRAPE_SECONDS", 0.2)
    with MetricsServer(registry=registry) as server:
        before = threading.active_count()
        idle = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(30)]
        for connection in idle:  # each is closed: at once when there is no place, else when its time is over
            connection.settimeout(10)
            assert ended(connection)
        assert threading.active_count() - before <= 2 * MAX_SCRAPES
        assert get(server.port)[0] == 200
    assert capfd.readouterr().err == ""


def ended(connection: socket.socket) -> bool:
    with connection:
        try:
            return connection.recv(1) == b""
        except ConnectionResetError:
            return True


@pytest.mark.skipif(not socket.has_ipv6, reason="this machine has no IPv6")
def test_an_address_of_either_family_will_do(registry: CollectorRegistry) -> None:
    try:
        server = MetricsServer(host="::1", registry=registry)
    except OSError as error:
        pytest.skip(f"cannot: listen on ::1: {error.strerror}")
    with server, socket.create_connection(("::1", server.port), timeout=10) as connection:
        connection.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
        assert connection.recv(15) == b"HTTP/1.0 200 OK"


def test_a_metrics_server_says_where_it_is_and_whether_it_is_open() -> None:
    with MetricsServer(registry=CollectorRegistry()) as server:
        assert repr(server) == f"<MetricsServer on port {server.port}, open>"
    assert repr(server) == f"<MetricsServer on port {server.port}, closed>"
