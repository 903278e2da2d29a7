"""A real Prometheus that scrapes every series loads the rules, and has something for every panel."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.eventually import wait_until
from tests.monitoring import STOP_SECONDS, Prometheus, prometheus
from tests.promql import ROOT, alerts

BOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))


class Query(NamedTuple):
    """What one panel asks."""

    place: str
    expression: str


def queries(board: Path) -> Iterator[Query]:
    for panel in json.loads(board.read_text())["panels"]:
        for target in panel.get("targets", ()):
            expression = target["expr"].replace("$__rate_interval", "10s").replace("$service", ".*")
            yield Query(f"{board.stem}: {panel['title']}: {target['legendFormat']}", expression)


@pytest.fixture(scope="module")
def scraping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """A Prometheus that scrapes a process in which each feature does something."""
    folder = tmp_path_factory.mktemp("monitoring")
    program = [sys.executable, "-m", "tests.integration.core.metrics.everything"]
    with (folder / "everything.log").open("wb") as log:
        everything = subprocess.Popen(
            [*program, str(folder / "quickwins.toml"), "serve"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
        )
        try:
            assert everything.stdout is not None
            everything.stdout.readline()
            with prometheus(folder, {"api": int(everything.stdout.readline())}) as running:
                yield running
        finally:
            everything.communicate(timeout=STOP_SECONDS)


def something(scraping: Prometheus, expression: str) -> bool:
    """Whether a panel would draw a line."""
    return any(math.isfinite(value) for _, value in scraping.query(expression))


def test_every_panel_has_something_to_show(scraping: Prometheus) -> None:
    missing = [query for board in BOARDS for query in queries(board)]
    assert len(missing) > len(BOARDS)

    def all_shown() -> bool:
        missing[:] = [query for query in missing if not something(scraping, query.expression)]
        return not missing

    wait_until(all_shown, missing, look_seconds=0.5)


def test_every_rule_is_loaded_and_can_be_evaluated(scraping: Prometheus) -> None:
    def loaded() -> list[dict[str, str]]:
        return [rule for group in scraping.get("rules")["groups"] for rule in group["rules"]]

    wait_until(lambda: all(rule["health"] != "unknown" for rule in loaded()), loaded)
    assert {rule["name"] for rule in loaded() if rule["type"] == "alerting"} == {*alerts()}
    assert [rule for rule in loaded() if rule["health"] != "ok"] == []
