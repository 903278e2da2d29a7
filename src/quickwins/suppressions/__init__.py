"""No silenced warnings: an audit of every suppression, a ratchet, and a bridge from Python's warnings to logs and metrics.

    quickwins suppressions audit src tests
    quickwins suppressions baseline create --baseline suppressions.baseline src tests
    quickwins suppressions check --baseline suppressions.baseline --base origin/main src tests

The suppressions that a code base has today may stay on a list, the baseline, which can only get shorter. At run time
`bridge.install()` counts and logs a service's warnings, including those that a filter would have hidden. To turn it off:
`enabled = false` in `[suppressions]`, or `bridge.uninstall()`. The audit and the ratchet are commands, and do nothing
unless they are run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.suppressions import bridge  # noqa: F401 -- reached as an attribute; until=never
    from quickwins.suppressions._audit import audit, scan_text
    from quickwins.suppressions.baseline import Baseline, BaselineDiff
    from quickwins.suppressions.errors import BaselineError, GitError
    from quickwins.suppressions.formats import Format, rendered
    from quickwins.suppressions.report import Finding, Identity, Report
    from quickwins.suppressions.scan.checks import Check
    from quickwins.suppressions.settings import Allowance, AuditConfig, SuppressionsSettings

__all__ = [
    "Allowance",
    "AuditConfig",
    "Baseline",
    "BaselineDiff",
    "BaselineError",
    "Check",
    "Finding",
    "Format",
    "GitError",
    "Identity",
    "Report",
    "SuppressionsSettings",
    "audit",
    "rendered",
    "scan_text",
]

# pytest loads our plugin in every run, and should load nothing else of ours.
__getattr__, __dir__ = lazily(
    __name__,
    {
        "Allowance": "settings",
        "AuditConfig": "settings",
        "Baseline": "baseline",
        "BaselineDiff": "baseline",
        "BaselineError": "errors",
        "Check": "scan.checks",
        "Finding": "report",
        "Format": "formats",
        "GitError": "errors",
        "Identity": "report",
        "Report": "report",
        "SuppressionsSettings": "settings",
        "audit": "_audit",
        "rendered": "formats",
        "scan_text": "_audit",
    },
    modules=("bridge",),
)
