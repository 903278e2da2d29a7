"""Numbers as people read them, for the table and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quickwins.demo.result import (
        CacheResult,
        DemoResult,
        DuplicatesResult,
        FlipResult,
        IndexResult,
        OutageResult,
        PhaseResult,
    )
    from quickwins.rig import Outcome

NONE = "–"  # noqa: RUF001 -- a dash wide enough for a table; until=never

_NOTICEABLE_SHARE = 0.15


def milliseconds(seconds: float | None) -> str:
    """A latency; a dash when there was none to measure."""
    if seconds is None:
        return NONE
    value = seconds * 1000
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"  # noqa: PLR2004 -- two figures at least; until=never


def percent(share: float) -> str:
    """A share of one."""
    return f"{share * 100:.0f} %"


def share_of_answers(phase: PhaseResult, outcome: Outcome) -> str:
    """How many of the settled requests ended like this, and what share of all of them."""
    latency = phase.settled.latency
    total = sum(summary.count for summary in latency.values())
    count = latency[outcome].count
    return f"{count} ({percent(count / total)})" if count else "0"


def plain_number(value: float) -> str:
    """A number with at most two decimals."""
    return f"{round(value, 2):g}"


def slowest_backend(flip: FlipResult) -> str:
    """How long it took the last backend to show a flip."""
    seen = flip.seen_after_seconds.values()
    return f"{max(seen):.2f} s" if seen else "never"


def flipped(flip: FlipResult) -> str:
    """What was flipped, when, and what it did, in a sentence or two."""
    return (
        f"{flip.feature} was turned {'on' if flip.on else 'off'} {flip.at_seconds:.1f} s into the burst. The metrics of "
        f"all backends showed it after {slowest_backend(flip)}; {flip.failed} requests failed around it."
    )


def outage(result: OutageResult) -> str:
    """What became of requests while backends failed, in a sentence."""
    told = ", ".join(f"with {one.title} {one.failed} of {one.requests}" for one in result.clients)
    return (
        "Behind one address, one of three backends was killed and another stopped: requests that got no feed in time, "
        f"{told}."
    )


def indexes(result: IndexResult) -> str:
    """What indexes did, and what building them did to those who wrote, in two sentences."""
    return (
        f"Two migrations were applied to {result.rows:,} posts in {result.build_seconds:.1f} s: half of the feeds took "
        f"{milliseconds(result.feed_before.p50_seconds)} before and {milliseconds(result.feed_after.p50_seconds)} after, "
        f"all but one in a hundred {milliseconds(result.feed_before.p99_seconds)} and "
        f"{milliseconds(result.feed_after.p99_seconds)}. Nobody was blocked: of {result.write_building.count} writes "
        f"meanwhile the longest took {milliseconds(result.write_building.max_seconds)}, and {result.failed} failed."
    )


def duplicates(result: DuplicatesResult) -> str:
    """What projectors counted beside the truth, in two sentences."""
    off, on = result.projectors
    return (
        f"{result.truth:,} likes came as {result.records:,} change events, {percent(result.duplicates / result.records)} of "
        f"them duplicates, to projectors that were killed {result.kills} times. Counted with {off.title}: {off.counted:,}, "
        f"{off.wrong_posts} posts wrong; with {on.title}: {on.counted:,}, {on.wrong_posts} wrong."
    )


def cached(result: CacheResult) -> str:
    """What the query cache saved, and whether it was ever wrong, in two sentences."""
    rates = ", ".join(f"{name} {percent(rate)}" for name, rate in result.policies.items())
    return (
        f"{result.requests:,} requests, {result.mutations} of them mutations, sent {result.queries_without:,} queries to the "
        f"database without the query cache, and {result.queries_with:,} with it: {percent(result.saved)} fewer. Answers that "
        f"were not executed, by policy: {rates}; answers that the database had changed since: {result.outdated}."
    )


def strangers(result: DemoResult) -> str:
    """What to say of other programs on this machine; nothing if they were hardly busy."""
    share = max(phase.machine_cpu_share - phase.cpu_share for phase in result.phases)
    if share < _NOTICEABLE_SHARE:
        return ""
    return f"Other programs used up to {percent(share)} of this machine meanwhile: run it again when it is quiet."


def headline(result: DemoResult) -> str:
    """The result in a sentence, as ratios, which mean the same on every machine."""
    first, *others = result.phases
    told = "".join(
        f", and {percent(phase.settled.goodput_of_capacity)} with “{phase.title}”" for phase in others
    )
    return (
        f"Offered {result.setting.overload_factor:g} times what it can do, the feed served "
        f"{percent(first.settled.goodput_of_capacity)} of its capacity without protection{told}."
    )
