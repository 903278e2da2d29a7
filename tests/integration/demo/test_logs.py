"""What the demo's service logs: one trace through all its processes, and nothing of what its clients sent."""

from __future__ import annotations

import asyncio
import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from quickwins.demo.service.database import create_feed
from quickwins.demo.service.processes import BACKENDS, GATEWAY, ServiceSettings, feed_service
from quickwins.logs.testing import Canaries, canaries

__all__ = ["canaries"]

pytestmark = [pytest.mark.engines("postgres"), pytest.mark.any_server, pytest.mark.asyncio]

CONFIG = 'service = "feed"\n\n[flags]\naudit = false\n\n[logs]\nenabled = true\nlevel = "debug"\n\n# quickwins: complete\n'
QUERY = "query Feed($userId: Int!) { feed(userId: $userId, first: 2) { id } }"


def ask(port: int, canaries: Canaries, document: dict[str, Any], *, path: str = "/graphql/") -> int:
    headers = {**canaries.headers(), "content-type": "application/json"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    try:
        connection.request("POST", f"{path}?{urlencode(canaries.query())}", json.dumps(document), headers)
        status: int = connection.getresponse().status
        return status
    finally:
        connection.close()


def lines(path: Path) -> list[dict[str, Any]]:
    found = [line for line in path.read_bytes().splitlines() if line.startswith(b"{")]
    return [json.loads(line) for line in found]


async def test_a_request_is_one_trace_in_all_processes_and_leaks_nothing(
    postgres_database: str, tmp_path: Path, canaries: Canaries
) -> None:
    await create_feed(postgres_database, 100, lambda _: None)
    config = tmp_path / "quickwins.toml"
    config.write_text(CONFIG)
    settings = ServiceSettings(
        config=config, database_url=postgres_database, pool_size=2, service_seconds=0.0, timeout_seconds=10.0
    )
    folder = tmp_path / "feed"
    async with feed_service(settings, folder=folder) as service:
        port = service.gateway_port
        good = {"query": QUERY, "operationName": "Feed", "variables": {"userId": 3, **canaries.variables()}}
        wrong = {"query": "{ nothing }", "variables": canaries.variables(), "extensions": canaries.body()}
        for _ in BACKENDS:  # they take turns
            assert await asyncio.to_thread(ask, port, canaries, good) == 200
        await asyncio.to_thread(ask, port, canaries, wrong)
        await asyncio.to_thread(ask, port, canaries, canaries.body())
        await asyncio.to_thread(ask, port, canaries, good, path=canaries.path())
    logs = {name: folder / f"{name}.log" for name in (GATEWAY, *BACKENDS)}
    for path in logs.values():
        canaries.assert_clean(path.read_bytes())
    requests = [line for line in lines(logs[GATEWAY]) if line["event.name"] == "http.request"]
    # Before them came those that waited until the service answers.
    asked = [line for line in requests if line.get("graphql.operation.name") == "Feed"][-len(BACKENDS) :]
    assert len(asked) == len(BACKENDS)
    assert {line["http.route"] for line in asked} == {"/graphql"}
    assert {line["http.response.status_code"] for line in requests} >= {200, 404}
    for name in BACKENDS:
        (call,) = [
            line
            for line in lines(logs[name])
            if line["event.name"] == "rpc.request" and line["trace_id"] in {one["trace_id"] for one in asked}
        ]
        assert call["rpc.method"].endswith("FeedService/GetFeed")
        assert call["rpc.grpc.status_code"] == 0


async def test_with_the_flag_off_the_service_logs_as_it_did(postgres_database: str, tmp_path: Path) -> None:
    await create_feed(postgres_database, 100, lambda _: None)
    config = tmp_path / "quickwins.toml"
    config.write_text(CONFIG.replace("enabled = true", "enabled = false"))
    settings = ServiceSettings(
        config=config, database_url=postgres_database, pool_size=2, service_seconds=0.0, timeout_seconds=10.0
    )
    async with feed_service(settings, folder=tmp_path / "feed") as service:
        document = {"query": QUERY, "variables": {"userId": 3}}
        assert await asyncio.to_thread(ask, service.gateway_port, Canaries(1), document) == 200
    assert lines(tmp_path / "feed" / "gateway.log") == []
