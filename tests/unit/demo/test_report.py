import re
from dataclasses import replace
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from quickwins.demo.report.page import page, write_page
from quickwins.demo.report.plots import goodput_figure, latency_figure, utilization_figure
from quickwins.demo.report.table import render_table
from quickwins.demo.report.words import headline, milliseconds, percent, slowest_backend, strangers
from quickwins.demo.result import FlipResult
from tests.unit.demo.synthetic import burst, result


class Loaded(HTMLParser):
    """What a browser would fetch for a page."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []
        self.text: list[str] = []
        self._quiet = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._quiet = tag in {"script", "style"}
        self.addresses += [value or "" for name, value in attrs if name in {"src", "href", "data", "action"}]

    def handle_endtag(self, tag: str) -> None:
        self._quiet = False

    def handle_data(self, data: str) -> None:
        if not self._quiet:
            self.text.append(data)


@pytest.fixture(scope="module")
def html() -> str:
    return page(result(burst(failed_at=9.5)))


def test_the_page_loads_nothing_from_anywhere(html: str) -> None:
    loaded = Loaded()
    loaded.feed(html)
    assert loaded.addresses == []
    style = html[html.index("<style>") : html.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_the_page_says_what_came_out_and_how_to_repeat_it(html: str) -> None:
    loaded = Loaded()
    loaded.feed(html)
    text = re.sub(r"\s+", " ", " ".join(loaded.text))
    assert "the feed served" in text
    assert "with one channel 30 of 50, with 3 connections 3 of 50" in text
    assert "quickwins demo --rows 2000 --seed 1" in text
    assert "not met: backpressure turned on: requests failed around it 1, 0" in text
    assert "18 <beta>" in text  # escaped in the source, or the parser would have eaten it


def test_the_page_is_written_into_a_new_folder(tmp_path: Path) -> None:
    path = tmp_path / "new" / "index.html"
    write_page(result(bottleneck=True), path)
    assert "more about it than about the service" in path.read_text(encoding="utf-8")


def test_plots_have_units_and_end_with_the_burst() -> None:
    seen = result(burst(failed_at=9.5))
    goodput = goodput_figure(seen)
    assert goodput.layout.yaxis.title.text == "requests/s"
    assert goodput.layout.xaxis.title.text.startswith("seconds")
    assert {trace.name for trace in goodput.data} >= {"offered", "goodput", "capacity", "failed"}
    assert max(max(trace.x) for trace in goodput.data) <= 20.0
    assert [trace.name for trace in utilization_figure(seen).data] == ["backend1", "backend2", "backend3"]


def test_a_plot_shows_no_bar_for_what_never_happened() -> None:
    labels = latency_figure(result()).data[0].x
    assert "Baseline:<br>accepted" in labels
    assert "Baseline:<br>refused" not in labels


def printed(*, terminal: bool, bottleneck: bool = False) -> str:
    out = StringIO()
    seen = result(bottleneck=bottleneck)
    render_table(seen, Console(file=out, force_terminal=terminal, width=120, color_system=None))
    return out.getvalue()


def test_the_table_is_plain_where_there_is_no_terminal() -> None:
    text = printed(terminal=False)
    assert "goodput by capacity" in text
    assert "p99.9" in text
    assert "╭" not in text
    assert "\x1b" not in text


def test_the_table_has_lines_on_a_terminal() -> None:
    assert "╭" in printed(terminal=True)


def test_the_table_warns_when_the_generator_was_late() -> None:
    assert "load generator itself was late" in printed(terminal=False, bottleneck=True)


def test_the_table_names_every_target_that_was_missed(capsys: pytest.CaptureFixture[str]) -> None:
    render_table(result(burst(protected=False)))
    assert "Not met: Backpressure on: goodput by capacity" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(None, "–"), (0.00412, "4.1 ms"), (0.5, "500 ms"), (1.0019, "1002 ms")],  # noqa: RUF001 -- the dash that is shown; until=never
)
def test_latencies_have_two_figures_at_least(seconds: float | None, expected: str) -> None:
    assert milliseconds(seconds) == expected


def test_shares_are_percentages_and_the_headline_uses_them() -> None:
    assert percent(0.861) == "86 %"
    assert "3 times" in headline(result())
    assert "without protection, and" in headline(result())


def test_other_programs_are_named_when_they_were_busy() -> None:
    # 0.6 of the machine was used in the synthetic baseline, 0.4 of it by the demo.
    assert "Other programs used up to 20 %" in strangers(result())
    quiet = replace(
        result(), phases=[replace(phase, machine_cpu_share=phase.cpu_share) for phase in result().phases]
    )
    assert strangers(quiet) == ""


def test_a_flip_that_nobody_saw_is_called_so() -> None:
    flip = FlipResult("backpressure", on=True, at_seconds=1.0, seen_after_seconds={}, failed=0)
    assert slowest_backend(flip) == "never"
