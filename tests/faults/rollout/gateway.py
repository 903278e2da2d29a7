"""A gateway of the demo's feed with a bug behind a flag: `python -m tests.faults.rollout.gateway CONFIG BUG NOTES BACKEND...`

A supervisor and its worker: the worker serves HTTP and its metrics, and one that dies is started anew behind the same ports,
which are printed. Each request adds a line to NOTES: when it came in, whether the feature was on for it, and whether it was harmed.
The bug is seeded, and only there for requests that have the flag on: errors, slowness, a crash, or what all share held too long.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
import time
import traceback
from random import Random
from typing import TYPE_CHECKING, Any

import uvicorn

from quickwins import QuickWins
from quickwins.demo.service.gateway import make_app
from quickwins.rollout.asgi import RolloutMiddleware
from tests.monitoring import free_port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickwins.core.asgi import App, Receive, Scope, Send
    from quickwins.core.flags import Flag

FEATURE = "query_cache"
SHARED = 4
"""How many requests may be inside at once where that is what breaks; else all."""


class Bug:
    """The feed, with a bug."""

    def __init__(self, app: App, flag: Flag, bug: str, notes: int) -> None:
        self._app = app
        self._flag = flag
        self._notes = notes
        self._kind, _, share = bug.partition(":")
        self._share = float(share or 0)
        self._rng = Random(os.getpid())
        self._shared = asyncio.Semaphore(SHARED if self._kind == "cascade" else 10_000)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        came, on = time.time(), self._flag.active()
        kind = self._kind if on else ""
        if kind == "errors" and self._rng.random() < self._share:
            await send({"type": "http.response.start", "status": 500, "headers": []})
            await send({"type": "http.response.body", "body": b""})
            self._note(came, on, harmed=True)
            return
        if kind == "crash" and self._rng.random() < self._share:
            self._note(came, on, harmed=True)
            os._exit(1)
        async with self._shared:
            if kind == "cascade":
                await asyncio.sleep(self._share)
            await self._answer(scope, receive, send, times=self._share if kind == "slow" else 1.0)
        self._note(came, on, harmed=kind in {"slow", "cascade"})

    async def _answer(self, scope: Scope, receive: Receive, send: Send, *, times: float) -> None:
        """The feed's answer, after `times` the time that it takes."""
        messages: list[Any] = []

        async def keep(message: Any) -> None:
            messages.append(message)

        began = time.monotonic()
        await self._app(scope, receive, keep)
        await asyncio.sleep((times - 1) * (time.monotonic() - began))
        for message in messages:
            await send(message)

    def _note(self, came: float, on: bool, *, harmed: bool) -> None:
        os.write(self._notes, f"{json.dumps([came, on, harmed])}\n".encode())


async def serve(
    config: str, bug: str, notes: int, backends: Sequence[str], *, listener: socket.socket, port: int
) -> None:
    async with QuickWins.load(config, env={}) as qw:
        app = Bug(make_app(backends, timeout_seconds=5), qw.flag(FEATURE), bug, notes)
        outer = RolloutMiddleware(app, qw.flags, features=[FEATURE])
        with qw.metrics_server(port):
            server = uvicorn.Server(uvicorn.Config(outer, access_log=False, log_level="warning"))
            await server.serve(sockets=[listener])


def main(config: str, bug: str, notes: str, *backends: str) -> None:
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(2048)
    port = free_port()
    file = os.open(notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    print(json.dumps([listener.getsockname()[1], port]), flush=True)
    while True:
        worker = os.fork()
        if not worker:
            try:
                asyncio.run(serve(config, bug, file, backends, listener=listener, port=port))
            except BaseException:  # noqa: BLE001 -- whatever it is, this process is to end; until=never
                traceback.print_exc()
            finally:
                os._exit(1)
        os.waitpid(worker, 0)


if __name__ == "__main__":
    main(*sys.argv[1:])
