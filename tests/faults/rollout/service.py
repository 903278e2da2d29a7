"""A small service with a bug behind a flag: `python -m tests.faults.rollout.service CONFIG BUG RATE`.

It calls itself RATE times a second, and prints the address of its metrics. The bug is seeded, and only there for requests that
have the flag on: BUG is `errors:SHARE`, or `none`.
"""

from __future__ import annotations

import asyncio
import os
import sys
from random import Random
from typing import Any

from quickwins import QuickWins
from quickwins.core.asgi import App, Receive, Scope, Send
from quickwins.rollout.asgi import RolloutMiddleware

SECONDS = 0.1


def application(qw: QuickWins, bug: str, rng: Random) -> App:
    flag = qw.flag("backpressure")
    kind, _, share = bug.partition(":")

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        fails = flag.active() and kind == "errors" and rng.random() < float(share)
        status = 500 if fails else 200
        await asyncio.sleep(SECONDS * rng.lognormvariate(0, 0.3))
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    return RolloutMiddleware(app, qw.flags, features=["backpressure"])


async def receive() -> dict[str, Any]:
    return {"type": "http.request"}


async def sent(message: Any) -> None: ...


async def main(config: str, bug: str, rate: float) -> None:
    rng = Random(os.getpid())
    asking: set[asyncio.Future[None]] = set()
    async with QuickWins.load(config, env={}) as qw:
        app = application(qw, bug, rng)
        with qw.metrics_server() as server:
            print(f"http://127.0.0.1:{server.port}/metrics", flush=True)
            loop = asyncio.get_running_loop()
            due = loop.time()
            while True:
                due += rng.expovariate(rate)
                await asyncio.sleep(max(0.0, due - loop.time()))
                task = asyncio.ensure_future(app({"type": "http", "path": "/feed"}, receive, sent))
                asking.add(task)
                task.add_done_callback(asking.discard)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
