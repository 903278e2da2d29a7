"""The report of a soak, as JSON and as one page that needs nothing else."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from html import escape
from typing import TYPE_CHECKING

from quickwins.rollout.soak.criteria import Verdict

if TYPE_CHECKING:
    from quickwins.rollout.soak.criteria import Finding, Report

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { padding: .4rem .8rem; border-bottom: 1px solid #ddd; text-align: left; vertical-align: top; }
pre { margin: 0; white-space: pre-wrap; font-size: .85rem; }
.pass { color: #00694d; } .fail { color: #b00020; } .no_data { color: #8a5a00; }
"""
_WORDS = {Verdict.PASS: "met", Verdict.FAIL: "not met", Verdict.NO_DATA: "not shown"}


def to_json(report: Report) -> str:
    """The report as a JSON document."""
    return json.dumps({"passed": report.passed, **asdict(report)}, indent=2, default=str) + "\n"


def to_html(report: Report) -> str:
    """The report as a page."""
    began = datetime.fromtimestamp(report.began, UTC).strftime("%Y-%m-%d %H:%M UTC")
    headline = "Ready for a rollout" if report.passed else "Not ready for a rollout"
    rows = "\n".join(map(_row, report.findings))
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Soak: {headline.lower()}</title><style>{_STYLE}</style></head><body>
<h1>{headline}</h1>
<p>Watched for {report.seconds / 3600:.1f} hours from {began} on.</p>
<table><thead><tr><th>Criterion</th><th>Verdict</th><th>Why</th><th>Evidence</th></tr></thead><tbody>
{rows}
</tbody></table></body></html>
"""


def _row(finding: Finding) -> str:
    numbers = json.dumps(finding.evidence, indent=1, default=str)
    return (
        f'<tr><td>{escape(finding.criterion)}</td><td class="{finding.verdict}">{_WORDS[finding.verdict]}</td>'
        f"<td>{escape(finding.says)}</td><td><pre>{escape(numbers)}</pre></td></tr>"
    )
