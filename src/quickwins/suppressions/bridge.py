"""Python's warnings as events and a metric instead of silence; process-wide, since warnings are.

    bridge.install(service="feed")
    ...
    for one in bridge.installed().hidden(): print(one.site, one.category, one.count)
    bridge.uninstall()

A filter of ours stands before all others and lets everything through to our hook, which then asks the others what they
would have done: what they ignore is counted too, with the place that installed the filter, and what they make an error
is raised. Filters that are set later, by way of `warnings.filterwarnings` and `simplefilter`, come behind ours again.

Limits: who has imported those two functions by name before the installation goes past us, and inside
`catch_warnings(record=True)` the recorder sees what our filter lets through.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.events import PYTHON_WARNING, Reporter
from quickwins.core.metrics import Metrics
from quickwins.core.tallies import Reading, Tallies
from quickwins.suppressions._filters import caller, forget_cached_decisions, verdict
from quickwins.suppressions._origins import origin
from quickwins.suppressions.metrics import FILTERS, WARNINGS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client import CollectorRegistry, Counter

    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flag
    from quickwins.suppressions.report import Finding, Report

QUIET_SECONDS = 60.0
"""One event for each place and category at most this often; the next one has the count since."""

MAX_PLACES = 1_024
"""Places remembered for that; the one quiet for longest makes room, its count is reported then."""

MAX_AT_ONCE = 100
"""Warnings counted by one that comes by: those that counting causes may cause others."""

_PYTHON_ITSELF = "Python's defaults"


@dataclass(frozen=True, slots=True)
class Hidden:
    """Warnings that a filter would have kept from everybody.

    Attributes:
        site: Where the filter was installed, `file:line`; "Python's defaults" for those from before the bridge.
        category: The warning's class.
        file: Where it was raised.
        line: Likewise.
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
        category: With its subclasses.
        limit: So many are fine.
        count: So many were there since it was set.
    """

    category: type[Warning]
    limit: int
    count: int = 0

    @property
    def exceeded(self) -> bool:
        """Whether there were more."""
        return self.count > self.limit


class _Filters(Protocol):
    def __call__(self, *args: Any, **options: Any) -> None: ...


class _Seen(NamedTuple):
    """One thing that has come by; a tuple, since each warning makes and looks up one."""

    kind: str
    category: str
    file: str
    line: int
    hidden_by: str


class Bridge:
    """What stands between Python's warnings and whoever showed them before. Any thread; made by `install`.

    A warning costs a few microseconds where it is repeated, tens where it is reported.
    """

    def __init__(
        self,
        *,
        flag: Flag | None,
        service: str,
        name: str,
        registry: CollectorRegistry | None,
        clock: Clock | None,
        first_party: Sequence[str | os.PathLike[str]],
    ) -> None:
        """Use `install` instead."""
        self._flag = flag
        self._clock = SystemClock() if clock is None else clock
        self._reporter = Reporter(service=service, name=name, clock=self._clock)
        self._metrics = Metrics(registry=registry, service=service, name=name)
        self._tallies = Tallies(
            self,
            (Reading(FILTERS, lambda bridge: {(): bridge.ignoring}),),
            registry=registry,
            service=service,
            name=name,
        )
        self._first_party = tuple(os.path.join(os.path.abspath(one), "") for one in first_party)  # noqa: PTH100, PTH118 -- compared as text; until=2027-12-31
        self._lock = threading.Lock()
        self._thread = threading.local()
        self._pending: deque[tuple[_Seen, type[BaseException]]] = deque(maxlen=MAX_PLACES)
        self._places: OrderedDict[_Seen, list[float]] = OrderedDict()
        self._hidden: OrderedDict[_Seen, int] = OrderedDict()
        self._once: OrderedDict[object, None] = OrderedDict()
        self._counters: dict[tuple[str, str], Counter] = {}
        self._sites: OrderedDict[int, tuple[object, str]] = OrderedDict()
        self._budgets: list[Budget] = []
        # Never equal by identity to one that somebody else adds.
        self._all = ("always", None, Warning, None, 0)
        self._was: dict[str, Any] = {}
        self._mine: dict[str, Any] = {}

    @property
    def ignoring(self) -> int:
        """How many filters of this process ignore something."""
        return sum(1 for one in list(warnings.filters) if one[0] == "ignore")

    def hidden(self) -> list[Hidden]:
        """What filters would have kept from everybody, most frequent first; the newest places, if there are many."""
        with self._lock:
            found = [
                Hidden(one.hidden_by, one.category, one.file, one.line, count)
                for one, count in self._hidden.items()
            ]
        return sorted(found, key=lambda one: -one.count)

    def join(self, report: Report) -> list[tuple[Finding, Hidden]]:
        """Which suppression in the code has hidden which warning of this process."""
        return [
            (finding, one)
            for one in self.hidden()
            for finding in report.findings
            if _same_place(one.site, finding)
        ]

    def budget(self, category: type[Warning], limit: int) -> Budget:
        """Count the warnings of `category` from now on; what is returned knows whether there were more than `limit`.

        Raises:
            ConfigError: `limit` is below 0, or `category` no class of warnings.
        """
        if limit < 0 or not _is_warning(category):
            raise ConfigError(
                f"a budget takes a class of warnings and a number from 0, not {category!r} and {limit!r}"
            )
        budget = Budget(category, limit)
        with self._lock:
            self._budgets.append(budget)
        return budget

    def flush(self) -> None:
        """Report what was counted and is not yet reported."""
        with self._lock:
            due = [(seen, int(state[1])) for seen, state in self._places.items() if state[1]]
            for state in self._places.values():
                state[1] = 0
        for seen, count in due:
            self._report(seen, count)

    # Installation.

    def _install(self) -> None:
        self._take(warnings, "showwarning", self._show)
        self._take(warnings, "filterwarnings", self._following("filterwarnings"))
        self._take(warnings, "simplefilter", self._following("simplefilter"))
        self._take(sys, "unraisablehook", self._unraisable)
        self._take(threading, "excepthook", self._thread_ended)
        self._come_first()

    def _uninstall(self) -> None:
        for module, name in (
            (threading, "excepthook"),
            (sys, "unraisablehook"),
            (warnings, "simplefilter"),
            (warnings, "filterwarnings"),
            (warnings, "showwarning"),
        ):
            # Who has put something around ours goes on calling it; it then only passes on.
            if getattr(module, name) is self._mine[name]:
                setattr(module, name, self._was[name])
        warnings.filters[:] = [one for one in warnings.filters if one is not self._all]  # type: ignore[index]  # -- a list, as its module has it; until=2027-12-31
        forget_cached_decisions()
        self.flush()
        self._tallies.flush()

    def _take(self, module: Any, name: str, mine: Any) -> None:
        self._was[name] = getattr(module, name)
        self._mine[name] = mine
        setattr(module, name, mine)

    def _come_first(self) -> None:
        filters: Any = warnings.filters
        if not filters or filters[0] is not self._all:
            filters[:] = [self._all, *(one for one in filters if one is not self._all)]
            forget_cached_decisions()

    def _following(self, name: str) -> _Filters:
        """`warnings.filterwarnings` or `simplefilter`, and what it added noted and put behind ours."""

        def function(*args: Any, **options: Any) -> None:
            before = list(warnings.filters)
            self._was[name](*args, **options)
            if _current is not self:
                return
            added = next((one for one in warnings.filters if not any(one is other for other in before)), None)
            if added is not None:
                with self._lock:
                    self._sites[id(added)] = (added, caller())  # the filter itself too: ids are used again
                    if len(self._sites) > MAX_PLACES:
                        self._sites.popitem(last=False)
            # Inside catch_warnings(record=True) somebody else shows them, and must not see what he ignores.
            if warnings.showwarning is self._mine["showwarning"]:
                self._come_first()

        function.__name__ = function.__qualname__ = name
        return function

    # What comes by.

    def _show(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: Any = None,
        line: str | None = None,
    ) -> None:
        action, by = self._decision(message, category, filename, lineno)
        if _current is self and (self._flag is None or self._flag.state.on):
            self._count(
                _Seen("warning", category.__name__, filename, lineno, by if action == "ignore" else ""),
                category,
            )
        elif action not in {"ignore", "error"} and self._shows(
            action, str(message), category, filename, lineno
        ):
            self._was["showwarning"](message, category, filename, lineno, file, line)
        if action == "error":
            raise message if isinstance(message, Warning) else category(message)

    def _unraisable(self, unraisable: Any) -> None:
        self._exception("unraisable", unraisable.exc_type, unraisable.exc_traceback)
        self._was["unraisablehook"](unraisable)

    def _thread_ended(self, args: Any) -> None:
        if args.exc_type is not SystemExit:
            self._exception("thread", args.exc_type, args.exc_traceback)
        self._was["excepthook"](args)

    def _exception(self, kind: str, category: type[BaseException], trace: Any) -> None:
        if _current is not self or not (self._flag is None or self._flag.state.on):
            return
        file, line = "?", 0
        while trace is not None:
            file, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
            trace = trace.tb_next
        self._count(_Seen(kind, category.__name__, file, line, ""), category)

    def _count(self, seen: _Seen, category: type[BaseException]) -> None:
        """Count `seen` and report it if it is time; also when that itself causes a warning, in any thread."""
        self._pending.append((seen, category))
        if getattr(self._thread, "busy", False):
            return  # whoever is busy in this thread takes it along
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

    def _noted(self, seen: _Seen, category: type[BaseException]) -> int:
        """How many to report now; 0: nothing yet."""
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

    def _report(self, seen: _Seen, count: int) -> None:
        self._reporter.report(
            PYTHON_WARNING,
            kind=seen.kind,
            category=seen.category,
            file=seen.file,
            line=seen.line,
            count=count,
            hidden_by=seen.hidden_by,
        )

    # What the other filters say.

    def _decision(
        self, message: Warning | str, category: type[Warning], filename: str, lineno: int
    ) -> tuple[str, str]:
        """What would have been done with a warning, and by whom."""
        one = verdict(warnings.filters, self._all, str(message), category, filename, lineno)
        if one is None:
            return getattr(warnings, "defaultaction", "default"), ""
        action = str(one[0])
        if action != "ignore":
            return action, ""
        known = self._sites.get(id(one))
        return action, known[1] if known is not None and known[0] is one else _PYTHON_ITSELF

    def _shows(self, action: str, text: str, category: type[Warning], filename: str, lineno: int) -> bool:
        """While the flag is off: whether Python itself would have shown it again."""
        if action in {"always", "all"}:
            return True
        key = {"once": (text, category), "module": (text, category, filename)}.get(
            action, (text, category, filename, lineno)
        )
        with self._lock:
            known = key in self._once
            self._once[key] = None
            if len(self._once) > MAX_PLACES:
                self._once.popitem(last=False)
        return not known

    def _counter(self, seen: _Seen) -> Counter:
        key = (seen.category, seen.file)
        found = self._counters.get(key)
        if found is None:
            whose, package = origin(seen.file, self._first_party)
            found = self._metrics.counter(WARNINGS, category=seen.category, origin=whose, package=package)
            if len(self._counters) < MAX_PLACES:
                self._counters[key] = found
        return found


_current: Bridge | None = None
"""The one that is installed: warnings have one hook in a process."""


def install(
    *,
    flag: Flag | None = None,
    service: str = "",
    name: str = "",
    registry: CollectorRegistry | None = None,
    clock: Clock | None = None,
    first_party: Iterable[str | os.PathLike[str]] = (),
) -> Bridge:
    """Put the bridge in place.

    Args:
        flag: Asked at each warning, for the process as a whole; `None`: always on. While it is off, warnings are shown,
            ignored or raised as if there were no bridge.
        service: Of the process, on metrics and events.
        name: Of the instance, likewise.
        registry: For the series; the default registry when `None`.
        clock: For the pauses between events.
        first_party: Folders of your own code; empty: all but Python's own and what is installed.

    Raises:
        ConfigError: One is installed already.
    """
    global _current  # noqa: PLW0603 -- as process-wide as what it guards; until=2027-12-31
    if _current is not None:
        raise ConfigError("a bridge is installed already; a process has one")
    made = Bridge(
        flag=flag, service=service, name=name, registry=registry, clock=clock, first_party=tuple(first_party)
    )
    _current = made
    made._install()  # noqa: SLF001 -- the same room; until=2027-12-31
    return made


def uninstall() -> None:
    """Put everything back as it was, and report what was counted meanwhile. Idempotent."""
    global _current
    bridge, _current = _current, None
    if bridge is not None:
        bridge._uninstall()  # noqa: SLF001 -- the same room; until=2027-12-31


def installed() -> Bridge | None:
    """The bridge of this process."""
    return _current


def budget(category: type[Warning], limit: int) -> Budget:
    """As `Bridge.budget`, of the one that is installed.

    Raises:
        ConfigError: None is.
    """
    if _current is None:
        raise ConfigError("no bridge is installed: bridge.install() first")
    return _current.budget(category, limit)


def _is_warning(category: object) -> bool:
    return isinstance(category, type) and issubclass(category, Warning)


def _same_place(where: str, finding: Finding) -> bool:
    file, _, line = where.rpartition(":")
    return line == str(finding.line) and (file == finding.path or file.endswith("/" + finding.path))
