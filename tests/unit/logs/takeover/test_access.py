"""Servers' own access logs: neither addresses nor paths, and nothing that a request's own line says already."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest

from quickwins.logs._context import CONTEXT, Canonical, Context, within
from tests.unit.logs.conftest import Configure, Written

ADDRESS = "203.0.113.9"
PATH = "/rooms/maria?token=opaque-4Zk8"
NAMES = (
    *("uvicorn.access", "uvicorn.error", "hypercorn.access", "gunicorn.access", "granian.access"),
    *("aiohttp.access", "sanic.access", "django.server"),
)
Given = tuple[str, str, tuple[Any, ...], dict[str, Any]]

GUNICORN = {"h": ADDRESS, "m": "GET", "U": PATH, "s": "200", "r": f"GET {PATH} HTTP/1.1", "a": "curl"}
GRANIAN = {"addr": ADDRESS, "method": "GET", "path": PATH, "status": 200, "protocol": "HTTP/1.1"}
AIOHTTP = {"remote_address": ADDRESS, "first_request_line": f"GET {PATH} HTTP/1.1", "response_status": 200}
SANIC = {"host": f"{ADDRESS}:4711", "request": f"GET http://{ADDRESS}{PATH}", "status": 200, "byte": 3}

LINES = [
    pytest.param(
        (
            "uvicorn.access",
            '%s - "%s %s HTTP/%s" %d',
            (f"{ADDRESS}:4711", "GET", PATH, "1.1", 200),
            {},
        ),
        200,
        id="uvicorn",
    ),
    pytest.param(
        ("uvicorn.error", '%s - "WebSocket %s" [accepted]', (f"{ADDRESS}:4711", PATH), {}),
        101,
        id="uvicorn, a WebSocket",
    ),
    pytest.param(
        ("uvicorn.error", '%s - "WebSocket %s" 403', (f"{ADDRESS}:4711", PATH), {}),
        403,
        id="uvicorn, a refused WebSocket",
    ),
    pytest.param(
        ("uvicorn.error", '%s - "WebSocket %s" %d', (f"{ADDRESS}:4711", PATH, 503), {}),
        503,
        id="uvicorn, a WebSocket that is answered",
    ),
    pytest.param(
        ("hypercorn.access", "%(h)s %(r)s %(s)s", ({**GUNICORN, "s": 200},), {}), 200, id="hypercorn"
    ),
    pytest.param(("gunicorn.access", "%(h)s %(r)s %(s)s", (GUNICORN,), {}), 200, id="gunicorn"),
    pytest.param(("granian.access", "%(addr)s %(path)s", (GRANIAN,), {}), 200, id="granian"),
    pytest.param(("aiohttp.access", f"{ADDRESS} GET {PATH}", (), AIOHTTP), 200, id="aiohttp"),
    pytest.param(("sanic.access", "", (), SANIC), 200, id="Sanic"),
    pytest.param(
        ("django.server", '"%s" %s %s', (f"GET {PATH} HTTP/1.1", "200", "12"), {"request": f"GET {PATH}"}),
        200,
        id="Django",
    ),
]


@pytest.fixture(autouse=True)
def loggers() -> Iterator[None]:
    """Servers set their levels."""
    were = {name: logging.getLogger(name).level for name in NAMES}
    for name in NAMES:
        logging.getLogger(name).setLevel(logging.INFO)
    yield
    for name, level in were.items():
        logging.getLogger(name).setLevel(level)


def say(given: Given) -> None:
    name, template, args, extra = given
    logging.getLogger(name).info(template, *args, extra=extra)


@pytest.mark.parametrize(("given", "status"), LINES)
def test_it_tells_neither_address_nor_path(
    configure: Configure, written: Written, given: Given, status: int
) -> None:
    configure()
    say(given)
    line = {one: written.last[one] for one in written.last.keys() - {"timestamp", "seq"}}
    assert line == {
        "severity_text": "INFO",
        "severity_number": 9,
        "event.name": "http.access",
        "service.name": "feed",
        "service.instance.id": "web-1:17",
        "logger": given[0],
        "http.request.method": "GET",
        "http.response.status_code": status,
    }


@pytest.mark.parametrize(("given", "status"), LINES)
def test_within_a_request_of_ours_there_is_none(
    configure: Configure, written: Written, given: Given, status: int
) -> None:
    configure()
    with within(Context(CONTEXT.get().fields, canonical=Canonical())):
        say(given)
    assert written.raw == b"", status


@pytest.mark.parametrize("name", [name for name in NAMES if name != "uvicorn.error"])
def test_what_such_a_logger_says_in_a_form_that_is_not_known_stays_untold(
    configure: Configure, written: Written, name: str
) -> None:
    configure()
    logging.getLogger(name).info("%s gone at %s", ADDRESS, PATH)
    line = written.last
    assert (line["event.name"], line["logger"], "body" in line) == ("http.access", name, False)
    assert ADDRESS.encode() not in written.raw
    assert b"maria" not in written.raw


def test_methods_that_clients_make_up_are_not_told(configure: Configure, written: Written) -> None:
    configure()
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', ADDRESS, "MARIA", PATH, "1.1", 405)
    assert written.last["http.request.method"] == "_OTHER"


def test_what_uvicorn_says_otherwise_is_a_sentence(configure: Configure, written: Written) -> None:
    configure()
    logging.getLogger("uvicorn.error").info("Application startup complete.")
    assert written.last["body"] == "Application startup complete."
