"""Warnings counted by place and category, and reported at most once a minute for each.

A warning can be raised anywhere, even by the garbage collector in the middle of this code. So a thread that is at work here
is marked, and warnings raised in it meanwhile wait in a queue: a thread never waits for a lock that it holds.
"""

from __future__ import annotations

import threading
from collections import OrderedDict, deque
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from quickwins.core.errors import ConfigError
from quickwins.core.events import PYTHON_WARNING, Reporter
from quickwins.core.metrics import Metrics
from quickwins.suppressions._origins import origin
from quickwins.suppressions.metrics import WARNINGS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client import CollectorRegistry, Counter

    from quickwins.core.clock import Clock

QUIET_SECONDS = 60.0
"""The shortest time between two events for the same place and category; the second has the count since the first."""

MAX_PLACES = 1_024
"""How many places are remembered; the one that was quiet longest makes room, and its count is reported then."""

MAX_AT_ONCE = 100
"""How many waiting warnings one call counts: counting may itself cause warnings."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """Warnings that a filter would have hidden.

    Attributes:
        site: Where the filter was set, `file:line`; "Python's defaults" for one that is older than the bridge.
        category: The name of the warning's class.
        file: The file that it was raised in.
        line: The line that raised it.
        count: How often.
    """

    site: str
    category: str
    file: str
    line: int
    count: int


@dataclass(slots=True)
class Budget:
    """How many warnings of a category there may be.

    Attributes:
        category: The class; its subclasses count too.
        limit: How many are fine.
        count: How many there have been since the budget was made.
    """

    category: type[Warning]
    limit: int
    count: int = 0

    @property
    def exceeded(self) -> bool:
        """Whether there have been more than `limit`."""
        return self.count > self.limit


class Seen(NamedTuple):
    """A kind of warning and where it came from; a tuple, since each warning makes one and looks it up."""

    kind: str
    category: str
    file: str
    line: int
    hidden_by: str


class Counts:
    """The counts of one bridge, for any thread, and at any point in it."""

    def __init__(
        self,
        *,
        service: str,
        name: str,
        registry: CollectorRegistry | None,
        clock: Clock,
        first_party: tuple[str, ...],
    ) -> None:
        self._clock = clock
        self._reporter = Reporter(service=service, name=name, registry=registry)
        self._metrics = Metrics(registry=registry, service=service, name=name)
        self._first_party = first_party
        self._lock = threading.Lock()
        self._thread = threading.local()
        self._pending: deque[tuple[Seen, type[BaseException]]] = deque(maxlen=MAX_PLACES)
        self._places: OrderedDict[Seen, list[float]] = OrderedDict()
        self._hidden: OrderedDict[Seen, int] = OrderedDict()
        self._counters: dict[tuple[str, str], Counter] = {}
        self._budgets: list[Budget] = []

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the lock; warnings raised in this thread meanwhile are counted later."""
        outer = getattr(self._thread, "busy", False)
        self._thread.busy = True
        try:
            with self._lock:
                yield
        finally:
            self._thread.busy = outer

    def hidden(self) -> list[Hidden]:
        """Warnings that filters would have hidden, the most frequent first. Of very many places, those seen last."""
        with self.alone():
            found = [
                Hidden(one.hidden_by, one.category, one.file, one.line, count)
                for one, count in self._hidden.items()
            ]
        return sorted(found, key=lambda one: -one.count)

    def budget(self, category: type[Warning], limit: int) -> Budget:
        """Count warnings of `category` from now on; the `Budget` knows whether there were more than `limit`.

        Raises:
            ConfigError: `limit` is below 0, or `category` is not a class of warnings.
        """
        if limit < 0 or not _is_warning(category):
            raise ConfigError(
                f"a budget needs a class of warnings and a number not below 0, not {category!r} and {limit!r}"
            )
        budget = Budget(category, limit)
        with self.alone():
            self._budgets.append(budget)
        return budget

    def flush(self) -> None:
        """Report what has been counted and not yet reported."""
        self._count_pending()
        with self.alone():
            due = [(seen, int(state[1])) for seen, state in self._places.items() if state[1]]
            for state in self._places.values():
                state[1] = 0
        for seen, count in due:
            self._report(seen, count)

    def count(self, seen: Seen, category: type[BaseException]) -> None:
        """Count `seen`, and report it if it is time; works even if that causes a warning itself, in any thread."""
        self._pending.append((seen, category))
        if getattr(self._thread, "busy", False):
            return  # this thread is counting already, and will take it along
        self._count_pending()

    def _count_pending(self) -> None:
        self._thread.busy = True
        try:
            for _ in range(MAX_AT_ONCE):
                try:
                    one, its_category = self._pending.popleft()
                except IndexError:
                    break
                count = self._noted(one, its_category)
                self._counter(one).inc()
                if count:
                    self._report(one, count)
        finally:
            self._thread.busy = False

    def _noted(self, seen: Seen, category: type[BaseException]) -> int:
        """How many to report now; 0 if it is too early."""
        now = self._clock.monotonic()
        evicted = None
        with self._lock:
            for budget in self._budgets:
                if issubclass(category, budget.category):
                    budget.count += 1
            if seen.hidden_by:
                self._hidden[seen] = self._hidden.get(seen, 0) + 1
                self._hidden.move_to_end(seen)
                if len(self._hidden) > MAX_PLACES:
                    self._hidden.popitem(last=False)
            state = self._places.get(seen)
            if state is None:
                state = self._places[seen] = [now, 0]
                if len(self._places) > MAX_PLACES:
                    evicted = self._places.popitem(last=False)
            state[1] += 1
            count = 0
            if now >= state[0]:
                count, state[0], state[1] = int(state[1]), now + QUIET_SECONDS, 0
                self._places.move_to_end(seen)
        if evicted is not None and evicted[1][1]:
            self._report(evicted[0], int(evicted[1][1]))
        return count

    def _report(self, seen: Seen, count: int) -> None:
        self._reporter.report(
            PYTHON_WARNING,
            kind=seen.kind,
            category=seen.category,
            file=seen.file,
            line=seen.line,
            count=count,
            hidden_by=seen.hidden_by,
        )

    def _counter(self, seen: Seen) -> Counter:
        key = (seen.category, seen.file)
        found = self._counters.get(key)
        if found is None:
            whose, package = origin(seen.file, self._first_party)
            found = self._metrics.counter(WARNINGS, category=seen.category, origin=whose, package=package)
            if len(self._counters) < MAX_PLACES:
                self._counters[key] = found
        return found


def _is_warning(category: object) -> bool:
    return isinstance(category, type) and issubclass(category, Warning)
