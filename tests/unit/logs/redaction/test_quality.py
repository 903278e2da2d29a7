"""The limits of what leaks and of what is hidden in vain, on packed corpora; `benchmarks.logs.redaction_quality` prints the table."""

from __future__ import annotations

import pytest

from benchmarks.logs.redaction_quality import names, secrets, wrong_hiding
from quickwins.logs.redaction import Redaction
from quickwins.rig import Target
from tests.unit.logs.redaction.quality import measure


@pytest.mark.no_cover  # tracing takes longer than the texts
def test_the_limits_hold() -> None:
    strict = Redaction.strict()
    missed: list[Target] = [
        target for target in (*secrets(strict, show=False), *wrong_hiding(strict), *names()) if not target.met
    ]
    assert missed == []


def test_without_redaction_all_of_it_leaks() -> None:
    """The control: the judge sees what is there."""
    cases = [case for case in measure.load("secrets")[::40] if "bytes" not in str(case["fields"])]
    shown = [case for case in cases if measure.leaks(case, Redaction.none())]
    assert len(shown) > 0.9 * len([case for case in cases if "$exception" not in str(case["fields"])])


def test_relaxed_errs_the_other_way() -> None:
    strict, relaxed = (
        sum(bool(measure.loses(case, redaction)) for case in measure.load("clean"))
        for redaction in (Redaction.strict(), Redaction.relaxed())
    )
    assert relaxed < strict
    cases = [case for case in measure.load("secrets") if case["area"] == "context"]
    leaking = [
        sum(bool(measure.leaks(case, one)) for case in cases)
        for one in (Redaction.strict(), Redaction.relaxed())
    ]
    assert leaking[0] < leaking[1] < len(cases) / 10
