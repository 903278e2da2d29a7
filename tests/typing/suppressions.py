"""The audit, the ratchet and the bridge as a caller writes them."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, assert_type

from quickwins.suppressions import (
    Allowance,
    AuditConfig,
    Baseline,
    BaselineDiff,
    BaselineError,
    Check,
    Finding,
    Format,
    GitError,
    Identity,
    Report,
    SuppressionsSettings,
    audit,
    bridge,
    rendered,
    scan_text,
)
from quickwins.suppressions.bridge import Bridge, budget, install, installed, uninstall

if TYPE_CHECKING:
    from quickwins import QuickWins
    from quickwins.core.flags import Flag


def ratchet() -> str:
    allowed = Allowance(check=Check.SWALLOWED, path="app.py", reason="shutting down", until=date(2027, 6, 30))
    report = audit(["src"], AuditConfig(allow=(allowed,)))
    assert_type(report, Report)
    try:
        difference = Baseline.load("suppressions.baseline").compare(report)
    except (BaselineError, GitError) as error:
        return str(error)
    assert_type(difference, BaselineDiff)
    assert_type(difference.new, tuple[Finding, ...])
    for known in difference.stale:
        assert_type(known, Identity)
    return rendered(difference.new, Format.SARIF)


def one_file() -> bool:
    found = scan_text("app.py", "import os  # noqa\n", today=date(2026, 11, 25))
    return Baseline.of(found).compare(found).ok


def bridge_of_ones_own(flag: Flag) -> list[tuple[Finding, int]]:
    made = install(flag=flag, service="feed", first_party=["src"])
    assert_type(made, Bridge)
    deprecations = budget(DeprecationWarning, 3)
    found = [(finding, hidden.count) for finding, hidden in made.join(audit(["src"]))]
    made.flush()
    uninstall()
    return found if installed() is None and deprecations.exceeded else []


def at_run_time(qw: QuickWins) -> tuple[str, ...]:
    bridge.install(service="feed")
    installed = bridge.installed()
    if installed is not None:
        budget = installed.budget(DeprecationWarning, 0)
        del budget
    bridge.uninstall()
    return qw.settings.section("suppressions", SuppressionsSettings).first_party
