"""Collectors are declared once per registry, labelled alike, capped, and add up over processes."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, Counter, generate_latest
from prometheus_client.registry import Collector

from quickwins.core import metrics as module
from quickwins.core.errors import ConfigError
from quickwins.core.metrics import OTHER, Kind, Metric, Metrics, Tallies

HITS = Metric("hits_total", Kind.COUNTER, "Hits.", labels=("route",), max_values=3)
DEPTH = Metric("depth", Kind.GAUGE, "Depth.")
TOOK = Metric("took_seconds", Kind.HISTOGRAM, "Took.", buckets=(0.1, 1.0))
TOOK_DEFAULT = Metric("took_default_seconds", Kind.HISTOGRAM, "Took.")

WORKER = """
from prometheus_client import CollectorRegistry
from quickwins.core.metrics import Kind, Metric, Metrics
Metrics(registry=CollectorRegistry(), service="feed").counter(
    Metric("hits_total", Kind.COUNTER, "Hits.", labels=("route",)), route="/").inc(3)
"""
SCRAPER = """
from prometheus_client import generate_latest
from quickwins.core.metrics import exposed_registry
print(generate_latest(exposed_registry()).decode())
"""


def test_service_and_name_come_first_on_every_series() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry=registry, service="feed", name="main")
    metrics.counter(HITS, route="/").inc()
    metrics.gauge(DEPTH).set(2)
    metrics.histogram(TOOK).observe(0.5)
    metrics.histogram(TOOK_DEFAULT).observe(0.5)
    text = generate_latest(registry).decode()
    assert 'hits_total{name="main",route="/",service="feed"} 1.0' in text
    assert 'depth{name="main",service="feed"} 2.0' in text
    assert 'took_seconds_bucket{le="1.0",name="main",service="feed"} 1.0' in text
    assert 'took_default_seconds_bucket{le="10.0",name="main",service="feed"} 1.0' in text


def test_two_instances_share_a_collector_and_so_does_a_second_import() -> None:
    registry = CollectorRegistry()
    Metrics(registry=registry, name="a").counter(HITS, route="/").inc()
    Metrics(registry=registry, name="b").counter(HITS, route="/").inc()
    reloaded = importlib.reload(module)
    again = reloaded.Metric("hits_total", reloaded.Kind.COUNTER, "Hits.", labels=("route",))
    reloaded.Metrics(registry=registry, name="a").counter(again, route="/").inc()
    assert registry.get_sample_value("hits_total", {"service": "", "name": "a", "route": "/"}) == 2
    assert registry.get_sample_value("hits_total", {"service": "", "name": "b", "route": "/"}) == 1


def test_values_behind_the_cap_are_counted_together() -> None:
    registry = CollectorRegistry()
    metrics = Metrics(registry=registry)
    for number in range(1000):
        metrics.counter(HITS, route=f"/{number}").inc()
    labels = {"service": "", "name": "", "route": OTHER}
    assert registry.get_sample_value("hits_total", labels) == 997
    assert (
        len([line for line in generate_latest(registry).splitlines() if line.startswith(b"hits_total{")]) == 4
    )


def test_the_cap_holds_for_all_instances_of_a_registry_under_one_name() -> None:
    registry = CollectorRegistry()
    for number in range(100):
        Metrics(registry=registry).counter(HITS, route=f"/{number}").inc()
    series = [line for line in generate_latest(registry).splitlines() if line.startswith(b"hits_total{")]
    assert len(series) == 4


@pytest.mark.parametrize("labels", [{}, {"route": "/", "extra": "1"}, {"path": "/"}])
def test_wrong_labels_are_named(labels: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"hits_total takes the labels \['route'\]"):
        Metrics(registry=CollectorRegistry()).counter(HITS, **labels)


def test_a_name_that_somebody_else_declared_differently_is_refused() -> None:
    registry = CollectorRegistry()
    Counter("hits_total", "Theirs.", registry=registry)
    with pytest.raises(ConfigError, match="hits_total is on this registry already"):
        Metrics(registry=registry).counter(HITS, route="/")


@pytest.mark.parametrize("label", [5, None, b"feed", "caf\udce9"])
def test_a_name_that_no_scrape_could_hold_is_refused(label: Any) -> None:
    with pytest.raises(ConfigError, match=r"name=.* is not allowed: text in valid Unicode"):
        Metrics(registry=CollectorRegistry(), name=label)
    with pytest.raises(ConfigError, match=r"service=.* is not allowed: text in valid Unicode"):
        Tallies(object(), (), registry=CollectorRegistry(), service=label)


def test_what_is_declared_while_something_is_declared_is_declared_too() -> None:
    class Counting(CollectorRegistry):
        def register(self, collector: Collector) -> None:
            super().register(collector)
            Metrics(registry=self).gauge(DEPTH).inc()

    registry = Counting()
    declaring = threading.Thread(
        target=Metrics(registry=registry).counter, args=(HITS,), kwargs={"route": "/"}
    )
    declaring.daemon = True
    declaring.start()
    declaring.join(10)
    assert not declaring.is_alive()
    assert registry.get_sample_value("depth", {"service": "", "name": ""}) == 2


def test_asking_for_the_wrong_type_is_refused() -> None:
    metrics = Metrics(registry=CollectorRegistry())
    metrics.gauge(DEPTH)
    with pytest.raises(ConfigError, match="depth is a gauge, not a counter"):
        metrics.counter(DEPTH)


def test_importing_declares_nothing() -> None:
    before = set(REGISTRY._names_to_collectors)
    for name in ("quickwins.core.flags.metrics", "quickwins.backpressure.metrics"):
        importlib.reload(importlib.import_module(name))
    assert set(REGISTRY._names_to_collectors) == before


def test_counters_of_several_processes_add_up(tmp_path: Path) -> None:
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    for _ in range(2):
        subprocess.run([sys.executable, "-c", WORKER], env=env, check=True)
    scraped = subprocess.run(
        [sys.executable, "-c", SCRAPER], env=env, check=True, capture_output=True, text=True
    )
    assert 'hits_total{name="",route="/",service="feed"} 6.0' in scraped.stdout
