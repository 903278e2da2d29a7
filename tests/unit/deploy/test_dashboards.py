"""What the committed dashboards are made of, without a Grafana."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.promql import ROOT, strangers

BOARDS = sorted((ROOT / "deploy" / "grafana" / "dashboards").glob("*.json"))
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def panels(board: Path) -> list[dict[str, Any]]:
    return [panel for panel in json.loads(board.read_text())["panels"] if panel["type"] != "row"]


def sources(part: object) -> list[object]:
    """Every data source anywhere in a dashboard."""
    if isinstance(part, dict):
        here = [part["datasource"]] if "datasource" in part else []
        return here + [found for value in part.values() for found in sources(value)]
    if isinstance(part, list):
        return [found for value in part for found in sources(value)]
    return []


def test_there_is_an_overview_and_one_for_each_feature() -> None:
    assert {board.stem for board in BOARDS} == {
        "overview",
        "backpressure",
        "channels",
        "dedup",
        "indexes",
        "logs",
        "query_cache",
        "suppressions",
    }


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_a_dashboard_asks_whichever_prometheus_the_reader_chooses(board: Path) -> None:
    document = json.loads(board.read_text())
    found = sources(document)
    assert found
    assert [one for one in found if one != SOURCE] == []
    assert [one["name"] for one in document["templating"]["list"]] == ["datasource", "service"]


@pytest.mark.parametrize("board", BOARDS, ids=lambda path: path.stem)
def test_a_panel_names_only_what_is_declared_or_recorded_and_says_what_to_think_of_it(board: Path) -> None:
    for panel in panels(board):
        assert panel["description"], panel["title"]
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert strangers(target["expr"]) == [], panel["title"]


def test_panels_lie_beside_each_other_and_never_over_each_other() -> None:
    for board in BOARDS:
        cells = [
            (x, y)
            for panel in json.loads(board.read_text())["panels"]
            for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
            for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
        ]
        assert len(cells) == len({*cells}), board.stem
        assert all(x < 24 for x, _ in cells), board.stem


def test_the_targets_of_the_success_metrics_are_on_the_overview() -> None:
    board = next(one for one in BOARDS if one.stem == "overview")
    steps = {
        panel["title"]: panel["fieldConfig"]["defaults"]["thresholds"]["steps"][1]["value"]
        for panel in panels(board)
        if panel["type"] == "stat"
    }
    assert steps == {
        "P99, one hour": 0.3,
        "Errors, five minutes": 0.002,
        "Errors and refusals, five minutes": 0.002,
        "Cascades today": 1,
        "Cache hits, one hour": 0.6,
        "Fullest pool": 0.85,
    }
