"""What a user gets: the wheel, installed into fresh environments with one extra each, is imported, used and weighed.

.venv/bin/python .ci/wheel.py
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from quickwins.engines import PostgresServer  # noqa: E402 -- a script of the repository; until=never
from tests.docs.blocks import RUN, blocks  # noqa: E402 -- likewise; until=never

HERE: Final = ROOT / ".cache" / "wheel"
IMPORTED: Final = {
    "": [
        "quickwins.core.flags",
        "quickwins.suppressions.bridge",
        "quickwins.backpressure.asgi",
        "quickwins.logs.asgi",
    ],
    "backpressure": ["asyncpg", "quickwins.backpressure"],
    "cli": ["quickwins.cli.app"],
    "dedup": ["aiokafka", "asyncpg", "quickwins.dedup.identity", "valkey"],
    "engines": ["asyncpg", "quickwins.engines"],
    "graphql": ["quickwins.backpressure.strawberry", "quickwins.logs.strawberry"],
    "grpc": ["quickwins.backpressure.grpc", "quickwins.channels", "quickwins.logs.grpc"],
    "indexes": ["asyncpg", "quickwins.indexes.runner"],
    "logs": ["quickwins.logs.kafka", "structlog"],
    "query-cache": [
        "quickwins.query_cache.asgi",
        "quickwins.query_cache.middleware",
        "quickwins.query_cache.lint",
    ],
    "rig": ["hdrh.histogram", "quickwins.rig"],
    "rollout": ["asyncpg", "quickwins.rollout"],
}
"""Each extra, and what must be there with it alone."""
USED: Final = {
    "": "from quickwins.backpressure import Gate; print(Gate.queue(size=1).stats())",
    "backpressure": "from quickwins.backpressure import Gate, GatedPool; print(GatedPool)",
    "dedup": "from quickwins.dedup import DebeziumPostgres, Deduplicator; print(DebeziumPostgres(incarnation='pg1'), Deduplicator)",
    "indexes": "from quickwins.indexes import Migration, Runner; print(Migration, Runner)",
    "logs": "from quickwins.logs import configure_logging, get_logger\n"
    "with configure_logging(service='wheel'): get_logger().info('it.works', password='x')",
    "grpc": "import quickwins.backpressure.grpc as one, quickwins.logs.grpc as other\n"
    "print(one.BackpressureInterceptor(), other.LogServerInterceptor())",
    "query-cache": "from quickwins.query_cache import CachedGraphQL, QueryCache, Valkey; print(CachedGraphQL, QueryCache())",
    "rig": "from quickwins.rig import LatencySummary; print(LatencySummary.of([1.0]))",
    "rollout": "from quickwins.rollout import PostgresStore, RolloutController; print(PostgresStore, RolloutController)",
}
"""What a user does first with it."""


def run(*command: str | Path, environment: dict[str, str] | None = None, given: str = "") -> str:
    """Run `command` in an empty folder, with warnings as errors; what it prints.

    Raises:
        SystemExit: It failed.
    """
    folder = HERE / "folder"
    folder.mkdir(exist_ok=True)
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "QUICKWINS"))
    }
    done = subprocess.run(  # noqa: S603 -- no shell, commands of our own; until=never
        [str(part) for part in command],
        cwd=folder,
        env={**clean, "PYTHONWARNINGS": "error", **(environment or {})},
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(map(str, command))} ends with {done.returncode}\n{done.stdout}")
    return done.stdout


def installed(wheel: Path, extras: str) -> Path:
    """The commands of a fresh environment with the wheel and these extras."""
    uv = Path(sys.executable).with_name("uv")
    environment = HERE / (extras.replace(",", "-") or "bare")
    run(uv, "venv", "--quiet", "--python", sys.executable, environment)
    what = f"quickwins[{extras}] @ {wheel.as_uri()}"
    run(uv, "pip", "install", "--quiet", "--python", environment / "bin" / "python", what)
    return environment / "bin"


def megabytes(commands: Path) -> float:
    """What an environment takes on the disk, all that the extra brings with it included."""
    return sum(file.stat().st_size for file in commands.parent.rglob("*") if file.is_file()) / 1e6


def main() -> None:
    """Build, install, try."""
    shutil.rmtree(HERE, ignore_errors=True)
    HERE.mkdir(parents=True)
    run(Path(sys.executable).with_name("uv"), "build", "--quiet", "--wheel", "--out-dir", HERE, ROOT)
    (wheel,) = HERE.glob("*.whl")
    for extra, modules in IMPORTED.items():
        commands = installed(wheel, extra)
        code = "\n".join([*(f"import {module}" for module in modules), USED.get(extra, "")])
        run(commands / "python", "-I", "-c", code)
        print(f"{wheel.name} with {extra or 'no extra'}, {megabytes(commands):.1f} MB: {', '.join(modules)}")
    commands = installed(wheel, "backpressure,cli")
    run(commands / "quickwins", "init")
    print(run(commands / "quickwins", "doctor"))
    first = blocks(ROOT / "README.md")[0]
    with PostgresServer.start() as server:
        dsn = urlsplit(server.url)
        address = {"PGHOST": str(dsn.hostname), "PGPORT": str(dsn.port), "PGUSER": str(dsn.username)}
        address["PGDATABASE"] = dsn.path[1:]
        print(
            "the README's first block prints",
            run(commands / "python", RUN, first.place, environment=address, given=first.text),
        )


if __name__ == "__main__":
    main()
