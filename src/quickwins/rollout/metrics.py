"""The series that a ramp is watched by, and those of the controller itself."""

from __future__ import annotations

from quickwins.core.metrics import Kind, Metric

STEP = 1.10
"""Each bucket's bound over the one before: then "10 % slower" is the next bucket, and nothing is interpolated."""


def _fine_buckets() -> tuple[float, ...]:
    bounds = [0.001]
    while bounds[-1] < 60:  # noqa: PLR2004 -- the longest that is told apart, in seconds; until=never
        bounds.append(float(f"{0.001 * STEP ** len(bounds):.4g}"))
    return tuple(bounds)


REQUESTS = Metric(
    "quickwins_requests_total",
    Kind.COUNTER,
    "Requests that have ended, by whether the feature was on for them, and by how they ended: ok, error, refused, timeout.",
    labels=("feature", "cohort", "outcome"),
)
SECONDS = Metric(
    "quickwins_request_seconds",
    Kind.HISTOGRAM,
    "How long requests took that were not refused, in buckets of 10 %.",
    labels=("feature", "cohort"),
    buckets=_fine_buckets(),
)
PERCENT = Metric(
    "quickwins_rollout_percent",
    Kind.GAUGE,
    "The percentage that the controller has last written.",
    labels=("feature",),
    multiprocess_mode="livemax",
)
VERDICTS = Metric(
    "quickwins_rollout_verdicts_total",
    Kind.COUNTER,
    "Looks of the controller at a ramp, by verdict: pass, hold, fail, no_data.",
    labels=("feature", "verdict"),
)
ROLLBACKS = Metric(
    "quickwins_rollout_rollbacks_total",
    Kind.COUNTER,
    "Ramps that were taken back, by the gate that said so.",
    labels=("feature", "reason"),
)
UNCONFIRMED = Metric(
    "quickwins_rollout_unconfirmed",
    Kind.GAUGE,
    "1 while a percentage was written and not every target shows it yet.",
    labels=("feature",),
    multiprocess_mode="livemax",
)
LEADER = Metric(
    "quickwins_rollout_leader",
    Kind.GAUGE,
    "1 while this controller has the lease and decides.",
    labels=("feature",),
    multiprocess_mode="livemax",
)

METRICS = (REQUESTS, SECONDS, PERCENT, VERDICTS, ROLLBACKS, UNCONFIRMED, LEADER)
