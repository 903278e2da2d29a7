"""`quickwins demo`; the demo itself is made up here and has tests of its own."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import quickwins.demo
from quickwins.demo import DemoOptions
from quickwins.engines import EngineError
from tests.unit.cli.conftest import Answer

Call = Callable[..., Answer]


@dataclass
class Result:
    met: bool = True

    def to_dict(self) -> dict[str, object]:
        return {"met": self.met}


class Stage:
    """Stands in for the demo's room."""

    def __init__(self) -> None:
        self.result = Result()
        self.options: list[DemoOptions] = []
        self.error: BaseException | None = None
        self.page_error: OSError | None = None

    def run_demo(self, options: DemoOptions, progress: Callable[[str], None]) -> Result:
        self.options.append(options)
        progress("starting")
        if self.error is not None:
            raise self.error
        return self.result

    def render_table(self, result: Result) -> None:
        print("the table")

    def write_page(self, result: Result, path: Path) -> None:
        if self.page_error is not None:
            raise self.page_error
        path.write_text("the page")


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    made = Stage()
    for name in ("run_demo", "render_table", "write_page"):
        monkeypatch.setitem(vars(quickwins.demo), name, getattr(made, name))
    return made


def test_prints_the_table_and_writes_page_and_figures(quickwins: Call, stage: Stage, folder: Path) -> None:
    answer = quickwins("demo", "--rows", "100", "--seed", "7", "--output", "reports/first", "--fast")

    assert answer.code == 0
    assert answer.out == "the table\n"
    assert stage.options == [DemoOptions(rows=100, seed=7, output=Path("reports/first"), fast=True)]
    assert (folder / "reports/first/index.html").read_text() == "the page"
    assert json.loads((folder / "reports/first/result.json").read_text()) == {"met": True}
    assert answer.err.splitlines()[0] == "quickwins: starting"
    assert "reports/first/index.html" in answer.err


def test_without_options_it_is_the_demos_own_defaults(quickwins: Call, stage: Stage) -> None:
    assert quickwins("demo").code == 0
    assert stage.options == [DemoOptions()]


def test_json_is_all_that_is_on_stdout(quickwins: Call, stage: Stage) -> None:
    assert quickwins("demo", "--json").document == {"met": True}


def test_a_missed_target_ends_with_3(quickwins: Call, stage: Stage) -> None:
    stage.result.met = False

    assert quickwins("demo").code == 3


def test_an_output_that_cannot_be_made_is_refused_before_the_run(
    quickwins: Call, stage: Stage, folder: Path
) -> None:
    (folder / "taken").write_text("")

    answer = quickwins("demo", "--output", "taken/report")

    assert answer.code == 2
    assert "choose another folder with --output" in answer.err
    assert stage.options == []


def test_a_run_that_fails_ends_with_5_and_leaves_no_folder(
    quickwins: Call, stage: Stage, folder: Path
) -> None:
    stage.error = EngineError("postgres ended with status 1")

    answer = quickwins("demo")

    assert answer.code == 5
    assert "postgres ended with status 1" in answer.err
    assert list(folder.iterdir()) == []


def test_a_page_that_cannot_be_written_costs_the_page_but_not_the_table(
    quickwins: Call, stage: Stage
) -> None:
    stage.page_error = OSError(28, "No space left on device")

    answer = quickwins("demo")

    assert answer.code == 5
    assert answer.out == "the table\n"
    assert "quickwins-demo: No space left on device; the page is not written" in answer.err


def test_ctrl_c_ends_with_130(quickwins: Call, stage: Stage) -> None:
    stage.error = KeyboardInterrupt()

    assert quickwins("demo").code == 130


@pytest.mark.parametrize("rows", ["0", "10000001", "many"])
def test_rows_out_of_range_end_with_2(quickwins: Call, stage: Stage, rows: str) -> None:
    assert quickwins("demo", "--rows", rows).code == 2
    assert stage.options == []
