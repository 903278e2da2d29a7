"""Starts the feed service: three backends and a gateway, each a supervised process that cannot outlive us."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from quickwins.demo.client import HttpClient
from quickwins.demo.load import outcome_of, request_body
from quickwins.demo.protocol.graphql import PATH
from quickwins.engines import Child, EngineError, EngineFailure
from quickwins.rig import Outcome

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence
    from pathlib import Path

BACKENDS = ("backend1", "backend2", "backend3")
GATEWAY = "gateway"
READY_SECONDS = 60.0
_POLL_SECONDS = 0.02
_STOP_SECONDS = 10.0
_OUR_VARIABLES = "QUICKWINS_"


@dataclass(frozen=True, slots=True)
class FeedService:
    """A running service.

    Attributes:
        gateway_port: Where GraphQL is spoken.
        backend_ports: Where each backend speaks gRPC.
        metrics_ports: Where each backend serves its metrics.
        pids: The process id of each process.
    """

    gateway_port: int
    backend_ports: Mapping[str, int]
    metrics_ports: Mapping[str, int]
    pids: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class ServiceSettings:
    """How the service is started.

    Attributes:
        config: The backends' `quickwins.toml`.
        database_url: Of a database filled by `create_feed`.
        pool_size: Connections per backend.
        service_seconds: How long a query holds its connection on top of its own work.
        timeout_seconds: The deadline the gateway gives each call.
    """

    config: Path
    database_url: str
    pool_size: int
    service_seconds: float
    timeout_seconds: float


@asynccontextmanager
async def feed_service(settings: ServiceSettings, *, folder: Path) -> AsyncIterator[FeedService]:
    """Start the service, wait until it answers, and stop it at the end of the block.

    Args:
        settings: How it is started.
        folder: For logs and ready files; created here.

    Raises:
        EngineError: A process did not get ready, or ended and broke the block; the message ends with its log.
    """
    os.mkdir(folder)  # noqa: PTH102 -- once, before anything runs; until=never
    with ExitStack() as stack:
        children: dict[str, Child] = {}

        def start(name: str, module: str, arguments: Sequence[str]) -> None:
            children[name] = stack.enter_context(
                Child.start(
                    [
                        *(sys.executable, "-m", f"quickwins.demo.service.{module}"),
                        *("--ready-file", str(ready_file(folder, name)), *arguments),
                    ],
                    name=name,
                    log_path=folder / f"{name}.log",
                    env=_environment(settings.database_url),
                    stop_timeout_seconds=_STOP_SECONDS,
                )
            )

        for name in BACKENDS:
            start(name, "backend", _backend_arguments(name, settings))
        backends = {name: await _ready(children[name], ready_file(folder, name)) for name in BACKENDS}
        targets = [f"127.0.0.1:{facts['port']}" for facts in backends.values()]
        start(GATEWAY, "gateway", _gateway_arguments(settings, targets))
        gateway = await _ready(children[GATEWAY], ready_file(folder, GATEWAY))
        await _answers(gateway["port"])
        try:
            yield FeedService(
                gateway_port=gateway["port"],
                backend_ports={name: facts["port"] for name, facts in backends.items()},
                metrics_ports={name: facts["metrics_port"] for name, facts in backends.items()},
                pids={name: child.pid for name, child in children.items()},
            )
        except Exception as error:
            # If a process is gone, that is what broke the block.
            for child in children.values():
                _check_runs(child, error)
            raise


def ready_file(folder: Path, name: str) -> Path:
    """The file in which the process called `name` says it is ready."""
    return folder / f"{name}.ready"


def _backend_arguments(name: str, settings: ServiceSettings) -> list[str]:
    return [
        *("--name", name),
        *("--config", str(settings.config)),
        *("--pool-size", str(settings.pool_size)),
        *("--service-seconds", str(settings.service_seconds)),
    ]


def _gateway_arguments(settings: ServiceSettings, targets: list[str]) -> list[str]:
    return [
        *("--config", str(settings.config)),
        *("--timeout-seconds", str(settings.timeout_seconds)),
        *("--backends", *targets),
    ]


def _environment(database_url: str) -> dict[str, str]:
    # A flag in our own environment would beat the file, and the flip would do nothing.
    kept = {key: value for key, value in os.environ.items() if not key.startswith(_OUR_VARIABLES)}
    return {**kept, "FEED_DATABASE_URL": database_url}


async def _ready(child: Child, path: Path) -> dict[str, int]:
    deadline = time.monotonic() + READY_SECONDS
    while (facts := _facts(path)) is None:
        _check(child, deadline)
        await asyncio.sleep(_POLL_SECONDS)
    return facts


def _facts(path: Path) -> dict[str, int] | None:
    try:
        facts: dict[str, int] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return facts


def _check_runs(child: Child, cause: Exception | None = None) -> None:
    status = child.poll()
    if status is not None:
        raise EngineError(
            f"{child.name} ended with status {status}:\n{child.log_tail()}", reason=EngineFailure.EXITED
        ) from cause


def _check(child: Child, deadline: float) -> None:
    _check_runs(child)
    if time.monotonic() > deadline:
        raise EngineError(
            f"{child.name} was not ready after {READY_SECONDS:.0f} s:\n{child.log_tail()}",
            reason=EngineFailure.NOT_READY,
        )


async def _answers(port: int) -> None:
    """Fetch a real feed from each backend, which take turns behind the gateway."""
    client = HttpClient(port)
    try:
        for _ in BACKENDS:
            async with asyncio.timeout(READY_SECONDS):
                answer = await client.request("POST", PATH, request_body(1))
            if outcome_of(answer) is not Outcome.OK:
                raise EngineError(
                    f"the gateway answered {answer.status}: {answer.body[:500].decode(errors='replace')}",
                    reason=EngineFailure.NOT_READY,
                )
    finally:
        client.close()
