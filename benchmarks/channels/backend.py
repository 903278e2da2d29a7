"""A backend in a process of its own, on three ports: it answers each call with its request.

`backend()` starts one; as a program it prints its ports and serves until its standard input ends.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc
import grpc.aio

if TYPE_CHECKING:
    from collections.abc import Iterator

PORTS = 3
METHOD = "/bench.Echo/Say"


@contextmanager
def backend() -> Iterator[list[int]]:
    """Its ports, while it runs."""
    program = [sys.executable, "-m", "benchmarks.channels.backend"]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield [int(port) for port in process.stdout.readline().split()]
        finally:
            process.communicate()


async def say(request: bytes, _: grpc.aio.ServicerContext) -> bytes:
    return request


async def serve() -> None:
    server = grpc.aio.server()
    handlers = {"Say": grpc.unary_unary_rpc_method_handler(say)}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler("bench.Echo", handlers)])
    ports = [server.add_insecure_port("127.0.0.1:0") for _ in range(PORTS)]
    await server.start()
    print(*ports, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    await server.stop(None)


if __name__ == "__main__":
    asyncio.run(serve())
