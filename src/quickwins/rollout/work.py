"""Counts work that is no request, such as batches of events, for a ramp to be watched by.

Example:
    work = RolloutWork(qw.flags, features=["dedup"])

    @dedup.batch(max_records=100)
    async def project(events, ctx):
        with work.one(f"{ctx.topic}:{ctx.partition}"):
            ...
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

from quickwins.core.errors import refusal_in
from quickwins.core.lazy import shows
from quickwins.rollout._counts import Cohort, Ended, counted

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flags

__all__ = ["RolloutWork"]
__dir__ = shows(__name__)


class RolloutWork:
    """Counts pieces of work as the adapters count requests. Any thread and any task may use it."""

    def __init__(
        self,
        flags: Flags,
        *,
        features: Collection[str],
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Count for `features`.

        Args:
            flags: The service's.
            features: What ramps: for each, both cohorts are counted.
            registry: For the series; the default registry when `None`.
            clock: For durations.

        Raises:
            ConfigError: No feature is named, or one has no flag.
        """
        self._counts, self._series = counted(flags, features, registry=registry)
        self._monotonic = time.monotonic if clock is None else clock.monotonic

    def __repr__(self) -> str:
        return f"<RolloutWork counting {', '.join(one.feature for one in self._counts)}>"

    @contextmanager
    def one(self, key: str) -> Iterator[None]:
        """Count what the block does, by how it ends: as an error when it raises, and not at all when it is cancelled.

        Args:
            key: What the feature is on or off for: `f"{ctx.topic}:{ctx.partition}"` in a handler of deduplication.
        """
        cohorts = [(one, Cohort.ON if one.flag.active_for(key) else Cohort.OFF) for one in self._counts]
        began = self._monotonic()
        ended = Ended.OK
        try:
            yield
        except Exception as error:
            ended = _ended(error)
            raise
        except BaseException:
            cohorts = []
            raise
        finally:
            for one, cohort in cohorts:
                one.count(cohort, ended, self._monotonic() - began)


def _ended(error: Exception) -> Ended:
    if refusal_in(error) is not None:
        return Ended.REFUSED
    return Ended.TIMEOUT if isinstance(error, TimeoutError) else Ended.ERROR
