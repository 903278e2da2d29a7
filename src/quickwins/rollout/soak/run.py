"""Performs a soak: scrapes every process, follows the logs, reads the tests' reports, until its time is over."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from http.client import HTTPException
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.given import positive, several
from quickwins.rollout.soak.criteria import judge
from quickwins.rollout.soak.follow import Follower, read_suites
from quickwins.rollout.soak.watch import Watch
from quickwins.rollout.sources._http import checked, get

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from quickwins.core.clock import Clock
    from quickwins.rollout.soak.criteria import Criteria, Report


class Soak:
    """One soak. `run` it, and ask for the `report` at any time, even after it was interrupted."""

    def __init__(
        self,
        criteria: Criteria,
        *,
        targets: Sequence[str],
        logs: Sequence[Path] = (),
        suites: Sequence[Path] = (),
        expected: Collection[str] = (),
        interval_seconds: float = 15.0,
        timeout_seconds: float = 5.0,
        clock: Clock | None = None,
    ) -> None:
        """Plan it.

        Args:
            criteria: What must be shown, and for how long it is watched.
            targets: The /metrics of every process.
            logs: Files that grow; what is in them already is not looked at.
            suites: JUnit reports, which are read at the end.
            expected: Events of errors that are no surprise.
            interval_seconds: Between two looks.
            timeout_seconds: How long an answer may take.
            clock: For time.

        Raises:
            ConfigError: There is no target, one is no address of HTTP, or a time is not above 0.
        """
        if not targets:
            raise ConfigError("no target to look at: list the /metrics of each process")
        self._criteria = criteria
        self._targets = [checked(one) for one in several("targets", targets)]
        self._logs, self._suites = logs, suites
        self._interval_seconds = positive("interval_seconds", interval_seconds)
        self._timeout_seconds = positive("timeout_seconds", timeout_seconds)
        self._clock = SystemClock() if clock is None else clock
        self._watch = Watch(criteria.for_seconds, expected=expected)
        self._began, self._wall_began = self._clock.monotonic(), self._clock.wall()

    def __repr__(self) -> str:
        return f"<Soak of {len(self._targets)} targets>"

    async def run(self) -> None:
        """Watch until the time is over.

        Raises:
            ConfigError: A log can't be read.
        """
        self._began, self._wall_began = self._clock.monotonic(), self._clock.wall()
        with ExitStack() as stack:
            followers = [stack.enter_context(Follower(path)) for path in self._logs]
            for _ in followers:
                self._watch.opened()
            while True:
                await asyncio.gather(*map(self._look, self._targets))
                for follower in followers:
                    self._read(follower)
                left = self._criteria.for_seconds - (self._clock.monotonic() - self._began)
                if left <= 0:
                    return
                await self._clock.sleep(min(self._interval_seconds, left))

    def report(self) -> Report:
        """What can be said by now.

        Raises:
            ConfigError: A report of tests can't be read.
        """
        seconds = self._clock.monotonic() - self._began
        evidence = self._watch.evidence(seconds, read_suites(self._suites))
        return judge(evidence, self._criteria, began=self._wall_began)

    async def _look(self, target: str) -> None:
        try:
            text = (await get(target, timeout=self._timeout_seconds)).decode()
            families = text_string_to_metric_families(text)
            samples = [(one.name, one.labels, one.value) for family in families for one in family.samples]
        except (OSError, HTTPException, ValueError, KeyError, IndexError, AttributeError, TypeError):
            self._watch.missed()  # no answer, or no page of metrics: the parser raises whatever it meets
            return
        self._watch.page(target, self._clock.monotonic() - self._began, samples)

    def _read(self, follower: Follower) -> None:
        try:
            for line in follower.lines():
                self._watch.line(line)
        except OSError:
            self._watch.missed()
