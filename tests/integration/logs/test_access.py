"""uvicorn's own access log, set up as uvicorn does, beside our line for the same request."""

from __future__ import annotations

import json
import logging
import logging.config
from pathlib import Path
from typing import Any

import pytest
import uvicorn.config
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from quickwins.logs import Sink, configure_logging
from quickwins.logs.asgi import LogMiddleware
from tests.integration.logs.serving import serving

pytestmark = pytest.mark.asyncio


async def room(request: Request) -> PlainTextResponse:
    return PlainTextResponse(request.path_params["name"])


@pytest.mark.parametrize("behind_us", [True, False], ids=["behind our middleware", "without it"])
async def test_each_request_has_one_line_without_address_and_path(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], behind_us: bool
) -> None:
    file = tmp_path / "lines"
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.access")]
    were = [(one.handlers[:], one.propagate, one.level) for one in loggers]
    app: Any = Starlette(routes=[Route("/rooms/{name}", room)])
    try:
        with configure_logging(
            service="feed", sink=Sink.file(file, inline=True), registry=CollectorRegistry()
        ):
            logging.config.dictConfig(uvicorn.config.LOGGING_CONFIG)
            async with serving(LogMiddleware(app) if behind_us else app) as client:
                assert (await client.get("/rooms/maria?token=opaque-4Zk8")).status == 200
    finally:
        for logger, (handlers, propagate, level) in zip(loggers, were, strict=True):
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)
    lines = [json.loads(one) for one in file.read_text().splitlines()]
    requests = [one for one in lines if one.get("http.response.status_code") == 200]
    assert [one["event.name"] for one in requests] == ["http.request" if behind_us else "http.access"]
    assert "maria" not in file.read_text()
    assert "127.0.0.1:" not in "".join(str(one.get("body")) for one in requests)
    assert "color_message" not in file.read_text()
    shown = capfd.readouterr()
    assert "GET" not in shown.out + shown.err
