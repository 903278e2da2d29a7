"""What logging costs a request: the demo gateway's real query, with five lines, with one, with none, and as others log.

In CPU time of the gateway, and in time for the client, database included. `entered` and `hooks` are floors: what a middleware costs
that does nothing but add a header, and what it costs with an empty extension and interceptor. No target can be met below them.

All ways stand in one process and are asked by turns, in short blocks whose order is drawn; a block beside the bare one of the same
turn is one ratio. Lines go to standard output, a pipe, as in a container; backends and PostgreSQL are real.

python -m benchmarks.logs.request [--turns 110] [--brief]
"""

from __future__ import annotations

import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING

from benchmarks.logs.gateway import WAYS
from benchmarks.program import add_brief, command_line, conclude
from quickwins.demo.client import HttpClient
from quickwins.demo.load import outcome_of, request_body
from quickwins.demo.service.database import create_feed
from quickwins.demo.service.processes import ServiceSettings, feed_service
from quickwins.engines import PostgresServer
from quickwins.rig import Outcome, Ratio, Target

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

REQUESTS = 60
AT_ONCE = 4
ROWS = 2_000
BOUND = 1.02
ONE_LINE = 1.03
BESIDE_STRUCTLOG = 0.5
AGAIN = "bare again"
FLOORS = {"one": "entered", "all": "hooks"}
"""Where the same hooks are, with nothing in them."""
JUDGED = ("bare", "entered", "hooks", "lines", "all", "one", "structlog")
"""The ways that a target is about, and their floors."""
NEAR = ("bare", "all", "one", AGAIN)
"""Those that are judged close to their bounds, and what shows the noise; with `--brief` the others come every other turn."""


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@contextmanager
def gateway(targets: list[str]) -> Iterator[int]:
    """The process under test, on a core of its own where there are two, and a reader of its lines; gives its port."""
    port = free_port()
    command = [sys.executable, "-m", "benchmarks.logs.gateway", "--port", str(port), *targets]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE) as served,
        subprocess.Popen(["cat"], stdin=served.stdout, stdout=subprocess.DEVNULL),
    ):
        if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
            os.sched_setaffinity(served.pid, {0})
            os.sched_setaffinity(0, {1})
        try:
            yield port
        finally:
            served.terminate()


async def cpu(client: HttpClient) -> int:
    """Nanoseconds of processor time that the gateway has used."""
    return int((await client.request("GET", "/cpu")).body)


@dataclass(frozen=True, slots=True)
class Block:
    """Some requests in one way.

    Attributes:
        cpu: Nanoseconds of the gateway's processor that one takes.
        seconds: How long the client waited for each.
    """

    cpu: float
    seconds: list[float]


async def block(client: HttpClient, way: str, rng: Random) -> Block:
    """Ask this way."""
    users = [rng.randrange(1, ROWS // 10) for _ in range(REQUESTS)]
    seconds: list[float] = []
    before = await cpu(client)

    async def worker(mine: list[int]) -> None:
        for user in mine:
            began = time.perf_counter()
            answer = await client.request("POST", f"/{way}/graphql/", request_body(user))
            seconds.append(time.perf_counter() - began)
            assert outcome_of(answer) is Outcome.OK, answer

    await asyncio.gather(*(worker(users[start::AT_ONCE]) for start in range(AT_ONCE)))
    return Block((await cpu(client) - before) / REQUESTS, seconds)


async def measure(port: int, ways: Sequence[str], turns: int, *, brief: bool) -> list[dict[str, Block]]:
    """The blocks of each turn, one for each way that had its turn."""
    client, rng = HttpClient(port), Random(1)
    deadline = time.monotonic() + 30
    while True:
        try:
            await client.request("GET", "/cpu")
            break
        except OSError:
            assert time.monotonic() < deadline, "the gateway does not answer"
            await asyncio.sleep(0.05)
    for way in [*ways] * 5:
        await block(client, way, rng)
    found: list[dict[str, Block]] = []
    for number in range(turns):
        now = [way for way in (*ways, AGAIN) if way in NEAR or not (brief and number % 2)]
        found.append({way: await block(client, way.split()[0], rng) for way in rng.sample(now, len(now))})
    client.close()
    return found


async def run(turns: int, *, brief: bool) -> list[Target]:
    ways = JUDGED if brief else [*WAYS]
    with PostgresServer.start() as server, tempfile.TemporaryDirectory() as folder:
        await create_feed(server.url, ROWS, lambda _: None)
        config = Path(folder) / "quickwins.toml"
        config.write_text('service = "feed"\n# quickwins: complete\n', encoding="utf-8")
        settings = ServiceSettings(
            config=config, database_url=server.url, pool_size=4, service_seconds=0.0, timeout_seconds=5.0
        )
        async with feed_service(settings, folder=Path(folder) / "feed") as service:
            targets = [f"127.0.0.1:{one}" for one in service.backend_ports.values()]
            with gateway(targets) as port:
                found = await measure(port, ways, turns, brief=brief)
    return judge(found)


def judge(found: list[dict[str, Block]]) -> list[Target]:
    """Print each way beside the bare one of its turn, and say which targets were met."""
    took = statistics.median(turn["bare"].cpu for turn in found) / 1e3
    print(f"a request without logging: {took:,.0f} µs of the gateway's processor time")
    print(f"{'':<10} {'CPU':<6}  {'95 %':<16}  {'p50':<5}  {'p99':<5}  (p50, p99: for the client)")
    cpus, middles, ends = {}, {}, {}
    for way in (*WAYS, AGAIN):
        pairs = [(turn[way], turn["bare"]) for turn in found if way in turn]
        if way == "bare" or not pairs:
            continue
        cpus[way] = ratio = Ratio.of(way, [one.cpu / beside.cpu for one, beside in pairs])
        middles[way] = Ratio.of(
            way, [statistics.median(one.seconds) / statistics.median(beside.seconds) for one, beside in pairs]
        ).median
        ends[way] = late([one for one, _ in pairs]) / late([beside for _, beside in pairs])
        print(
            f"{way:<10} {ratio.median:.4f}  [{ratio.low:.4f}, {ratio.high:.4f}]  {middles[way]:.3f}  {ends[way]:.3f}  "
            f"{WAYS.get(way, '')}"
        )
    print(f"medians and 95 % intervals of {len(found)} turns")
    for way, floor in FLOORS.items():
        least, taken = cpus[floor].median - 1, cpus[way].median - 1
        print(f"{way} adds {taken:.1%}, of which its hooks alone, with nothing in them, take {least:.1%}")
    high, one = cpus["all"].high, cpus["one"]
    share = (cpus["lines"].median - 1) / (cpus["structlog"].median - 1)
    return [
        Target(
            f"five lines a request cost less than {BOUND - 1:.0%} of its CPU: 95 % bound {high - 1:.2%}",
            met=high < BOUND,
        ),
        one.at_most(ONE_LINE),
        Target(
            f"five lines add ≤ {BESIDE_STRUCTLOG:g} of what structlog's add, which hides nothing: {share:.2f}",
            met=share <= BESIDE_STRUCTLOG,
        ),
        *(
            Target(f"{way}, {name} for the client ≤ {BOUND:g}: {ratios[way]:.3f}", met=ratios[way] <= BOUND)
            for way in ("all", "one")
            for name, ratios in (("p50", middles), ("p99", ends))
        ),
    ]


def late(blocks: list[Block]) -> float:
    """The 99th percentile of all their requests."""
    return statistics.quantiles([seconds for one in blocks for seconds in one.seconds], n=100)[98]


def main() -> int:
    """Measure, print, and say whether the target was met."""
    parser = command_line("benchmarks.logs.request", __doc__)
    parser.add_argument("--turns", type=int, default=110, help="default: 110")
    add_brief(parser)
    options = parser.parse_args()
    return conclude(asyncio.run(run(options.turns, brief=options.brief)))


if __name__ == "__main__":
    sys.exit(main())
