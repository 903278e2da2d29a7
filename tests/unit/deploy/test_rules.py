"""Rules name what the code declares; each alert says whom to wake, and has cases and a page."""

from __future__ import annotations

import re
from functools import cache
from typing import Any

import pytest
import yaml

from tests.promql import RULES, TESTS, alerts, named, rules, strangers

PAGES = RULES[0].parents[3] / "docs" / "runbooks"
SECTIONS = [
    "What it means",
    "How to confirm",
    "What to do",
    "How to turn the feature off",
    "Who is affected",
]


def slug(alert: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "-", alert.removeprefix("QuickWins")).lower()


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule.get("alert") or rule["record"])
def test_a_rule_names_only_what_is_declared_or_recorded(rule: dict[str, Any]) -> None:
    assert [*named(rule["expr"])]
    assert strangers(rule["expr"]) == []


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        pytest.param("sum by (service) (rate(db_pool_nested_totl[5m]))", ["db_pool_nested_totl"], id="typo"),
        pytest.param('grpc_pool_members{stat="ready"} > 0.5', ["grpc_pool_members{stat}"], id="label"),
        pytest.param("db_pool_held_seconds", ["db_pool_held_seconds"], id="no part of a histogram"),
        pytest.param('db_pool_held_seconds_bucket{le="1",pid="7"} offset 1w', [], id="all there"),
        pytest.param("up == bool 0 and on (job) service:nothing:sum", ["service:nothing:sum"], id="no rule"),
    ],
)
def test_what_nobody_declares_is_found(expression: str, found: list[str]) -> None:
    assert strangers(expression) == found


@pytest.mark.parametrize(("name", "alert"), alerts().items(), ids=alerts())
def test_an_alert_says_how_urgent_it_is_for_how_long_and_where_its_page_is(
    name: str, alert: dict[str, Any]
) -> None:
    assert name.startswith("QuickWins")
    assert alert["labels"]["severity"] in {"page", "ticket"}
    assert "for" in alert
    assert alert["annotations"]["summary"]
    assert alert["annotations"]["runbook_url"] == f"{{{{ $externalLabels.runbooks }}}}/{slug(name)}/"


@cache
def cases() -> dict[str, list[tuple[bool, bool]]]:
    """For each alert: whether a case has series at all, and whether the alert fires in it."""
    found: dict[str, list[tuple[bool, bool]]] = {}
    for path in TESTS.glob("*_test.yml"):
        for group in yaml.safe_load(path.read_text())["tests"]:
            for one in group.get("alert_rule_test", ()):
                case = (bool(group["input_series"]), bool(one["exp_alerts"]))
                found.setdefault(one["alertname"], []).append(case)
    return found


@pytest.mark.parametrize("name", alerts())
def test_an_alert_has_cases_in_which_it_fires_in_which_it_is_quiet_and_without_any_series(name: str) -> None:
    assert {(True, True), (True, False)} <= {*cases()[name]}
    assert [fires for some, fires in cases()[name] if not some] == [name == "QuickWinsMetricsAbsent"]


def test_every_alert_has_a_page_and_every_page_an_alert() -> None:
    assert {path.stem for path in PAGES.glob("*.md")} == {slug(name) for name in alerts()}


@pytest.mark.parametrize("name", alerts())
def test_a_page_has_the_sections_that_one_needs_at_night_each_with_something_in_it(name: str) -> None:
    title, *parts = re.split(r"^##? ", (PAGES / f"{slug(name)}.md").read_text(), flags=re.MULTILINE)[1:]
    assert title.strip() == name
    assert [part.partition("\n")[0] for part in parts] == SECTIONS
    assert all(part.partition("\n")[2].strip() for part in parts)


@pytest.mark.parametrize("name", alerts())
def test_the_queries_of_a_page_name_only_what_is_declared_or_recorded(name: str) -> None:
    confirm = (PAGES / f"{slug(name)}.md").read_text().partition("## What to do")[0]
    block = re.search(r"```text\n(.*?)```", confirm, re.DOTALL)
    assert block
    for query in block[1].splitlines():
        assert strangers(query) == [], query


def test_all_alerts_on_the_budget_fire_at_the_rate_that_uses_up_its_share_in_its_window() -> None:
    hours = {"1h": 1, "6h": 6, "1d": 24, "3d": 72}
    shares = {}
    for name, alert in alerts().items():
        found = re.findall(r"ratio_rate(\w+) > ([\d.]+) \* 0\.002", alert["expr"])
        if found:
            (short, factor), (long, again) = found
            assert factor == again
            shares[name] = (short, long, round(float(factor) * hours[long] / (30 * 24), 3))
    assert [*shares.values()] == [
        ("5m", "1h", 0.02),
        ("30m", "6h", 0.05),
        ("2h", "1d", 0.1),
        ("6h", "3d", 0.1),
    ]
