"""A soak as a caller writes it: run, or judged from what was seen elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import assert_type

from quickwins.rollout.soak import (
    Criteria,
    Evidence,
    Finding,
    Hits,
    Pool,
    Report,
    Soak,
    Suite,
    Verdict,
    Watch,
    judge,
    to_html,
    to_json,
)


async def watched(targets: list[str]) -> str:
    soak = Soak(
        Criteria(for_seconds=172_800), targets=targets, logs=[Path("feed.log")], expected={"cache.cold"}
    )
    await soak.run()
    report = soak.report()
    assert_type(report, Report)
    return to_html(report) if report.passed else to_json(report)


def judged(tests: Suite) -> list[Finding]:
    evidence = Evidence(
        172_800.0, tests=tests, pools={"feed": Pool(refused=3)}, hits={"PUBLIC": Hits(640, 360)}
    )
    report = judge(evidence, Criteria(), began=0.0)
    return [one for one in report.findings if one.verdict is not Verdict.PASS]


def by_hand() -> Watch:
    watch = Watch(3600.0)
    watch.missed()
    watch.page("api-1", 15.0, [("up", {}, 1.0)])
    return watch
