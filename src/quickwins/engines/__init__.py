"""Real servers for tests, demos and benchmarks, from wheels: PostgreSQL, Valkey and a Kafka-protocol broker.

    with PostgresServer.start() as server:
        print(server.url, server.version)

No Docker, no Java, no root. Each listens on a free port of 127.0.0.1, keeps its data in a temporary folder or in one
that you name, is ready when it has answered a real request, and is gone, with its temporary folder, however this process
ends. They have no password: they are for trying things out, not for data you care about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.engines.capabilities import Capability
    from quickwins.engines.errors import EngineError, EngineFailure
    from quickwins.engines.kafka import KafkaBroker
    from quickwins.engines.postgres import PostgresServer
    from quickwins.engines.process import Child
    from quickwins.engines.valkey import ValkeyServer

__all__ = [
    "Capability",
    "Child",
    "EngineError",
    "EngineFailure",
    "KafkaBroker",
    "PostgresServer",
    "ValkeyServer",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Capability": "capabilities",
        "Child": "process",
        "EngineError": "errors",
        "EngineFailure": "errors",
        "KafkaBroker": "kafka",
        "PostgresServer": "postgres",
        "ValkeyServer": "valkey",
    },
)
