"""What every adapter does the same way: headers, paths, and a lifespan for applications that have none."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from quickwins.core.asgi import Lifespan, Scope, header, plain


@pytest.mark.parametrize(
    ("scope", "found"),
    [
        pytest.param({"headers": [(b"accept", b"a/b")]}, b"a/b", id="given once"),
        pytest.param(
            {"headers": [(b"accept", b"a/b"), (b"host", b"h"), (b"accept", b"c/d")]},
            b"c/d",
            id="the last counts",
        ),
        pytest.param({"headers": [(b"accept", b"")]}, b"", id="empty is given"),
        pytest.param({"headers": [(b"host", b"h")]}, None, id="another"),
        pytest.param({"headers": ((b"accept", b"a/b") for _ in range(1))}, b"a/b", id="any iterable"),
        pytest.param({"headers": None}, None, id="none at all"),
        pytest.param({}, None, id="headers are optional"),
    ],
)
def test_a_header_is_found_by_its_name(scope: Scope, found: bytes | None) -> None:
    assert header(scope, b"accept") == found


@pytest.mark.parametrize(
    ("path", "root", "compared"),
    [
        ("/metrics", "", "/metrics"),
        ("/metrics/", "", "/metrics"),
        ("/", "", "/"),
        ("", "", "/"),
        ("/api/metrics/", "/api", "/metrics"),
        ("/api", "/api", "/"),
        ("/apis", "/api", "/apis"),
        ("/metrics", "/api", "/metrics"),
    ],
)
def test_paths_are_compared_below_the_root_and_without_the_slash_of_a_mount(
    path: str, root: str, compared: str
) -> None:
    assert plain(path, root) == compared


def through(failing: str = "") -> tuple[list[str], BaseException | None]:
    """What a server hears of a lifespan, with what is done meanwhile, and what is raised."""
    told: list[str] = []
    messages = iter(["lifespan.startup", "lifespan.shutdown"])

    @asynccontextmanager
    async def running() -> AsyncIterator[None]:
        if failing == "startup":
            raise OSError
        told.append("entered")
        yield
        told.append("left")
        if failing == "shutdown":
            raise OSError

    async def app(scope: Scope, receive: Any, send: Any) -> None:
        told.append(scope["type"])

    async def receive() -> Any:
        return {"type": next(messages)}

    async def send(message: Any) -> None:
        told.append(message["type"])

    async def serve() -> None:
        application = Lifespan(app, running)
        assert repr(application) == "<Lifespan around function>"
        await application({"type": "http"}, receive, send)
        await application({"type": "lifespan"}, receive, send)

    try:
        asyncio.run(serve())
    except OSError as raised:
        return told, raised
    return told, None


def test_a_lifespan_runs_for_as_long_as_the_server_does() -> None:
    assert through() == (
        ["http", "entered", "lifespan.startup.complete", "left", "lifespan.shutdown.complete"],
        None,
    )


@pytest.mark.parametrize(
    ("failing", "told"),
    [
        ("startup", ["http", "lifespan.startup.failed"]),
        ("shutdown", ["http", "entered", "lifespan.startup.complete", "left", "lifespan.shutdown.failed"]),
    ],
)
def test_a_server_hears_that_a_start_or_an_end_has_failed(failing: str, told: list[str]) -> None:
    heard, raised = through(failing)
    assert heard == told
    assert isinstance(raised, OSError)
