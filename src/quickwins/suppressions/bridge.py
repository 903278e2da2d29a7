"""Python's warnings as events and a metric instead of silence; process-wide, since warnings are.

    bridge.install(service="feed")
    ...
    for one in bridge.installed().hidden(): print(one.site, one.category, one.count)
    bridge.uninstall()

A filter of ours comes before all others (`_filter_list`: it stays there, and nobody sees it). While the bridge is on, it lets
everything through to our hook, which then asks the others what they would have done. What they ignore is counted too, with
the place that set the filter; what they turn into an error is raised. While it is off our filter applies to nothing.

Where somebody else shows warnings (`logging.captureWarnings(True)` or an own `showwarning` after the bridge was installed),
our filter only takes a note and the others decide: whatever is looked up is counted, but a repeated warning that Python shows
once for each place is not looked up again. What `catch_warnings(record=True)` records is its own affair, and not counted.

Limit: code that replaces `warnings.filters` by a list of its own gets past the bridge.
"""

from __future__ import annotations

import os
import sys
import threading
import warnings
from collections import OrderedDict
from typing import TYPE_CHECKING, Any

from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.given import a_flag
from quickwins.core.lazy import shows
from quickwins.core.metrics import Reading, Tallies
from quickwins.suppressions._counts import MAX_PLACES, Budget, Counts, Hidden, Seen
from quickwins.suppressions._filter_list import FilterList
from quickwins.suppressions._filters import caller, deciding_filter, forget_cached_decisions, place_in
from quickwins.suppressions._tap import recorder
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
_PYTHONS_OWN: object = getattr(warnings, "_showwarning_orig", None)
"""What is in the place of `showwarning` while `catch_warnings(record=True)` records."""


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
        self._flag = a_flag(flag)
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
        self._sites: OrderedDict[int, tuple[object, str]] = OrderedDict()
        self._now = _Now()
        self._filter = ("always", _Text(self._now), _Category(self), _Module(self._now), 0)
        self._outermost: Any = None
        self._recorder: object = None
        self._was_on = True
        self._was: dict[str, Any] = {}
        self._mine: dict[str, Any] = {}

    def __repr__(self) -> str:
        state = "uninstalled" if _current is not self else "on" if self.is_on else "off"
        return f"<Bridge {self._service!r}, {state}, {self.ignoring} filters ignore>"

    @property
    def is_on(self) -> bool:
        """Whether it is installed and its flag is on."""
        return _current is self and (self._flag is None or self._flag.state.on)

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
        self._recorder = recorder()
        self._take(warnings, "showwarning", self._show)
        self._take(sys, "unraisablehook", self._unraisable)
        self._take(threading, "excepthook", self._thread_ended)
        module: Any = warnings
        self._outermost = warnings.filters
        module.filters = FilterList(self._filter, warnings.filters, self._filter_added)
        forget_cached_decisions()

    def _uninstall(self) -> None:
        self._give_back(threading, "excepthook")
        self._give_back(sys, "unraisablehook")
        self._leave()
        forget_cached_decisions()
        self.flush()
        self._tallies.flush()

    def _leave(self) -> None:
        """Take filter and hook out, as far as they are in place: a `catch_warnings` block puts back what it found.

        So once it is uninstalled, whichever of the two is asked again does nothing but leave.
        """
        self._give_back(warnings, "showwarning")
        module: Any = warnings
        if isinstance(module.filters, FilterList) and module.filters.first is self._filter:
            self._outermost[:] = list(module.filters)
            module.filters = self._outermost

    def _take(self, module: Any, name: str, mine: Any) -> None:
        self._was[name] = getattr(module, name)
        self._mine[name] = mine
        setattr(module, name, mine)

    def _give_back(self, module: Any, name: str) -> None:
        # If somebody has wrapped ours, it stays in place and only passes calls on.
        if getattr(module, name) is self._mine[name]:
            setattr(module, name, self._was[name])

    def _filter_added(self, added: object) -> None:
        """Note who has added a filter."""
        if _current is self:
            with self._counts.alone():
                self._sites[id(added)] = (added, caller())  # the filter itself too: ids are used again
                if len(self._sites) > MAX_PLACES:
                    self._sites.popitem(last=False)

    # Seeing warnings and exceptions.

    def _takes(self, category: type[Warning]) -> bool:
        """Asked for each warning that Python looks up: whether it is ours to show, and not for the other filters."""
        now = self._now
        now.is_ours = False
        if not self.is_on:
            if _current is not self:
                self._leave()
            self._was_on = False
            return False
        if not self._was_on:  # Python remembers what it has shown while the flag was off
            self._was_on = True
            forget_cached_decisions()
        shows = warnings.showwarning
        if shows is self._mine["showwarning"]:
            now.is_ours = True
            return True
        is_recorded = shows is _PYTHONS_OWN and recorder() is not self._recorder
        if not is_recorded:
            file, line = place_in(now.module)
            self._count(now.text, category, file, line)
        return False

    def _show(
        self,
        message: Warning | str,
        category: type[Warning],
        filename: str,
        lineno: int,
        file: Any = None,
        line: str | None = None,
    ) -> None:
        if not self._now.is_ours:
            if _current is not self:
                self._leave()
            self._was["showwarning"](message, category, filename, lineno, file, line)
            return
        self._now.is_ours = False
        if self._count(str(message), category, filename, lineno) == "error":
            raise message if isinstance(message, Warning) else category(message)

    def _count(self, text: str, category: type[Warning], file: str, line: int) -> str:
        """Count a warning; says what the other filters do with it."""
        action, by = self._decision(text, category, self._now.module, line)
        seen = Seen("warning", category.__name__, file, line, by if action == "ignore" else "")
        self._counts.count(seen, category)
        return action

    def _unraisable(self, unraisable: Any) -> None:
        self._exception("unraisable", unraisable.exc_type, unraisable.exc_traceback)
        self._was["unraisablehook"](unraisable)

    def _thread_ended(self, args: Any) -> None:
        if args.exc_type is not SystemExit:
            self._exception("thread", args.exc_type, args.exc_traceback)
        self._was["excepthook"](args)

    def _exception(self, kind: str, category: type[BaseException], trace: Any) -> None:
        if not self.is_on:
            return
        file, line = "?", 0
        while trace is not None:
            file, line = trace.tb_frame.f_code.co_filename, trace.tb_lineno
            trace = trace.tb_next
        self._counts.count(Seen(kind, category.__name__, file, line, ""), category)

    # Asking the other filters.

    def _decision(self, text: str, category: type[Warning], module: str, line: int) -> tuple[str, str]:
        """What the other filters do with a warning, and which one that is."""
        one = deciding_filter(warnings.filters, text, category, module, line)
        if one is None:
            return getattr(warnings, "defaultaction", "default"), ""
        action = str(one[0])
        if action != "ignore":
            return action, ""
        known = self._sites.get(id(one))
        return action, known[1] if known is not None and known[0] is one else _PYTHON_ITSELF


class _Now(threading.local):
    """The warning that this thread looks up: Python shows our filter its text, then its module, then its category."""

    text = ""
    module = ""
    is_ours = False


class _Text:
    """In the place of a filter's pattern for the text."""

    def __init__(self, now: _Now) -> None:
        self._now = now

    def match(self, text: str) -> bool:
        """Note the text; any fits."""
        self._now.text = text
        return True


class _Module:
    """In the place of a filter's pattern for the module."""

    def __init__(self, now: _Now) -> None:
        self._now = now

    def match(self, module: str) -> bool:
        """Note the module; any fits."""
        self._now.module = module
        return True


class _Category:
    """In the place of a filter's category: the class of the warnings that the bridge takes."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge

    def __subclasscheck__(self, category: type[Warning]) -> bool:
        return self._bridge._takes(category)  # noqa: SLF001  # -- a part of the bridge; until=never


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
