"""What importing a room costs a process, over a bare interpreter; beside two peers.

In each round every contender starts an interpreter once, in shuffled order, and so does `pass`; what is printed is the median
of the differences. Byte code is compiled before. Importing a room without using it may take 150 ms; what a service then
imports from it by name is printed too.

python -m benchmarks.imports [--rounds 21]
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from random import Random

from benchmarks.program import command_line, conclude
from quickwins.rig import Target

BARE = "pass"
ROOMS = (
    "quickwins",
    "quickwins.backpressure",
    "quickwins.channels",
    "quickwins.logs",
    "quickwins.suppressions",
)
BY_NAME = (
    "from quickwins.backpressure import Gate, GatedPool",
    "from quickwins.channels import rotating_channel",
    "from quickwins.logs import configure_logging, get_logger",
    "from quickwins.logs.asgi import LogMiddleware",
)
PEERS = ("import grpc.aio", "import structlog", "import psycopg_pool")
AT_MOST_MS = 150


def milliseconds(code: str) -> float:
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], check=True)
    return (time.perf_counter() - started) * 1e3


def measured(contenders: list[str], rounds: int) -> dict[str, float]:
    rng = Random(1)
    found: dict[str, list[float]] = {code: [] for code in contenders}
    for code in (BARE, *contenders):
        milliseconds(code)
    for _ in range(rounds):
        order = [BARE, *contenders]
        rng.shuffle(order)
        took = {code: milliseconds(code) for code in order}
        for code in contenders:
            found[code].append(took[code] - took[BARE])
    return {code: statistics.median(differences) for code, differences in found.items()}


def main() -> int:
    parser = command_line("benchmarks.imports", __doc__)
    parser.add_argument("--rounds", type=int, default=21)
    rooms = [f"import {room}" for room in ROOMS]
    found = measured([*rooms, *BY_NAME, *PEERS], parser.parse_args().rounds)
    print("milliseconds over a bare interpreter")
    for code, cost in found.items():
        print(f"{cost:7.1f}  {code}")
    return conclude(
        [
            Target(f"{room}: {found[room]:.0f} ms ≤ {AT_MOST_MS}", met=found[room] <= AT_MOST_MS)
            for room in rooms
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
