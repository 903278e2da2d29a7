"""What is kept of a soak while it goes on: sums and lowest values, never the pages and lines themselves. No I/O here."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from quickwins.rollout.soak.evidence import Evidence, Hits, Pool, Suite

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

STRETCHES: Final = 200
"""How many points of each process's memory are kept."""
MAX_EVENTS: Final = 100
"""Kinds of errors told apart; more are `other`."""
MAX_SERIES: Final = 100_000
"""Counters followed; those beyond are left out."""
ERROR: Final = 17
"""From here on a severity number of OpenTelemetry is an error."""
_WORDS: Final = {"ERROR", "CRITICAL", "FATAL"}

# Other rooms' series, by name: no door leads there. A test holds them to what those rooms declare.
REFUSED: Final = "db_pool_exhausted_total"
UTILIZATION: Final = "db_pool_utilization_ratio"
INFLIGHT: Final = "db_pool_permits_inflight"
LIMIT: Final = "db_pool_limit"
HIT: Final = "graphql_query_cache_hit_total"
MISS: Final = "graphql_query_cache_miss_total"
DROPPED: Final = "log_dropped_total"
STARTED: Final = "process_start_time_seconds"
MEMORY: Final = "process_resident_memory_bytes"
COUNTERS: Final = {REFUSED, HIT, MISS, DROPPED}
UNCACHED: Final = "NO_CACHE"

Sample = tuple[str, "Mapping[str, str]", float]


class Watch:
    """Takes in pages of metrics and lines of logs, and tells what they come to. Not for several threads."""

    def __init__(self, for_seconds: float, *, expected: Collection[str] = ()) -> None:
        """Begin.

        Args:
            for_seconds: How long it is planned for: points of memory are spread over that.
            expected: Events of errors that are no surprise.
        """
        self._stretch = for_seconds / STRETCHES
        self._expected = frozenset(expected)
        self._looks = self._answered = self._restarts = 0
        self._lines: int | None = None
        self._last: dict[tuple[str, str, tuple[tuple[str, str], ...]], float] = {}
        self._rose: defaultdict[tuple[str, str], float] = defaultdict(float)
        self._pools: dict[str, Pool] = {}
        self._seen: set[str] = set()
        self._started: dict[str, float] = {}
        self._memory: dict[str, dict[int, tuple[float, float]]] = defaultdict(dict)
        self._errors: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"<Watch after {self._looks} looks>"

    def missed(self) -> None:
        """A process did not answer."""
        self._looks += 1

    def page(self, process: str, at: float, samples: Iterable[Sample]) -> None:
        """Take in what `process` said, `at` seconds after the beginning."""
        self._looks += 1
        self._answered += 1
        gauges: dict[str, dict[str, list[float]]] = {UTILIZATION: {}, INFLIGHT: {}, LIMIT: {}}
        for name, labels, value in samples:
            if name in COUNTERS:
                self._counted(process, name, labels, value)
            elif name in gauges:
                gauges[name].setdefault(_pool(labels), []).append(value)
            elif name == STARTED:
                self._restarts += self._started.setdefault(process, value) != value
                self._started[process] = value
            elif name == MEMORY:
                stretch = self._memory[process]
                number = int(at / self._stretch)
                if number not in stretch or value < stretch[number][1]:
                    stretch[number] = (at, value)
        for pool, shares in gauges[UTILIZATION].items():
            self._pool_seen(pool, shares, sum(gauges[INFLIGHT].get(pool, ())), gauges[LIMIT].get(pool))
        self._seen.add(process)

    def line(self, line: bytes) -> None:
        """Take in one line of a log: JSON as we write it, or the first line of a traceback."""
        self._lines = (self._lines or 0) + 1
        event = _error(line)
        if event is not None and event not in self._expected:
            known = event in self._errors or len(self._errors) < MAX_EVENTS
            self._errors[event if known else "other"] += 1

    def opened(self) -> None:
        """A log is followed: from now on no line means that there was none."""
        self._lines = self._lines or 0

    def evidence(self, seconds: float, tests: Suite | None) -> Evidence:
        """What it has come to after `seconds`."""
        pools = {pool: replace(seen, refused=self._rose[REFUSED, pool]) for pool, seen in self._pools.items()}
        policies = sorted({key for name, key in self._rose if name in {HIT, MISS}} - {UNCACHED})
        return Evidence(
            seconds=seconds,
            looks=self._looks,
            answered=self._answered,
            restarts=self._restarts,
            tests=tests,
            pools=pools,
            hits={one: Hits(self._rose[HIT, one], self._rose[MISS, one]) for one in policies},
            errors=dict(self._errors),
            lines=self._lines,
            dropped=self._rose[DROPPED, ""],
            memory={
                process: tuple(points[number] for number in sorted(points))
                for process, points in self._memory.items()
            },
        )

    def _counted(self, process: str, name: str, labels: Mapping[str, str], value: float) -> None:
        if name == DROPPED and labels.get("reason") == "sampled":
            return
        key = process, name, tuple(sorted(labels.items()))
        if key not in self._last and len(self._last) >= MAX_SERIES:
            return
        # What it had before the first look was not during the soak; a counter that fell has started again.
        before = self._last.get(key, 0.0 if process in self._seen else value)
        self._last[key] = value
        kind = _pool(labels) if name == REFUSED else labels.get("policy", "")
        self._rose[name, kind] += value - before if value >= before else value

    def _pool_seen(self, pool: str, shares: list[float], inflight: float, limits: list[float] | None) -> None:
        """Take in a pool, which in multiprocess mode is one for each of several workers, of one size."""
        before = self._pools.get(pool, Pool())
        size = inflight / sum(shares) if sum(shares) > 0 and inflight > 0 else before.size
        limit = None if limits is None else sum(limits) / len(shares)
        share = limit / size if limit is not None and size else before.limit_share
        self._pools[pool] = Pool(highest=max(before.highest, *shares), limit_share=share, size=size)


def _pool(labels: Mapping[str, str]) -> str:
    return f"{labels.get('service', '')}/{labels.get('name', '')}"


def _error(line: bytes) -> str | None:
    """The event of a line that tells of an error; `None`: it tells of none."""
    if line.startswith(b"Traceback (most recent call last)"):
        return "traceback"
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    if not isinstance(fields, dict):
        return None
    number = fields.get("severity_number")
    word = str(fields.get("severity_text", fields.get("level", ""))).upper()
    if (isinstance(number, int) and number >= ERROR) or word in _WORDS:
        return str(fields.get("event.name", fields.get("event", "unnamed")))[:100]
    return None
