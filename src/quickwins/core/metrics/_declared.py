"""How collectors are declared: as data, on a given registry, with `service` and `name` first on every series.

A feature's `metrics.py` holds `Metric` values only, so importing it twice declares nothing twice; `Metrics` turns
them into collectors of one registry, and `docs/metrics.md` is generated from the same values. Each metric has a cap on
how many values its labels take: those past it are counted as `other`. Never put an id, an address or a message into a
label.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Literal, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from prometheus_client.registry import Collector

BASE_LABELS = ("service", "name")
OTHER = "other"
_C = TypeVar("_C", Counter, Gauge, Histogram)


class Kind(StrEnum):
    """The Prometheus types in use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Metric:
    """One declared metric.

    Attributes:
        name: As scraped, with its unit, counters with `_total`.
        kind: Its Prometheus type.
        help: One sentence for `# HELP` and the docs.
        labels: The feature's own labels; `service` and `name` come before them on every series.
        max_values: How many distinct values each own label may take on one registry before `other`.
        buckets: Upper bounds of a histogram, in the metric's unit; `None` for Prometheus's defaults.
        multiprocess_mode: How the gauges of several processes become one (see prometheus_client's multiprocess mode).
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    max_values: int = 100
    buckets: tuple[float, ...] | None = None
    multiprocess_mode: Literal[
        "livesum", "livemax", "livemin", "liveall", "sum", "max", "min", "mostrecent"
    ] = "livesum"


class Metrics:
    """The collectors of one instance of one feature: a registry, with `service` and `name` filled in.

    Thread-safe. A child is looked up once and then kept, so an update costs what prometheus_client charges for a
    labelled child plus one dictionary look-up.
    """

    def __init__(
        self, *, registry: CollectorRegistry | None = None, service: str = "", name: str = ""
    ) -> None:
        check_labels(service=service, name=name)
        self.registry = REGISTRY if registry is None else registry
        self.service = service
        self.name = name
        self._children: dict[tuple[str, ...], Counter | Gauge | Histogram] = {}
        self._lock = threading.RLock()

    def __repr__(self) -> str:
        return f"<Metrics service={self.service!r} name={self.name!r}>"

    def counter(self, metric: Metric, **labels: str) -> Counter:
        """The counter child of `metric` for the given values of its own labels."""
        return self._child(Counter, metric, labels)

    def gauge(self, metric: Metric, **labels: str) -> Gauge:
        """The gauge child of `metric` for the given values of its own labels."""
        return self._child(Gauge, metric, labels)

    def histogram(self, metric: Metric, **labels: str) -> Histogram:
        """The histogram child of `metric` for the given values of its own labels."""
        return self._child(Histogram, metric, labels)

    def _child(self, cls: type[_C], metric: Metric, labels: dict[str, str]) -> _C:
        if labels.keys() != set(metric.labels):
            raise ConfigError(
                f"{metric.name} takes the labels {list(metric.labels)}, not {sorted(labels)}",
            )
        key = (metric.name, *(labels[label] for label in metric.labels))
        child = self._children.get(key)
        if child is None:
            child = self._make(cls, metric, key)
        if not isinstance(child, cls):
            raise ConfigError(f"{metric.name} is a {metric.kind}, not a {cls.__name__.lower()}")
        return child

    def _make(self, cls: type[_C], metric: Metric, key: tuple[str, ...]) -> Counter | Gauge | Histogram:
        with self._lock:
            collector = _collector(cls, metric, self.registry)
            capped = tuple(_capped(collector, metric, place, value) for place, value in enumerate(key[1:]))
            child = collector.labels(self.service, self.name, *capped)
            if capped == key[1:]:  # a value past the cap is not remembered: that would be the leak
                self._children[key] = child
            return child


def check_labels(**labels: object) -> None:
    """Nothing, if each of `labels` can be written into a scrape; one that cannot would fail all of it.

    Raises:
        ConfigError: One is not text, or not valid Unicode.
    """
    for label, value in labels.items():
        if not isinstance(value, str) or not _is_unicode(value):
            raise ConfigError(
                f"{label}={value!r} is not allowed: text in valid Unicode, for it is on every series"
            )


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _capped(collector: Counter | Gauge | Histogram, metric: Metric, place: int, value: str) -> str:
    """`value`, or `other` once all instances on the registry together have used up the cap."""
    known = {values[len(BASE_LABELS) + place] for values in list(collector._metrics)}  # noqa: SLF001 -- no public way; until=2028-04-30
    return value if value in known or len(known - {OTHER}) < metric.max_values else OTHER


_declaring = threading.RLock()
"""Declaring allocates: a finalizer may run meanwhile whose warning is counted, on a metric that has to be declared first."""


def _collector(cls: type[_C], metric: Metric, registry: CollectorRegistry) -> _C:
    """The collector of `metric` on `registry`, declared there at its first use by anybody."""
    names = (*BASE_LABELS, *metric.labels)
    with _declaring:
        # The registry is the only table of what is declared on it that survives a second import of this module.
        known: dict[str, Collector] = registry._names_to_collectors  # noqa: SLF001 -- no public look-up exists; until=2028-03-31
        found = known.get(metric.name)
        if found is None:
            if cls is Gauge:
                return cls(
                    metric.name,
                    metric.help,
                    names,
                    registry=registry,
                    multiprocess_mode=metric.multiprocess_mode,
                )
            if cls is Histogram and metric.buckets is not None:
                return cls(metric.name, metric.help, names, registry=registry, buckets=metric.buckets)
            return cls(metric.name, metric.help, names, registry=registry)
    if not isinstance(found, cls) or found._labelnames != names:  # noqa: SLF001 -- no public accessor exists; until=2028-06-30
        raise ConfigError(f"{metric.name} is on this registry already, as something else")
    return found
