"""Python's warnings as events and a metric instead of silence; process-wide, since warnings are.

    bridge.install(service="feed")
    ...
    for one in bridge.installed().hidden(): print(one.site, one.category, one.count)
    bridge.uninstall()

A filter of ours comes before all others and lets everything through to our hook, which then asks the others what they
would have done. What they ignore is counted too, with the place that installed the filter; what they turn into an error
is raised. Filters set later, with `warnings.filterwarnings` or `simplefilter`, are put behind ours again.

Limits: code that imported those two functions by name before the bridge was installed gets past it, and inside
`catch_warnings(record=True)` the recorder sees what our filter lets through.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Protocol

from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.lazy import shows
from quickwins.core.metrics import Reading, Tallies
from quickwins.suppressions._counts import MAX_PLACES, Budget, Counts, Hidden, Seen
from quickwins.suppressions._filters import caller, deciding_filter, forget_cached_decisions
from quickwins.suppressions.metrics import FILTERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prometheus_client import CollectorRegistry

    from quickwins.core.clock import Clock
    from quickwins.core.flags import Flag
    from quickwins.suppressions.report import Finding, Report

__all__ = ["Bridge", "budget", "install", "installed", "uninstall"]
__dir__ = shows(__name__)

_PYTHON_ITSELF = "Python's defaults"


class _Filters(Protocol):
    def __call__(self, *args: Any, **options: Any) -> None: ...


class Bridge:
    """What stands between Python's warnings and whatever showed them before. Made by `install`; usable from any thread.

    A warning takes a few microseconds, and tens of them when it is reported.
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
        self._service = service
        self._counts = Counts(
            service=service,
            name=name,
            registry=registry,
            clock=SystemClock() if clock is None else clock,
            first_party=tuple(os.path.join(os.path.abspath(one), "") for one in first_party),  # noqa: PTH100, PTH118 -- compared as text; until=never
        )
        self._tallies = Tallies(
            self,
            (Reading(FILTERS, lambda bridge: {(): bridge.ignoring}),),
            registry=registry,
            service=service,
            name=name,
        )
        self._once: OrderedDict[object, None] = OrderedDict()
        self._sites: OrderedDict[int, tuple[object, str]] = OrderedDict()
        # Told by identity from an equal one that somebody else adds.
        self._all = ("always", None, Warning, None, 0)
        self._outermost: Any = warnings.filters
        self._was: dict[str, Any] = {}
        self._mine: dict[str, Any] = {}

    def __repr__(self) -> str:
        if _current is not self:
            state = "uninstalled"
        else:
            state = "on" if self._flag is None or self._flag.state.on else "off"
        return f"<Bridge {self._service!r}, {state}, {self.ignoring} filters ignore>"

    @property
    def ignoring(self) -> int:
        """How many of this process's filters ignore something."""
        return sum(1 for one in list(warnings.filters) if one[0] == "ignore")

    def hidden(self) -> list[Hidden]:
        """Warnings that filters would have hidden, the most frequent first. Of very many places, those seen last."""
        return self._counts.hidden()

    def budget(self, category: type[Warning], limit: int) -> Budget:
        """Count warnings of `category` from now on; the `Budget` knows whether there were more than `limit`.

        Raises:
            ConfigError: `limit` is below 0, or `category` is not a class of warnings.
        """
        return self._counts.budget(category, limit)

    def flush(self) -> None:
        """Report what has been counted and not yet reported."""
        self._counts.flush()

    def join(self, report: Report) -> list[tuple[Finding, Hidden]]:
        """Which suppression in the code has hidden which warnings of this process."""
        return [
            (finding, one)
            for one in self.hidden()
            for finding in report.findings
            if _same_place(one.site, finding)
        ]

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
            # If somebody has wrapped ours, it stays in place and only passes calls on.
            if getattr(module, name) is self._mine[name]:
                setattr(module, name, self._was[name])
        current: Any = warnings.filters
        # Both: inside a `catch_warnings()` the list that it will put back has our filter too.
        for filters in (self._outermost, current):
            filters[:] = [one for one in filters if one is not self._all]
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
        """`warnings.filterwarnings` or `simplefilter`, which then notes what was added and puts it behind ours."""

        def function(*args: Any, **options: Any) -> None:
            before = list(warnings.filters)
            self._was[name](*args, **options)
            if _current is not self:
                return
            added = next((one for one in warnings.filters if not any(one is other for other in before)), None)
            if added is not None:
                with self._counts.alone():
                    self._sites[id(added)] = (added, caller())  # the filter itself too: ids are used again
                    if len(self._sites) > MAX_PLACES:
                        self._sites.popitem(last=False)
            # Inside catch_warnings(record=True) somebody else shows them, and must not see what they ignore.
            if warnings.showwarning is self._mine["showwarning"]:
                self._come_first()

        function.__name__ = function.__qualname__ = name
        return function

    # Seeing warnings and exceptions.

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
            self._counts.count(
                Seen("warning", category.__name__, filename, lineno, by if action == "ignore" else ""),
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
        self._counts.count(Seen(kind, category.__name__, file, line, ""), category)

    # Asking the other filters.

    def _decision(
        self, message: Warning | str, category: type[Warning], filename: str, lineno: int
    ) -> tuple[str, str]:
        """What would have been done with a warning, and by which filter."""
        one = deciding_filter(warnings.filters, self._all, str(message), category, filename, lineno)
        if one is None:
            return getattr(warnings, "defaultaction", "default"), ""
        action = str(one[0])
        if action != "ignore":
            return action, ""
        known = self._sites.get(id(one))
        return action, known[1] if known is not None and known[0] is one else _PYTHON_ITSELF

    def _shows(self, action: str, text: str, category: type[Warning], filename: str, lineno: int) -> bool:
        """While the flag is off: whether Python would have shown it, or has already done so."""
        if action in {"always", "all"}:
            return True
        key = {"once": (text, category), "module": (text, category, filename)}.get(
            action, (text, category, filename, lineno)
        )
        with self._counts.alone():
            known = key in self._once
            self._once[key] = None
            if len(self._once) > MAX_PLACES:
                self._once.popitem(last=False)
        return not known


_current: Bridge | None = None
"""The one that is installed: a process has one hook for warnings."""


def install(
    *,
    flag: Flag | None = None,
    service: str = "",
    name: str = "",
    registry: CollectorRegistry | None = None,
    clock: Clock | None = None,
    first_party: Iterable[str | os.PathLike[str]] = (),
) -> Bridge:
    """Install the bridge.

    Args:
        flag: Checked at each warning, for the whole process; `None` means always on. While it is off, warnings are shown,
            ignored or raised as if there were no bridge.
        service: The name of the service, on metrics and events.
        name: The name of the instance, on metrics and events.
        registry: Where the series go; `None` means the default registry.
        clock: Times the pauses between events; `None` means the system's.
        first_party: Folders of your own code; empty means everything except Python itself and installed packages.

    Raises:
        ConfigError: A bridge is installed already.
    """
    global _current  # noqa: PLW0603 -- as process-wide as what it guards; until=never
    if _current is not None:
        raise ConfigError("a bridge is installed already; a process has one")
    made = Bridge(
        flag=flag, service=service, name=name, registry=registry, clock=clock, first_party=tuple(first_party)
    )
    _current = made
    made._install()  # noqa: SLF001 -- the same room; until=never
    return made


def uninstall() -> None:
    """Put everything back as it was, and report what has been counted since. Calling it again does nothing."""
    global _current
    bridge, _current = _current, None
    if bridge is not None:
        bridge._uninstall()  # noqa: SLF001 -- the same room; until=never


def installed() -> Bridge | None:
    """The bridge of this process; `None` if there is none."""
    return _current


def budget(category: type[Warning], limit: int) -> Budget:
    """`Bridge.budget` of the bridge that is installed.

    Raises:
        ConfigError: No bridge is installed, or the budget makes no sense.
    """
    if _current is None:
        raise ConfigError("no bridge is installed: bridge.install() first")
    return _current.budget(category, limit)


def _same_place(where: str, finding: Finding) -> bool:
    file, _, line = where.rpartition(":")
    return line == str(finding.line) and (file == finding.path or file.endswith("/" + finding.path))
