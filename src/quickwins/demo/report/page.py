"""The result as one self-contained page, which opens without a network, years from now too."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from quickwins.core.errors import needs_extra
from quickwins.demo.report.plots import goodput_figure, latency_figure, utilization_figure
from quickwins.demo.report.table import rows
from quickwins.demo.report.words import (
    cached,
    duplicates,
    flipped,
    headline,
    indexes,
    milliseconds,
    outage,
    plain_number,
    strangers,
)

with needs_extra("demo"):
    from plotly.io import to_html
    from plotly.offline import get_plotlyjs

if TYPE_CHECKING:
    from pathlib import Path

    from plotly import graph_objects

    from quickwins.demo.result import DemoResult, DuplicatesResult

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; color: #222; max-width: 1000px; margin: 2rem auto; padding: 0 1rem; }
h1 { line-height: 1.2; } h2 { margin-top: 2.5rem; } p { max-width: 46rem; }
table { border-collapse: collapse; } td, th { padding: .25rem .9rem; border-bottom: 1px solid #ddd; text-align: right; }
td:first-child, th:first-child { text-align: left; padding-left: 0; white-space: pre; }
code { background: #f3f3f3; padding: .1rem .3rem; } .met { color: #00694d; } .missed { color: #b00020; }
"""


def write_page(result: DemoResult, path: Path) -> None:
    """Write the page.

    Args:
        result: Of a run.
        path: The file, overwritten if it exists; its folder is created if missing. About 5 MB, with the plotting
            library inside.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page(result), encoding="utf-8")


def page(result: DemoResult) -> str:
    """The page as HTML."""
    setting = result.setting
    phases = "".join(
        f"<li><b>{escape(phase.title)}</b>: {escape(phase.description)}</li>" for phase in result.phases
    )
    return f"""<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>quickwins: a feed at {setting.overload_factor:g} times its capacity</title>
<style>{_STYLE}</style><script>{get_plotlyjs()}</script></head><body>
<h1>A feed at {setting.overload_factor:g} times its capacity</h1>
<p><b>{escape(headline(result))}</b></p>
<p>One uninterrupted burst of requests hits a small social feed: a GraphQL gateway, three feed backends, one
PostgreSQL. Half-way through, one line in a configuration file changes; no process is restarted.</p>
<ul>{phases}</ul>
{_table(result)}
{_flips(result)}
<h2>What came in, and what came out</h2>
<p>Requests per second, by when they ended. Goodput counts only feeds that reached clients who were still waiting. The
dashed line is the most the bare pools can do, the dotted line marks the flip. Grey stretches are settling, and left out of
the table.</p>
{_plot(goodput_figure(result))}
<h2>How long clients waited</h2>
<p>From the moment a request was due. Half of the requests were faster than p50, all but one in a hundred faster than p99,
all but one in a thousand faster than p99.9. The axis is logarithmic: a refusal costs a client milliseconds, giving up costs
a second.</p>
{_plot(latency_figure(result))}
<h2>How full the pools were</h2>
<p>Connections in use in each backend, from its metrics. Both phases keep the pools busy, but in the baseline many of the
clients have left by the time the answer comes.</p>
{_plot(utilization_figure(result))}
{_others(result)}
{_method(result)}
</body></html>
"""


def _others(result: DemoResult) -> str:
    return f"""<h2>When backends fail</h2>
<p><b>{escape(outage(result.outage))}</b></p>
<p>After the burst, the same feeds are asked for over gRPC alone, {
        result.outage.duration_seconds:.0f} s long and at a rate that
one backend can serve, both ways at once. A balancer of connections stands in front of the three, as a ClusterIP does: it
knows nothing of requests. After {result.outage.killed_at_seconds:.1f} s a backend is killed, after {
        result.outage.stopped_at_seconds:.1f} s another
is stopped; its system goes on accepting, so that a channel that is connected to it stays where it is, and each call on it
waits for its deadline.</p>
<h2>When indexes are missing</h2>
<p><b>{escape(indexes(result.indexes))}</b></p>
<p>At the end, in a database of its own: one reader asks for one feed after the other, and posts are written at a steady rate,
while <code>quickwins indexes</code> applies 090 and 091. Then it takes both back.</p>
<h2>When events come twice</h2>
<p><b>{escape(duplicates(result.duplicates))}</b></p>
{_counters(result.duplicates)}
<p>A connector that starts again sends what it had sent, as new records. Two projectors add up the same records in databases of
their own, one with the flag of <code>[dedup]</code> off and one with it on, and both are killed (SIGKILL) while they count.</p>
<h2>When the same is asked again</h2>
<p><b>{escape(cached(result.cache))}</b></p>
<p>In a database of its own: feeds, profiles, posts and searches, by users and for things that are drawn by Zipf's law, with a
change in between now and then; the same requests twice, with the flag of <code>[query_cache]</code> off and on. After each
answer the database is asked what it should have been.</p>"""


def _method(result: DemoResult) -> str:
    setting = result.setting
    versions = ", ".join(f"{name} {number}" for name, number in setting.versions.items())
    return f"""<h2>How it was measured</h2>
<ul>
<li><b>Capacity</b> is what the bare pools of all backends reach together with one worker per connection, each asking again
once answered: {result.capacity_per_second:.1f} requests/s here.</li>
<li><b>The load</b> does not wait for answers: clients arrive at random at {
        setting.overload_factor:g} times that rate and give
up after {
        setting.timeout_seconds:g} s. The gateway passes the deadline on, so an abandoned query is cancelled.</li>
<li><b>A query</b> takes one connection and holds it for {
        milliseconds(setting.service_seconds)
    } on top of its own
work, as if it waited for disks and locks. That time was chosen for this machine: a request costs
{setting.cpu_seconds_per_request * 1000:.1f} ms of CPU, and the burst should leave half of the {
        setting.core_count
    }
cores idle, so that the pools are what is full.</li>
<li><b>All queries take equally long</b> here, and so a first-come, first-served queue under overload starts each query just
too late for its client. Where lengths vary a lot, the shortest still get through, and the baseline loses less.</li>
<li><b>Settling</b>: the first {
        setting.settling_seconds:.2f} s of each phase: a client's patience plus one query. After
the flip, callers who queued before it are still served in order; none is thrown out.</li>
<li>The load generator sent 99 of 100 requests no later than {
        milliseconds(result.generator_lateness_p99_seconds)
    } after
they were due{
        "; that is too late: the figures say more about it than about the service"
        if result.generator_was_bottleneck
        else ""
    }.</li>
</ul>
<p>{setting.rows:,} posts of {setting.users:,} users; {len(result.capacity_by_backend)} pools of {
        setting.pool_size
    } connections. {escape(versions)}.
The run took {result.wall_seconds:.0f} s. {strangers(result)} Repeat it with <code>{
        escape(setting.command)
    }</code></p>"""


def _table(result: DemoResult) -> str:
    titles = "".join(f"<th>{escape(phase.title)}</th>" for phase in result.phases)
    lines = "".join(
        f"<tr><td>{escape(name)}</td>{''.join(f'<td>{escape(value)}</td>' for value in values)}</tr>"
        for name, values in rows(result)
    )
    met = "".join(
        f'<li class="{"met" if check.met else "missed"}">{"met" if check.met else "not met"}: {escape(check.name)} '
        f"{plain_number(check.value)}, {escape(check.target)}</li>"
        for check in result.checks
    )
    return f"<table><tr><th></th>{titles}</tr>{lines}</table><h2>Targets</h2><ul>{met}</ul>"


def _counters(result: DuplicatesResult) -> str:
    lines = [
        ("in truth", result.truth, 0),
        *((one.title, one.counted, one.wrong_posts) for one in result.projectors),
    ]
    cells = "".join(
        f"<tr><td>{escape(title)}</td><td>{counted:,}</td><td>{wrong}</td></tr>"
        for title, counted, wrong in lines
    )
    return f"<table><tr><th></th><th>likes</th><th>posts wrong</th></tr>{cells}</table>"


def _flips(result: DemoResult) -> str:
    return "".join(f"<p>{escape(flipped(flip))}</p>" for flip in result.flips)


def _plot(figure: graph_objects.Figure) -> str:
    html: str = to_html(
        figure, full_html=False, include_plotlyjs=False, config={"displayModeBar": False, "responsive": True}
    )
    return html
