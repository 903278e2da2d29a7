"""The /metrics of several processes, read one by one: nothing else has to run."""

from __future__ import annotations

import asyncio
from http.client import HTTPException
from typing import TYPE_CHECKING

from prometheus_client.parser import text_string_to_metric_families

from quickwins.core.errors import ConfigError
from quickwins.core.given import positive, several
from quickwins.rollout._core.facts import Reading
from quickwins.rollout.sources._http import checked, get
from quickwins.rollout.sources.reading import process_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickwins.rollout._core.facts import Process


class ScrapeSource:
    """Targets, each the page of one process, or of all workers of one in multiprocess mode.

    The workers behind one port without that mode answer in turn, which looks like counters that go back: no data.
    """

    def __init__(self, targets: Sequence[str], *, timeout_seconds: float = 2.0) -> None:
        """Look at `targets`, all at once, for `timeout_seconds` each.

        Raises:
            ConfigError: There are none, one is no address of HTTP, or the time is not above 0.
        """
        if not targets:
            raise ConfigError("no target to look at: list the /metrics of each process")
        self._targets = [checked(one) for one in several("targets", targets)]
        self._timeout_seconds = positive("timeout_seconds", timeout_seconds)

    def __repr__(self) -> str:
        return f"<ScrapeSource of {len(self._targets)} targets>"

    async def read(self, feature: str, now: float) -> Reading:
        """See `FactSource`."""
        found = await asyncio.gather(*(self._one(target, feature, now) for target in self._targets))
        answers = dict(zip(self._targets, found, strict=True))
        processes = {target: one for target, one in answers.items() if not isinstance(one, str)}
        problems = [f"{target}: {one}" for target, one in answers.items() if isinstance(one, str) and one]
        missing = [target for target, one in answers.items() if one == ""]
        return Reading(processes, tuple(missing), tuple(problems))

    async def _one(self, target: str, feature: str, now: float) -> Process | str:
        """The process; why it can't be understood; or nothing, when it does not answer."""
        try:
            text = (await get(target, timeout=self._timeout_seconds)).decode()
        except UnicodeDecodeError:
            return "no text"
        except (OSError, HTTPException):
            return ""
        try:
            families = text_string_to_metric_families(text)
            samples = ((one.name, one.labels, one.value) for family in families for one in family.samples)
            return process_of(samples, feature, at=now)
        except (
            ValueError,
            KeyError,
            IndexError,
            AttributeError,
            TypeError,
        ):  # the parser raises whatever it meets
            return "no page of metrics"
