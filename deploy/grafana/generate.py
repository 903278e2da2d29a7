"""Writes the dashboards: `panels.py` through Grafana's own SDK into `dashboards/*.json`.

python deploy/grafana/generate.py          write them
python deploy/grafana/generate.py --check  exit 3 when they are not up to date
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from grafana_foundation_sdk.builders import prometheus, stat, timeseries
from grafana_foundation_sdk.builders.dashboard import (
    Dashboard,
    DashboardLink,
    DatasourceVariable,
    QueryVariable,
    Row,
    ThresholdsConfig,
)
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import (
    DashboardLinkType,
    DataSourceRef,
    Threshold,
    ThresholdsMode,
    VariableOption,
    VariableRefresh,
)

sys.path.insert(0, str(Path(__file__).parents[2]))

from deploy.grafana.panels import BOARDS, Board, Panel

FOLDER: Final = Path(__file__).with_name("dashboards")
TAG: Final = "quickwins"
SOURCE: Final = DataSourceRef("prometheus", "${datasource}")
"""Whichever Prometheus the reader chooses."""
WIDTH: Final = 24
GOOD, BAD = "green", "red"


def dashboard(board: Board) -> Dashboard:
    """One dashboard with its variables, rows and panels."""
    services = (
        QueryVariable("service")
        .datasource(SOURCE)
        .query("label_values(quickwins_flag, service)")
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
        .multi(True)
        .include_all(True)
        .all_value(".*")
        .current(VariableOption(text="All", value="$__all"))
    )
    made = (
        Dashboard(board.title)
        .uid(f"{TAG}-{board.name}")
        .description(board.description)
        .tags([TAG])
        .refresh("1m")
        .time("now-3h", "now")
        .with_variable(DatasourceVariable("datasource").type("prometheus"))
        .with_variable(services)
        .link(
            DashboardLink("quickwins")
            .type(DashboardLinkType.DASHBOARDS)
            .tags([TAG])
            .as_dropdown(True)
            .include_vars(True)
            .keep_time(True)
        )
    )
    for title, panels in board.rows.items():
        made.with_row(Row(title))
        for number, one in enumerate(panels):
            made.with_panel(panel(one, _width(number, len(panels))))
    return made


def panel(one: Panel, width: int) -> stat.Panel | timeseries.Panel:
    """A number with its target, or a graph."""
    made: stat.Panel | timeseries.Panel
    if one.target is None:
        made = timeseries.Panel().height(8)
    else:
        low, high = (BAD, GOOD) if one.low else (GOOD, BAD)
        steps = [Threshold(None, low), Threshold(one.target, high)]
        made = (
            stat.Panel().height(5).thresholds(ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps))
        )
    made.title(one.title).description(one.description).unit(one.unit).datasource(SOURCE).span(width)
    for letter, (legend, expression) in zip("ABCDEFGH", one.queries.items(), strict=False):
        made.with_target(
            prometheus.Dataquery().ref_id(letter).expr(expression).legend_format(legend).datasource(SOURCE)
        )
    return made


def _width(number: int, all_of_them: int) -> int:
    """Four beside each other, or three where that makes the lines even; each line is full."""
    line = min(all_of_them, 4 if all_of_them % 3 else 3)
    each, rest = divmod(WIDTH, line)
    return each + (rest if number % line == line - 1 else 0)


def main(arguments: list[str]) -> int:
    """Write the files, or say which ones are stale."""
    texts = {
        f"{board.name}.json": JSONEncoder(sort_keys=True, indent=2).encode(dashboard(board).build()) + "\n"
        for board in BOARDS
    }
    found = {path.name: path.read_text() for path in FOLDER.glob("*.json")}
    if arguments == ["--check"]:
        stale = sorted(name for name in texts.keys() | found.keys() if texts.get(name) != found.get(name))
        if stale:
            print(f"not up to date: {', '.join(stale)}; run `make generate`")
        return 3 if stale else 0
    FOLDER.mkdir(exist_ok=True)
    for name in found.keys() - texts.keys():
        (FOLDER / name).unlink()
    for name, text in texts.items():
        (FOLDER / name).write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
