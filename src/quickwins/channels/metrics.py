"""The series of channels; `name` is the channel's. While its flag is off nothing is counted."""

from __future__ import annotations

from quickwins.core.metrics import Kind, Metric

REQUESTS = Metric(
    "grpc_requests_total",
    Kind.COUNTER,
    "Calls that have ended, by gRPC's status code; one that was retried counts once.",
    labels=("code",),
)
SWITCHED = Metric(
    "grpc_connection_switched_total",
    Kind.COUNTER,
    "Connections replaced: for their age, on request, because their member was ejected, or because all were silent.",
    labels=("reason",),
)
RETRIES = Metric(
    "grpc_fallback_retry_total",
    Kind.COUNTER,
    "Attempts of calls on another member after a failure, by how they ended.",
    labels=("outcome",),
)
BUDGET_DENIED = Metric(
    "grpc_retry_budget_denied_total",
    Kind.COUNTER,
    "Failures that were not retried because no token was left in the budget.",
)
EJECTIONS = Metric("grpc_pool_ejections_total", Kind.COUNTER, "Members ejected, failed probes included.")
ROTATIONS = Metric(
    "grpc_pool_rotations_total",
    Kind.COUNTER,
    "Members replaced for their age or on request, by outcome; where no new connection could be made, the old one stays.",
    labels=("outcome",),
)
MEMBERS = Metric(
    "grpc_pool_members", Kind.GAUGE, "Connections, by what they are good for now.", labels=("state",)
)
INFLIGHT = Metric(
    "grpc_pool_inflight", Kind.GAUGE, "Calls under way, those on replaced connections included."
)
DRAIN = Metric(
    "grpc_pool_drain_seconds",
    Kind.HISTOGRAM,
    "How long replaced connections stayed open for the calls that were on them.",
    buckets=(0.001, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0),
)
MODE = Metric(
    "grpc_pool_mode",
    Kind.GAUGE,
    "1 for what the channel is made of now.",
    labels=("mode",),
    multiprocess_mode="liveall",
)

METRICS = (
    REQUESTS,
    SWITCHED,
    RETRIES,
    BUDGET_DENIED,
    EJECTIONS,
    ROTATIONS,
    MEMBERS,
    INFLIGHT,
    DRAIN,
    MODE,
)
