"""The page's plots, as plotly figures."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickwins.core.errors import needs_extra
from quickwins.demo.report.words import milliseconds
from quickwins.rig import Outcome

with needs_extra("demo"):
    from plotly import graph_objects

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickwins.demo.result import DemoResult, Figures
    from quickwins.rig import Bucket, LatencySummary

# Colour-blind people can tell these apart too (Okabe and Ito, "Color Universal Design", 2008).
_COLOURS = {
    "offered": "#555555",
    "ok": "#009E73",
    "rejected": "#E69F00",
    "timed_out": "#D55E00",
    "failed": "#000000",
    "capacity": "#0072B2",
}
_BACKEND_COLOURS = ("#0072B2", "#56B4E9", "#CC79A7")
_SLICE_SECONDS = 1.0
_QUANTILES = (("p50", "p50_seconds"), ("p99", "p99_seconds"), ("p99.9", "p999_seconds"))


def goodput_figure(result: DemoResult) -> graph_objects.Figure:
    """Offered load, capacity, goodput, refusals and time-outs over the burst, in requests/s."""
    figure = _over_time(result, "requests/s")
    slices = _slices(result)
    times = [time for time, _ in slices]

    def line(name: str, key: str, rate: Callable[[list[Bucket]], int], **style: Any) -> None:
        figure.add_scatter(
            x=times,
            y=[rate(buckets) / _SLICE_SECONDS for _, buckets in slices],
            name=name,
            mode="lines",
            line={"color": _COLOURS[key], "shape": "hvh", **style},
        )

    line("offered", "offered", lambda buckets: sum(each.offered for each in buckets), width=1.5)
    line("timed out", "timed_out", lambda buckets: sum(each.timed_out for each in buckets), width=1.5)
    line("refused at once", "rejected", lambda buckets: sum(each.rejected for each in buckets), width=1.5)
    line("goodput", "ok", lambda buckets: sum(each.ok for each in buckets), width=4)
    if any(bucket.failed for bucket in result.timeline):
        line("failed", "failed", lambda buckets: sum(each.failed for each in buckets), width=2)
    figure.add_scatter(
        x=[0, result.phases[-1].settled.end_seconds],
        y=[result.capacity_per_second] * 2,
        name="capacity",
        mode="lines",
        line={"color": _COLOURS["capacity"], "dash": "dash", "width": 2},
    )
    return figure


def utilization_figure(result: DemoResult) -> graph_objects.Figure:
    """The share of each pool's connections in use over the burst."""
    figure = _over_time(result, "connections in use, %")
    backends = sorted({sample.backend for sample in result.samples})
    for backend, colour in zip(backends, _BACKEND_COLOURS, strict=False):
        samples = [sample for sample in result.samples if sample.backend == backend]
        figure.add_scatter(
            x=[sample.at_seconds for sample in samples],
            y=[sample.utilization * 100 for sample in samples],
            name=backend,
            mode="lines",
            line={"color": colour, "width": 1.5, "shape": "hv"},
        )
    figure.update_yaxes(range=[0, 109])
    return figure


def latency_figure(result: DemoResult) -> graph_objects.Figure:
    """Percentiles of how long requests took, by phase and outcome, on a logarithmic axis."""
    figure = graph_objects.Figure()
    groups: list[tuple[str, Outcome, str, str]] = []
    for phase in result.phases:
        groups += [
            (phase.name, Outcome.OK, f"{phase.title}:<br>accepted", _COLOURS["ok"]),
            (phase.name, Outcome.REJECTED, f"{phase.title}:<br>refused", _COLOURS["rejected"]),
            (phase.name, Outcome.TIMED_OUT, f"{phase.title}:<br>gave up", _COLOURS["timed_out"]),
        ]
    summaries = [(label, colour, _summary(result, name, outcome)) for name, outcome, label, colour in groups]
    shown = [(label, colour, summary) for label, colour, summary in summaries if summary.count]
    for (quantile, attribute), opacity in zip(_QUANTILES, (0.5, 0.75, 1.0), strict=True):
        values = [1000 * getattr(summary, attribute) for _, _, summary in shown]
        figure.add_bar(
            x=[label for label, _, _ in shown],
            y=values,
            name=quantile,
            marker={"color": [colour for _, colour, _ in shown], "opacity": opacity},
            text=[f"{quantile}<br>{milliseconds(value / 1000)}" for value in values],
            constraintext="none",
            textangle=0,
            textfont={"size": 11},
            textposition="outside",
            cliponaxis=False,
        )
    figure.update_layout(_layout(), barmode="group", showlegend=False)
    figure.update_yaxes(type="log", title="ms (logarithmic)", dtick=1)
    return figure


def _summary(result: DemoResult, phase: str, outcome: Outcome) -> LatencySummary:
    settled: Figures = result.phase(phase).settled
    return settled.latency[outcome]


def _slices(result: DemoResult) -> list[tuple[float, list[Bucket]]]:
    """The timeline in slices of a second, each with its middle, up to the end of the last phase."""
    found: dict[int, list[Bucket]] = {}
    for bucket in result.timeline:
        if bucket.start_seconds < result.phases[-1].settled.end_seconds:
            found.setdefault(int(bucket.start_seconds / _SLICE_SECONDS), []).append(bucket)
    return [((number + 0.5) * _SLICE_SECONDS, buckets) for number, buckets in sorted(found.items())]


def _over_time(result: DemoResult, title: str) -> graph_objects.Figure:
    figure = graph_objects.Figure()
    figure.update_layout(_layout())
    figure.update_xaxes(
        title="seconds since the burst began", range=[0, result.phases[-1].settled.end_seconds]
    )
    figure.update_yaxes(title=title, rangemode="tozero")
    for phase in result.phases:
        settling = phase.settling
        figure.add_vrect(
            x0=settling.start_seconds,
            x1=settling.end_seconds,
            fillcolor="#999999",
            opacity=0.15,
            line_width=0,
        )
        figure.add_annotation(
            x=(settling.start_seconds + phase.settled.end_seconds) / 2,
            y=1.0,
            yref="paper",
            yanchor="bottom",
            showarrow=False,
            text=f"<b>{phase.title}</b>",
        )
    for flip in result.flips:
        figure.add_vline(x=flip.at_seconds, line={"color": "#333333", "dash": "dot", "width": 2})
    return figure


def _layout() -> dict[str, Any]:
    return {
        "template": "plotly_white",
        "height": 400,
        "margin": {"l": 70, "r": 20, "t": 40, "b": 50},
        "font": {"family": "system-ui, sans-serif", "size": 14},
        "legend": {"orientation": "h", "y": -0.18},
    }
