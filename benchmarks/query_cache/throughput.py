"""Requests a second over real sockets: the cache in each of its ways, beside what it is put before, and beside GraphQL Yoga's.

Each contender is a process of its own, pinned to one processor (uvicorn with uvloop and httptools; Node for Yoga); `wrk`, pinned
to another, asks one after the other for a feed of twenty posts, in an order that is new in each round. Single runs differ by
much more than what is measured, so a ratio is made of two runs of one round. "miss" asks for another user each time, and so
does "uncached, others", which it is compared with. Beside each ratio stands the one of processor time: what a request costs the
server, which says the same and depends less on what else the machine does. Without `node` and `npm` Yoga is left out.

python -m benchmarks.query_cache.throughput [--rounds 8] [--seconds 1.0]
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.program import command_line, conclude
from benchmarks.query_cache.apps import KINDS, PATH, request
from quickwins.rig import Ratio, Target

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CONNECTIONS = 16
MIN_ROUNDS = 6
MIN_SECONDS = 0.3
"""wrk looks at its time ten times a second."""
OF_OTHERS = {"miss", "uncached, others"}
YOGA = Path(__file__).parent / "yoga"
SAME = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{body}'
"""
OTHERS = """
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local before, after, user = '{before}', '{after}', {first}
request = function()
    user = user + 1
    return wrk.format(nil, nil, nil, before .. user .. after)
end
"""


@dataclass(frozen=True, slots=True)
class Server:
    """A process that answers."""

    pid: int
    port: int

    def cpu_seconds(self) -> float:
        """What it has used so far."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def server(argv: list[str], cwd: str | None = None) -> Iterator[Callable[[], Server]]:
    """A process that prints its port, and ends when its standard input does; gives what waits for the port."""
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=cwd) as process:
        out = process.stdout
        assert out is not None
        try:
            yield lambda: Server(process.pid, int(out.readline()))
        finally:
            process.communicate()


@contextmanager
def yoga() -> Iterator[Callable[[], Server] | None]:
    """Yoga's; `None` where it can't be had."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        for name in ("package.json", "server.js"):
            shutil.copy(YOGA / name, folder)
        installed = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=False
        )
        if installed.returncode:
            yield None
            return
        first = str(min(os.sched_getaffinity(0)))
        with server(["taskset", "-c", first, "node", "server.js"], cwd=folder) as made:
            yield made


def asked(one: Server, script: Path, seconds: float) -> tuple[float, float]:
    """Requests a second of time, and of the server's processor."""
    before = one.cpu_seconds()
    last = str(max(os.sched_getaffinity(0)))
    command = [
        *("taskset", "-c", last, "wrk", "-t1", f"-c{CONNECTIONS}", "-d1h"),
        *("-s", str(script), f"http://127.0.0.1:{one.port}{PATH}"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asking:
        time.sleep(seconds)
        asking.send_signal(signal.SIGINT)  # its own time is in whole seconds; it then says what it has seen
        said, _ = asking.communicate()
    if asking.returncode or re.search("Non-2xx|Socket errors| 0 requests in", said):
        raise RuntimeError(said)
    found = re.search(r"Requests/sec:\s+([\d.]+)", said)
    count = re.search(r"(\d+) requests in", said)
    assert found is not None, said
    assert count is not None, said
    return float(found[1]), int(count[1]) / max(one.cpu_seconds() - before, 0.01)


class Scripts:
    """What wrk asks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._rounds = 0
        self.same = folder / "same.lua"
        self.same.write_text(SAME.format(body=request(1).decode()))

    def others(self) -> Path:
        """One with users that nobody has asked for."""
        self._rounds += 1
        before, after = request(7654321).decode().split("7654321")
        script = self._folder / "others.lua"
        script.write_text(OTHERS.format(before=before, after=after, first=self._rounds * 1_000_000))
        return script


def measured(rounds: int, seconds: float) -> list[Target]:
    """Ask all contenders in each round."""
    rng = Random(1)
    rates: dict[str, list[tuple[float, float]]] = {}
    with ExitStack() as stack:
        starting = {  # all at a time
            kind: stack.enter_context(server([sys.executable, "-m", "benchmarks.query_cache.apps", kind]))
            for kind in KINDS
        }
        if made := stack.enter_context(yoga()):
            starting["yoga"] = made
        servers = {kind: started() for kind, started in starting.items()}
        servers["uncached, others"] = servers["uncached"]
        if made is None:
            print("Yoga is left out: it takes node and npm, and its packages")
        servers["bare again"] = servers["bare"]
        scripts = Scripts(Path(stack.enter_context(tempfile.TemporaryDirectory())))
        for number in range(rounds + 1):  # the first warms them up
            for kind in rng.sample(list(servers), len(servers)):
                script = scripts.others() if kind in OF_OTHERS else scripts.same
                rate = asked(servers[kind], script, seconds)
                if number:
                    rates.setdefault(kind, []).append(rate)
    for kind, found in rates.items():
        whole = [rate for rate, _ in found]
        print(
            f"{kind:<17} {median(whole):9,.0f} requests/s  [{min(whole):,.0f}, {max(whole):,.0f}], "
            f"{median(rate for _, rate in found):9,.0f} by processor time"
        )

    def ratio(one: str, other: str) -> Ratio:
        pairs = list(zip(rates[one], rates[other], strict=True))
        of_cpu = median(mine[1] / theirs[1] for mine, theirs in pairs)
        name = f"{one} by {other} (by processor time {of_cpu:.3g})"
        return Ratio.of(name, [mine[0] / theirs[0] for mine, theirs in pairs])

    noise = ratio("bare again", "bare")
    print(f"{noise.name}: {noise.median:.3f} [{noise.low:.3f}, {noise.high:.3f}]")
    targets = [
        ratio("middleware", "bare").at_least(0.85),
        ratio("view", "uncached").at_least(20.0),
        ratio("miss", "uncached, others").at_least(0.95),
    ]
    if "yoga" in rates:
        targets.append(ratio("middleware", "yoga").at_least(4.0))
    return targets


def main() -> int:
    """Measure, print, and say whether the targets were met."""
    parser = command_line("benchmarks.query_cache.throughput", __doc__)
    parser.add_argument("--rounds", type=int, default=8, help="6 at least: an interval takes that many")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each run; 0.3 at least")
    options = parser.parse_args()
    if options.rounds < MIN_ROUNDS:
        parser.error(f"--rounds {options.rounds} is not allowed: {MIN_ROUNDS} at least")
    if options.seconds < MIN_SECONDS:
        parser.error(f"--seconds {options.seconds} is not allowed: {MIN_SECONDS} at least")
    if shutil.which("wrk") is None or shutil.which("taskset") is None:
        print("not measured: it takes wrk and taskset")
        return 0
    return conclude(measured(options.rounds, options.seconds))


if __name__ == "__main__":
    sys.exit(main())
