"""Metrics: how they are declared, how a hot path counts, and where they are scraped.

A feature's `metrics.py` declares each as a `Metric`. `Metrics` makes collectors of prometheus_client of them; `Tallies` shows
plain integers instead, for what a collector would cost too much. `metrics_app` and `MetricsServer` are the endpoint.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.core.metrics._declared import BASE_LABELS, OTHER, Kind, Metric, Metrics
    from quickwins.core.metrics._tallies import Reading, Tallies, Tally
    from quickwins.core.metrics.endpoint import MetricsServer, MetricsSettings, exposed_registry, metrics_app

__all__ = [
    "BASE_LABELS",
    "OTHER",
    "Kind",
    "Metric",
    "Metrics",
    "MetricsServer",
    "MetricsSettings",
    "Reading",
    "Tallies",
    "Tally",
    "exposed_registry",
    "metrics_app",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "BASE_LABELS": "_declared",
        "Kind": "_declared",
        "Metric": "_declared",
        "Metrics": "_declared",
        "MetricsServer": "endpoint",
        "MetricsSettings": "endpoint",
        "OTHER": "_declared",
        "Reading": "_tallies",
        "Tallies": "_tallies",
        "Tally": "_tallies",
        "exposed_registry": "endpoint",
        "metrics_app": "endpoint",
    },
)
