"""The `/metrics` endpoint: inside an ASGI application, or on a port of its own; optionally behind a bearer token."""

from __future__ import annotations

import hmac
import socket
import threading
from contextlib import suppress
from socketserver import ThreadingMixIn
from typing import TYPE_CHECKING, Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY, CollectorRegistry, make_asgi_app, make_wsgi_app
from pydantic import Field, SecretStr

from quickwins.core.asgi import header
from quickwins.core.config import Section
from quickwins.core.errors import ConfigError
from quickwins.core.given import whole
from quickwins.core.lazy import shows
from quickwins.core.metrics._together import Together
from quickwins.core.metrics.multiprocess import folder

if TYPE_CHECKING:
    from collections.abc import Iterable
    from types import TracebackType
    from typing import Self
    from wsgiref.types import StartResponse, WSGIEnvironment

    from quickwins.core.asgi import App, Receive, Scope, Send

__all__ = [
    "MAX_SCRAPES",
    "SCRAPE_SECONDS",
    "MetricsServer",
    "MetricsSettings",
    "exposed_registry",
    "metrics_app",
]
__dir__ = shows(__name__)


class MetricsSettings(Section):
    """The section `[metrics]`."""

    token: SecretStr | None = Field(
        default=None,
        min_length=1,
        description="What a scrape must send as its bearer token; from QUICKWINS_METRICS__TOKEN only. Absent: none.",
    )


def exposed_registry(registry: CollectorRegistry | None = None) -> CollectorRegistry:
    """What a scrape should read: `registry`, or in multiprocess mode the files of all processes together."""
    where = folder()
    if where is None:
        return REGISTRY if registry is None else registry
    together = CollectorRegistry()
    together.register(Together(where))
    return together


def metrics_app(registry: CollectorRegistry | None = None, *, token: SecretStr | None = None) -> App:
    """An ASGI application that answers every path with the metrics; mount it where you like.

    Args:
        registry: What to expose; the default registry when `None`; all processes' series in multiprocess mode.
        token: With one, a request without `Authorization: Bearer <token>` gets 401 and no metrics.

    Raises:
        ConfigError: The token is no `SecretStr`, or empty.
    """
    _check(token)
    app: App = make_asgi_app(exposed_registry(registry))

    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        refused = token is not None and not _bearer_matches(header(scope, b"authorization") or b"", token)
        if scope["type"] != "http" or not refused:
            await app(scope, receive, send)
            return
        unauthorized = [(b"www-authenticate", b"Bearer"), (b"content-length", b"0")]
        await send({"type": "http.response.start", "status": 401, "headers": unauthorized})
        await send({"type": "http.response.body", "body": b""})

    return guarded


class MetricsServer:
    """`/metrics` on a port of its own, served by threads of its own; a busy event loop does not delay a scrape.

    Use as a context manager, or call `close`.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        registry: CollectorRegistry | None = None,
        token: SecretStr | None = None,
    ) -> None:
        """Listen at once.

        Args:
            port: With 0, any that is free: the attribute `port` says which.
            host: The address to listen on. By default only this machine can connect; set a token before you open it up.
            registry: As in `metrics_app`.
            token: As in `metrics_app`.

        Raises:
            ConfigError: The token is no `SecretStr`, or empty, or `port` is no port's number.
            OSError: The port is taken, or this process may not have it.
        """
        _check(token)
        whole("port", port, 0, 65_535)
        app = make_wsgi_app(exposed_registry(registry))

        def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
            if token is not None and not _bearer_matches(
                environ.get("HTTP_AUTHORIZATION", "").encode("latin-1"), token
            ):
                start_response("401 Unauthorized", [("WWW-Authenticate", "Bearer"), ("Content-Length", "0")])
                return [b""]
            return cast("Iterable[bytes]", app(environ, start_response))

        self._server = make_server(host, port, guarded, _Server, _QuietHandler)
        self.port: int = self._server.server_port
        self._thread = threading.Thread(
            target=self._server.serve_forever,
            kwargs={"poll_interval": 0.1},
            name="quickwins-metrics",
            daemon=True,
        )
        self._thread.start()

    def __repr__(self) -> str:
        state = "open" if self._thread.is_alive() else "closed"
        return f"<MetricsServer on port {self.port}, {state}>"

    def close(self) -> None:
        """Stop listening and end the thread. Idempotent."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _check(token: object) -> None:
    if token is not None and not (isinstance(token, SecretStr) and token.get_secret_value()):
        raise ConfigError(
            "token is not allowed: a SecretStr that is not empty, or None to show the metrics to anybody"
        )


MAX_SCRAPES = 8
"""Connections served at the same time; more are closed at once."""
SCRAPE_SECONDS = 10.0
"""How long a connection may last, however slowly its client sends or reads."""


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = (
        4 * MAX_SCRAPES
    )  # a scrape that came in a burst must not wait for a second connection attempt

    def __init__(self, address: tuple[str, int], handler: type[WSGIRequestHandler]) -> None:
        self.address_family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
        self._places = threading.BoundedSemaphore(MAX_SCRAPES)
        super().__init__(address, handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        if not self._places.acquire(blocking=False):
            self.shutdown_request(request)
            return
        super().process_request(request, client_address)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        deadline = threading.Timer(SCRAPE_SECONDS, _cut, [request])
        deadline.start()
        try:
            super().process_request_thread(request, client_address)
        finally:
            deadline.cancel()
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: that a client went away or was too slow is no news either."""


def _cut(connection: socket.socket) -> None:
    with suppress(OSError):  # it ended by itself
        connection.shutdown(socket.SHUT_RDWR)


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the base class's name; until=never
        """Say nothing: a scrape is no news."""


def _bearer_matches(sent: bytes, token: SecretStr) -> bool:
    expected = b"Bearer " + token.get_secret_value().encode()
    return hmac.compare_digest(sent, expected)
