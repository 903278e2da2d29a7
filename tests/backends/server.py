"""A gRPC backend that is killed, stopped and restarted, and writes down every call that it begins to execute.

    python -m tests.backends.server --ledger FILE --ready FILE [--port N] [--max-age-ms N] [--tls FOLDER]

A request is words: what to do, then the call's own name. The line in the ledger is written before anything is done, by
one system call, so that it is there after a SIGKILL: `METHOD CALL PEER`.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
import grpc.aio

STOP_GRACE_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True)
class Probe:
    """The service: bytes in, bytes out, and the ledger."""

    ledger: int
    name: bytes

    def enter(self, request: bytes, context: grpc.aio.ServicerContext, method: str) -> list[str]:
        """Write the call down; the words of its request."""
        verb, _, call = request.decode().rpartition(" ")
        os.write(self.ledger, f"{method} {call} {context.peer()}\n".encode())
        return verb.split()

    async def obey(self, words: list[str], context: grpc.aio.ServicerContext) -> bytes:
        """Do what the request says: `sleep SECONDS`, `fail STATUS [PUSHBACK]`, `large BYTES`; answer the name."""
        match words:
            case ["sleep", seconds]:
                await asyncio.sleep(float(seconds))
            case ["fail", status, *pushback]:
                trailing = [("grpc-retry-pushback-ms", value.strip("'")) for value in pushback]
                await context.abort(grpc.StatusCode[status], "as asked", tuple(trailing))
            case ["large", size]:
                return bytes(int(size))
        return self.name

    async def get(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return await self.obey(self.enter(request, context, "Get"), context)

    async def put(self, request: bytes, context: grpc.aio.ServicerContext) -> bytes:
        return await self.obey(self.enter(request, context, "Put"), context)

    async def list(self, request: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[bytes]:
        """Answer `count NUMBER SECONDS`: so many messages, each after a pause; with `fail ...` none."""
        match self.enter(request, context, "List"):
            case ["count", number, seconds]:
                for index in range(int(number)):
                    await asyncio.sleep(float(seconds))
                    yield b"%d %s" % (index, self.name)
            case words:
                yield await self.obey(words, context)

    async def collect(self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext) -> bytes:
        """Answer how many messages came."""
        count = 0
        words: list[str] = []
        async for request in requests:
            words = self.enter(request, context, "Collect") or words
            count += 1
        await self.obey(words, context)
        return b"%d" % count

    async def chat(
        self, requests: AsyncIterator[bytes], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[bytes]:
        """Answer each message with itself."""
        async for request in requests:
            await self.obey(self.enter(request, context, "Chat"), context)
            yield request

    def handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        return {
            "Get": grpc.unary_unary_rpc_method_handler(self.get),
            "Put": grpc.unary_unary_rpc_method_handler(self.put),
            "List": grpc.unary_stream_rpc_method_handler(self.list),
            "Collect": grpc.stream_unary_rpc_method_handler(self.collect),
            "Chat": grpc.stream_stream_rpc_method_handler(self.chat),
        }


def credentials(folder: Path) -> grpc.ServerCredentials:
    key, certificate = ((folder / name).read_bytes() for name in ("key.pem", "cert.pem"))
    return grpc.ssl_server_credentials([(key, certificate)])


def say(ready: Path, port: int) -> None:
    """Tell the port, whole or not at all."""
    half = ready.with_suffix(".half")
    half.write_text(str(port))
    half.rename(ready)


async def serve(arguments: argparse.Namespace) -> None:
    ledger = os.open(arguments.ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    options: list[tuple[str, Any]] = [("grpc.so_reuseport", 0)]
    if arguments.max_age_ms:
        options += [
            ("grpc.max_connection_age_ms", arguments.max_age_ms),
            ("grpc.max_connection_age_grace_ms", 5_000),
        ]
    server = grpc.aio.server(options=options)
    probe = Probe(ledger, arguments.name.encode())
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("probe.Probe", probe.handlers()),))
    address = f"127.0.0.1:{arguments.port}"
    if arguments.tls:
        port = server.add_secure_port(address, credentials(Path(arguments.tls)))
    else:
        port = server.add_insecure_port(address)
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    await server.start()
    say(Path(arguments.ready), port)
    await stopping.wait()
    await server.stop(STOP_GRACE_SECONDS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--ledger", required=True)
    parser.add_argument("--ready", required=True)
    parser.add_argument("--name", default="backend")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--max-age-ms", type=int, default=0)
    parser.add_argument("--tls", default="")
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
