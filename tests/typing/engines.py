"""Real servers as a caller writes them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import assert_type

from quickwins.engines import (
    Capability,
    Child,
    EngineError,
    EngineFailure,
    KafkaBroker,
    PostgresServer,
    ValkeyServer,
)


def servers() -> list[str]:
    try:
        with (
            PostgresServer.start(settings={"max_connections": "20"}) as postgres,
            ValkeyServer.start() as valkey,
            KafkaBroker.start("data", ready_timeout_seconds=30) as kafka,
        ):
            assert_type(postgres, PostgresServer)
            postgres.kill()
            postgres.restart()
            valkey.pause()
            valkey.resume()
            if Capability.TRANSACTIONS not in kafka.capabilities:
                return [kafka.lacking[Capability.TRANSACTIONS]]
            return [postgres.url, valkey.url, kafka.url]
    except EngineError as error:
        return [str(error.reason is EngineFailure.NO_ACCOUNT)]


def anything_else() -> int | None:
    with Child.start([sys.executable, "-V"], name="python", log_path=Path("python.log")) as child:
        return child.wait(10)
