"""What is read of a registry, of pages of metrics, and of a Prometheus, and what becomes of what can't be."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

import pytest
from prometheus_client import CollectorRegistry

from quickwins.core.errors import ConfigError
from quickwins.core.metrics import MetricsServer
from quickwins.rollout import PrometheusSource, RegistrySource, ScrapeSource
from quickwins.rollout.asgi import RolloutMiddleware
from tests.unit.rollout.service import flags_at
from tests.unit.rollout.test_asgi import answering, ask

pytestmark = pytest.mark.asyncio


@contextmanager
def answering_with(answer: Any) -> Iterator[str]:
    """A server that gives each GET what `answer(path)` returns: a status and a body."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = answer(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def served(registry: CollectorRegistry) -> RolloutMiddleware:
    middleware = RolloutMiddleware(
        answering(200), flags_at(100, registry), features=["feed"], registry=registry
    )
    for _ in range(3):
        await ask(middleware)
    return middleware


async def test_a_registry_and_a_page_say_the_same() -> None:
    registry = CollectorRegistry()
    kept = await served(registry)
    here = (await RegistrySource(registry).read("feed", 5.0)).processes["here"]
    with MetricsServer(registry=registry) as server:
        url = f"http://127.0.0.1:{server.port}/metrics"
        reading = await ScrapeSource([url]).read("feed", 5.0)
    assert reading.processes == {url: here}
    assert here.counts["on", "ok"] == 3
    assert here.buckets["on"][float("inf")] == 3
    assert here.percents == (100.0,)
    assert repr(kept)


async def test_another_features_series_are_left_out() -> None:
    registry = CollectorRegistry()
    kept = await served(registry)
    here = (await RegistrySource(registry).read("logs", 5.0)).processes["here"]
    assert (here.counts, here.percents) == ({}, ())
    assert repr(kept)


@pytest.mark.parametrize(
    ("status", "body", "missing", "problems"),
    [
        pytest.param(500, b"", 1, 0, id="no success"),
        pytest.param(200, b"\xff\xfe", 0, 1, id="no text"),
        pytest.param(200, b"<html>hello {</html>", 0, 1, id="no metrics"),
        pytest.param(200, b'quickwins_requests_total{feature="feed"} many', 0, 1, id="no number"),
    ],
)
async def test_a_page_that_says_nothing_is_told(
    status: int, body: bytes, missing: int, problems: int
) -> None:
    with answering_with(lambda _: (status, body)) as url:
        reading = await ScrapeSource([url]).read("feed", 5.0)
    assert (len(reading.missing), len(reading.problems), reading.processes) == (missing, problems, {})


async def test_a_target_that_is_away_is_missing() -> None:
    reading = await ScrapeSource(["http://127.0.0.1:9/metrics"]).read("feed", 5.0)
    assert reading.missing == ("http://127.0.0.1:9/metrics",)


def prometheus(path: str) -> tuple[int, bytes]:
    query = parse_qs(urlparse(path).query)["query"][0]
    where = {"job": "api", "instance": "10.0.0.5:9100"}
    found: list[tuple[dict[str, str], str]]
    if query.startswith("timestamp"):
        found = [({}, "995.5")]
    elif "process_" in query:
        found = [({"__name__": "process_start_time_seconds"}, "7")]
    else:
        found = [
            (
                {"__name__": "quickwins_requests_total", "feature": "feed", "cohort": "on", "outcome": "ok"},
                "3",
            ),
            (
                {
                    "__name__": "quickwins_request_seconds_bucket",
                    "feature": "feed",
                    "cohort": "on",
                    "le": "+Inf",
                },
                "3",
            ),
            ({"__name__": "quickwins_flag", "feature": "feed"}, "0.1"),
        ]
    result = [{"metric": labels | where, "value": [1000, value]} for labels, value in found]
    return 200, json.dumps({"status": "success", "data": {"result": result}}).encode()


async def test_a_prometheus_tells_each_process_and_when_it_was_scraped() -> None:
    with answering_with(prometheus) as url:
        source = PrometheusSource(url)
        reading = await source.read("feed", 1000.0)
    process = reading.processes["api 10.0.0.5:9100"]
    assert (process.at, process.started_at, process.percents) == (995.5, 7.0, (10.0,))
    assert process.counts == {("on", "ok"): 3.0}
    away = await source.read("feed", 1001.0)
    assert (away.processes, away.missing, len(away.problems)) == ({}, (), 1)


async def test_a_process_that_a_prometheus_does_not_have_any_more_is_missing() -> None:
    empty = json.dumps({"status": "success", "data": {"result": []}}).encode()
    has = True
    with answering_with(lambda path: prometheus(path) if has else (200, empty)) as url:
        source = PrometheusSource(url)
        await source.read("feed", 1000.0)
        has = False
        assert (await source.read("feed", 1001.0)).missing == ("api 10.0.0.5:9100",)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b'{"status": "error", "error": "no"}',
        b'{"status": "success", "data": {"result": [1]}}',
        b"[]",
    ],
)
async def test_a_prometheus_that_answers_something_else_is_a_problem(body: bytes) -> None:
    with answering_with(lambda _: (200, body)) as url:
        reading = await PrometheusSource(url).read("feed", 1000.0)
    assert (reading.processes, len(reading.problems)) == ({}, 1)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "10.0.0.5:9100", "ftp://a"])
async def test_an_address_that_is_none_of_http_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="no address"):
        ScrapeSource([url])
    with pytest.raises(ConfigError, match="no address"):
        PrometheusSource(url)
    with pytest.raises(ConfigError, match="no target"):
        ScrapeSource([])
