"""The soak in staging: watch for two days, and say of each criterion whether it was met, with the evidence.

`quickwins rollout soak --for 48h` scrapes every process, follows the logs and reads the report of the tests. Whatever was not
seen is no success: a gate that never had to refuse, a cache that nobody asked, a process that didn't answer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.rollout.soak.criteria import Criteria, Finding, Report, Verdict, judge
    from quickwins.rollout.soak.evidence import Evidence, Hits, Pool, Suite
    from quickwins.rollout.soak.report import to_html, to_json
    from quickwins.rollout.soak.run import Soak
    from quickwins.rollout.soak.watch import Watch

__all__ = [
    "Criteria",
    "Evidence",
    "Finding",
    "Hits",
    "Pool",
    "Report",
    "Soak",
    "Suite",
    "Verdict",
    "Watch",
    "judge",
    "to_html",
    "to_json",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "Criteria": "criteria",
        "Evidence": "evidence",
        "Finding": "criteria",
        "Hits": "evidence",
        "Pool": "evidence",
        "Report": "criteria",
        "Soak": "run",
        "Suite": "evidence",
        "Verdict": "criteria",
        "Watch": "watch",
        "judge": "criteria",
        "to_html": "report",
        "to_json": "report",
    },
)
