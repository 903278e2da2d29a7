"""Numbers as people read them, for the table and the page."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from quickwins.demo.result import DemoResult, FlipResult, PhaseResult
    from quickwins.rig import Outcome

NONE = "–"  # noqa: RUF001 -- a dash that is seen in a table; until=2027-12-31

_NOTICEABLE_SHARE = 0.15


def milliseconds(seconds: float | None) -> str:
    """A latency; a dash when there was none to measure."""
    if seconds is None:
        return NONE
    value = seconds * 1000
    return f"{value:.1f} ms" if value < 10 else f"{value:.0f} ms"  # noqa: PLR2004 -- two figures at least; until=2027-12-31


def percent(share: float) -> str:
    """A share of one."""
    return f"{share * 100:.0f} %"


def share_of_answers(phase: PhaseResult, outcome: Outcome) -> str:
    """How many of the settled requests ended so, and what share of all that is."""
    latency = phase.settled.latency
    total = sum(summary.count for summary in latency.values())
    count = latency[outcome].count
    return f"{count} ({percent(count / total)})" if count else "0"


def plain_number(value: float) -> str:
    """A number with two decimals at most."""
    return f"{round(value, 2):g}"


def slowest_backend(flip: FlipResult) -> str:
    """After how long the last backend showed a flip."""
    seen = flip.seen_after_seconds.values()
    return f"{max(seen):.2f} s" if seen else "never"


def strangers(result: DemoResult) -> str:
    """What to say about other programs that were busy meanwhile; nothing when they hardly were."""
    share = max(phase.machine_cpu_share - phase.cpu_share for phase in result.phases)
    if share < _NOTICEABLE_SHARE:
        return ""
    return f"Other programs used up to {percent(share)} of this machine meanwhile: run it again when it is quiet."


def headline(result: DemoResult) -> str:
    """The result in a sentence: ratios, which mean the same on every machine."""
    first, *others = result.phases
    told = "".join(
        f", and {percent(phase.settled.goodput_of_capacity)} with “{phase.title}”" for phase in others
    )
    return (
        f"Offered {result.setting.overload_factor:g} times what it can do, the feed served "
        f"{percent(first.settled.goodput_of_capacity)} of its capacity without protection{told}."
    )
