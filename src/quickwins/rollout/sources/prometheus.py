"""The HTTP API of a Prometheus that scrapes the processes already.

What is asked, with the feature in place of FEATURE:

    {__name__=~"quickwins_requests_total|quickwins_request_seconds_bucket|quickwins_flag", feature="FEATURE"}
    {__name__=~"process_.*"} and on (job, instance) quickwins_flag{feature="FEATURE"}
    timestamp(quickwins_flag{feature="FEATURE"})

The counters themselves, never `rate()`: that extrapolates, and a sequential test needs whole requests. Prometheus looks every
15 s or so, and what it has is as old as that: gates are as much later.
"""

from __future__ import annotations

import json
from http.client import HTTPException
from typing import Any
from urllib.parse import urlencode

from quickwins.core.flags.metrics import FLAG
from quickwins.core.given import positive
from quickwins.rollout._core.facts import Process, Reading
from quickwins.rollout.metrics import REQUESTS
from quickwins.rollout.sources._http import checked, get
from quickwins.rollout.sources.reading import BUCKETS, CPU, MEMORY, STARTED, process_of


def queries(feature: str) -> tuple[str, str, str]:
    """What is asked about `feature`: its series, those of its processes, and when each was last scraped."""
    its = f'feature="{feature}"'
    names = f"{REQUESTS.name}|{BUCKETS}|{FLAG.name}"
    return (
        f'{{__name__=~"{names}",{its}}}',
        f'{{__name__=~"{STARTED}|{CPU}|{MEMORY}"}} and on (job, instance) {FLAG.name}{{{its}}}',
        f"timestamp({FLAG.name}{{{its}}})",
    )


class PrometheusSource:
    """One Prometheus. A process is one instance of one job; one that was there and isn't any more is missing."""

    def __init__(self, url: str, *, timeout_seconds: float = 5.0) -> None:
        """Ask the Prometheus at `url`, `http://HOST:9090`, for `timeout_seconds` each time.

        Raises:
            ConfigError: It is no address of HTTP, or the time is not above 0.
        """
        self._url = checked(url).rstrip("/")
        self._timeout_seconds = positive("timeout_seconds", timeout_seconds)
        self._known: set[str] = set()

    def __repr__(self) -> str:
        return f"PrometheusSource({self._url!r})"

    async def read(self, feature: str, now: float) -> Reading:
        """See `FactSource`."""
        try:
            series, own, stamps = [await self._ask(query, now) for query in queries(feature)]
            processes = _processes(series + own, stamps, feature)
        except (OSError, HTTPException, ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            return Reading(problems=(f"{self._url}: {error}",))
        missing = self._known - processes.keys()
        self._known |= processes.keys()
        return Reading(processes, tuple(sorted(missing)))

    async def _ask(self, query: str, now: float) -> list[Any]:
        url = f"{self._url}/api/v1/query?{urlencode({'query': query, 'time': f'{now:.3f}'})}"
        answer = json.loads(await get(url, timeout=self._timeout_seconds))
        if answer["status"] != "success":
            raise ValueError(str(answer.get("error", "no success"))[:200])
        found: list[Any] = answer["data"]["result"]
        return found


def _processes(series: list[Any], stamps: list[Any], feature: str) -> dict[str, Process]:
    samples: dict[str, list[tuple[str, dict[str, str], float]]] = {}
    for one in series:
        labels = one["metric"]
        samples.setdefault(_name(labels), []).append((labels["__name__"], labels, float(one["value"][1])))
    seen = {_name(one["metric"]): float(one["value"][1]) for one in stamps}
    return {name: process_of(found, feature, at=seen.get(name, 0.0)) for name, found in samples.items()}


def _name(labels: dict[str, str]) -> str:
    return f"{labels.get('job', '')} {labels.get('instance', '')}".strip()
