"""Asks an ASGI application in this process, without a socket: GraphQL over HTTP as clients speak it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode


@dataclass(frozen=True)
class Answer:
    """What an application has answered; names of headers in lower case."""

    status: int
    raw_headers: list[tuple[str, str]]
    body: bytes

    @property
    def headers(self) -> dict[str, str]:
        return dict(self.raw_headers)

    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def data(self) -> Any:
        answer = self.json()
        assert "errors" not in answer, answer
        return answer["data"]

    @property
    def errors(self) -> list[Any]:
        found: list[Any] = self.json()["errors"]
        return found


class Client:
    """Asks for GraphQL at one path."""

    def __init__(self, app: Any, path: str = "/graphql", headers: Mapping[str, str] | None = None) -> None:
        self.app = app
        self.path = path
        self.given = dict(headers or {})

    def acting(self, **headers: str) -> Client:
        """The same, with more headers; `_` stands for `-`."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return Client(self.app, self.path, {**self.given, **named})

    async def post(self, query: str, variables: Any = None, **more: Any) -> Answer:
        """Ask by POST; `more` goes into the body, such as `operationName`."""
        body: dict[str, Any] = {"query": query, **more}
        if variables is not None:
            body["variables"] = variables
        return await self.send(json.dumps(body).encode())

    async def batch(self, *queries: str) -> Answer:
        return await self.send(json.dumps([{"query": one} for one in queries]).encode())

    async def get(self, query: str, variables: Any = None, *, method: str = "GET", **more: str) -> Answer:
        parameters = {"query": query, **more}
        if variables is not None:
            parameters["variables"] = json.dumps(variables)
        return await self.send(b"", method=method, query_string=urlencode(parameters))

    async def send(
        self,
        body: bytes,
        *,
        method: str = "POST",
        query_string: str = "",
        headers: Iterable[tuple[str, str]] = (),
    ) -> Answer:
        """One request, with its body in two parts."""
        given = [*self.given.items(), *headers]
        if method == "POST" and not any(name.lower() == "content-type" for name, _ in given):
            given.append(("content-type", "application/json"))
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": self.path,
            "raw_path": self.path.encode(),
            "root_path": "",
            "query_string": query_string.encode(),
            "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in given],
            "client": ("127.0.0.1", 50_000),
            "server": ("127.0.0.1", 80),
            "state": {},
        }
        half = len(body) // 2
        parts = [
            {"type": "http.request", "body": body[:half], "more_body": True},
            {"type": "http.request", "body": body[half:], "more_body": False},
        ]
        sent: list[Any] = []

        async def receive() -> Any:
            if not parts:
                await asyncio.Event().wait()
            return parts.pop(0)

        async def send(message: Any) -> None:
            sent.append(message)

        await self.app(scope, receive, send)
        start = sent[0]
        raw = [(name.decode().lower(), value.decode("latin-1")) for name, value in start["headers"]]
        return Answer(start["status"], raw, b"".join(message.get("body", b"") for message in sent[1:]))
