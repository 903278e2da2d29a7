"""An application behind a real server, and clients for it."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import uvicorn

from tests.eventually import DEADLINE_SECONDS, eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


class Client:
    """Every request has a connection of its own, in a thread of its own."""

    def __init__(self, port: int, threads: Executor) -> None:
        self.port = port
        self._threads = threads

    async def request(
        self, method: str, path: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> Answer:
        def fetch() -> Answer:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE_SECONDS)
            try:
                connection.request(method, path, body, dict(headers or {}))
                answer = connection.getresponse()
                found = {name.lower(): value for name, value in answer.getheaders()}
                return Answer(answer.status, found, answer.read())
            finally:
                connection.close()

        return await asyncio.get_running_loop().run_in_executor(self._threads, fetch)

    async def get(self, path: str, headers: Mapping[str, str] | None = None) -> Answer:
        return await self.request("GET", path, headers)

    async def post(self, path: str, document: Any, headers: Mapping[str, str] | None = None) -> Answer:
        content = {"content-type": "application/json", **(headers or {})}
        return await self.request("POST", path, content, json.dumps(document).encode())


@asynccontextmanager
async def serving(app: Any) -> AsyncIterator[Client]:
    """Serves `app` on a real socket."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(128) as threads:
        # Without a configuration of its own, whose levels would stay for whoever comes after this.
        config = uvicorn.Config(app, lifespan="off", log_config=None, log_level=None, ws="none")
        server = uvicorn.Server(config)
        task = asyncio.ensure_future(server.serve(sockets=[listener]))
        try:
            await eventually(lambda: server.started)
            yield Client(listener.getsockname()[1], threads)
        finally:
            server.should_exit = True
            await asyncio.wait_for(task, DEADLINE_SECONDS)
