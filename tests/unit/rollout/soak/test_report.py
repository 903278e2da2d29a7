"""The report of a soak, for people and for programs."""

from __future__ import annotations

import json

from quickwins.rollout.soak import Finding, Report, Verdict, to_html, to_json

MET = Finding("no crash", Verdict.PASS, "No process restarted.", {"restarts": 0})
HOSTILE = Finding(
    "no unexpected error in the logs", Verdict.FAIL, "1 error.", {"<script>alert(1)</script>": 1}
)


def test_the_page_says_the_verdict_and_shows_what_logs_contain_as_text() -> None:
    page = to_html(Report(0.0, 172_800.0, (MET, HOSTILE)))
    assert "<h1>Not ready for a rollout</h1>" in page
    assert "48.0 hours from 1970-01-01 00:00 UTC" in page
    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_the_page_of_a_soak_that_showed_everything_says_so() -> None:
    assert "<h1>Ready for a rollout</h1>" in to_html(Report(0.0, 60.0, (MET,)))


def test_the_document_has_every_finding_with_its_evidence() -> None:
    document = json.loads(to_json(Report(5.0, 60.0, (MET, HOSTILE))))
    assert document["passed"] is False
    assert [one["verdict"] for one in document["findings"]] == ["pass", "fail"]
    assert document["findings"][0]["evidence"] == {"restarts": 0}
