"""Series that are plain numbers on a hot path, and become Prometheus samples only when somebody scrapes.

Setting a gauge of prometheus_client costs several times what a gate's whole decision does. An owner counts in its own
integers instead, and says here how to read them. It is held weakly: its series end with it. Owners with the same
`service` and `name` are one series: counters and histograms add up, gauges as their `multiprocess_mode` says.

In multiprocess mode nobody scrapes this process: there the numbers are written to its files once a second.
"""

from __future__ import annotations

import math
import threading
import weakref
from bisect import bisect_left
from dataclasses import astuple, dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any

from prometheus_client import REGISTRY, values
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar
from prometheus_client.utils import floatToGoString

from quickwins.core.errors import ENDS_PROCESS, ConfigError
from quickwins.core.metrics import _files
from quickwins.core.metrics._declared import BASE_LABELS, Kind, Metric, check_labels
from quickwins.core.metrics.multiprocess import folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prometheus_client import CollectorRegistry
    from prometheus_client.metrics_core import Metric as Family
    from typing_extensions import TypeIs


MAX_TRACE_ID = 64
"""Characters of an exemplar's trace id; OpenMetrics allows 128 for name and value together."""


class Tally:
    """A histogram of plain integers. A value is counted in the first bucket whose bound is not below it.

    Attributes:
        bounds: The upper bounds of the buckets but the last, which has none.
        counts: One for each bucket, not summed up.
        total: The sum of the values.
        exemplars: The last value of each bucket and the trace that it was seen in, where there was one; none of the first
            bucket, since nobody asks what was fast.
    """

    __slots__ = ("_least", "_trace", "bounds", "counts", "exemplars", "total")

    def __init__(self, metric: Metric, *, trace: Callable[[], str | None] | None = None) -> None:
        """Begin with nothing counted.

        Args:
            metric: Its buckets.
            trace: Gives the id of the trace that is going on, for exemplars; `None`: there are none.
        """
        self.bounds = metric.buckets or ()
        self._least = self.bounds[0] if self.bounds else -math.inf
        self._trace = trace
        self.counts = [0] * (len(self.bounds) + 1)
        self.exemplars: list[Exemplar | None] = [None] * (len(self.bounds) + 1)
        self.total = 0.0

    def __repr__(self) -> str:
        return f"<Tally of {sum(self.counts)}, total {self.total:g}>"

    def observe(self, value: float) -> None:
        """Count `value`, in the metric's unit."""
        # On hot paths nearly every value is in the first bucket, which needs no search.
        if value <= self._least:
            self.counts[0] += 1
        else:
            bucket = bisect_left(self.bounds, value)
            self.counts[bucket] += 1
            if self._trace is not None:
                self._remember(bucket, value, self._trace)
        self.total += value

    def _remember(self, bucket: int, value: float, trace: Callable[[], str | None]) -> None:
        try:
            found = trace()
        except (
            BaseException
        ) as error:  # it may be anybody's, and counting must not fail: a permit has just been given
            if isinstance(error, ENDS_PROCESS):
                raise
            return
        if type(found) is str and 0 < len(found) <= MAX_TRACE_ID and found.isascii():
            self.exemplars[bucket] = Exemplar({"trace_id": found}, value)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one owner says of one metric.

    Attributes:
        metric: Which.
        read: Its values now, by the values of the metric's own labels. Must not hold the owner.
    """

    metric: Metric
    read: Callable[[Any], Mapping[tuple[str, ...], float | Tally]]


class Tallies:
    """The series of one owner on one registry. Any thread may scrape them, whatever the owner does meanwhile."""

    __slots__ = ("_collectors", "_in_files")

    def __init__(
        self,
        owner: object,
        readings: Iterable[Reading],
        *,
        registry: CollectorRegistry | None = None,
        service: str = "",
        name: str = "",
    ) -> None:
        """Show what `readings` say of `owner` on `registry`, the default one when `None`.

        Raises:
            ConfigError: A metric's name is on the registry already, as something else, or `service` or `name` is no text.
        """
        check_labels(service=service, name=name)
        self._in_files = folder() is not None
        self._collectors: list[_PlainCollector] = []
        for reading in readings:
            collector = _collector(reading.metric, REGISTRY if registry is None else registry)
            collector.add(owner, (service, name), reading.read)
            self._collectors.append(collector)
            if self._in_files:
                _files.keep(collector)
        self.flush()

    def __repr__(self) -> str:
        names = ", ".join(one.metric.name for one in self._collectors)
        return f"<Tallies of {names or 'nothing'}>"

    def flush(self) -> None:
        """Write the numbers to this process's files now; does nothing outside multiprocess mode."""
        if self._in_files:
            for collector in self._collectors:
                _files.write(collector)


class _PlainCollector(Collector):
    """All owners' series of one metric on one registry."""

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._names = (*BASE_LABELS, *metric.labels)
        self._owners: weakref.WeakKeyDictionary[
            object, tuple[tuple[str, str], Callable[[Any], Mapping[tuple[str, ...], float | Tally]]]
        ] = weakref.WeakKeyDictionary()
        self._bounds = [*(_bound(bound) for bound in metric.buckets or ()), "+Inf"]
        self._lock = threading.Lock()
        self._file_values: dict[tuple[str, tuple[str, ...]], Any] = {}
        self._parents: dict[
            tuple[str, ...], float | Tally
        ] = {}  # counted before a fork, by this process's parent

    def add(
        self,
        owner: object,
        base: tuple[str, str],
        read: Callable[[Any], Mapping[tuple[str, ...], float | Tally]],
    ) -> None:
        with self._lock:
            self._owners[owner] = (base, read)

    def describe(self) -> Iterable[Family]:
        return (self._family(),)

    def collect(self) -> Iterable[Family]:
        family: Any = self._family()
        for labels, value in self._values().items():
            if _is_tally(value):
                sums = accumulate(value.counts)
                buckets = list(zip(self._bounds, sums, value.exemplars, strict=True))
                family.add_metric(labels, buckets, value.total)
            else:
                family.add_metric(labels, value)
        return (family,)

    def write(self) -> None:
        """Set the values of this process's file, bucket by bucket: its readers add the buckets up themselves."""
        name = self.metric.name
        for labels, value in self._values().items():
            own = self._since(value, self._parents.get(labels))
            if not _is_tally(own):
                self._file_value(name, labels).set(float(own))
                continue
            self._file_value(f"{name}_sum", labels).set(own.total)
            for bound, count in zip(self._bounds, own.counts, strict=True):
                self._file_value(f"{name}_bucket", (*labels, bound)).set(float(count))

    def begin_anew(self) -> None:
        """Write only what is counted from now on; a gauge keeps its value."""
        self._lock = threading.Lock()  # a thread that is gone here may have held it
        if self.metric.kind is not Kind.GAUGE:
            nothing = Tally(self.metric)  # so that what is kept is a copy
            self._parents = {labels: self._since(value, nothing) for labels, value in self._values().items()}

    def _since(self, now: float | Tally, then: float | Tally | None) -> float | Tally:
        """What was counted between the two."""
        if _is_tally(now):
            if not _is_tally(then):
                return now
            own = Tally(self.metric)
            own.counts = [max(0, a - b) for a, b in zip(now.counts, then.counts, strict=True)]
            own.total = max(0.0, now.total - then.total)
            return own
        return now if then is None or _is_tally(then) else max(0.0, now - then)

    def _file_value(self, sample: str, labels: tuple[str, ...]) -> Any:
        found = self._file_values.get((sample, labels))
        if found is None:
            names = self._names if len(labels) == len(self._names) else (*self._names, "le")
            found = self._file_values[sample, labels] = values.ValueClass(
                self.metric.kind.value,
                self.metric.name.removesuffix("_total"),
                sample,
                names,
                labels,
                self.metric.help,
                multiprocess_mode=self.metric.multiprocess_mode,
            )
        return found

    def _values(self) -> dict[tuple[str, ...], float | Tally]:
        with self._lock:
            owners = list(self._owners.items())
        found: dict[tuple[str, ...], float | Tally] = {}
        for owner, (base, read) in owners:
            for own, value in read(owner).items():
                labels = (*base, *own)
                found[labels] = self._both(found[labels], value) if labels in found else value
        return found

    def _both(self, one: float | Tally, other: float | Tally) -> float | Tally:
        if _is_tally(one) and _is_tally(other):
            both = Tally(self.metric)
            both.counts = [a + b for a, b in zip(one.counts, other.counts, strict=True)]
            both.exemplars = [b or a for a, b in zip(one.exemplars, other.exemplars, strict=True)]
            both.total = one.total + other.total
            return both
        if _is_tally(one) or _is_tally(other):
            raise TypeError(f"{self.metric.name} is a histogram for one owner only")
        if self.metric.kind is Kind.GAUGE and self.metric.multiprocess_mode != "livesum":
            return max(one, other)
        return one + other

    def _family(self) -> Family:
        name, text, names = self.metric.name, self.metric.help, self._names
        if self.metric.kind is Kind.COUNTER:
            return CounterMetricFamily(name, text, labels=names)
        if self.metric.kind is Kind.GAUGE:
            return GaugeMetricFamily(name, text, labels=names)
        return HistogramMetricFamily(name, text, labels=names)


def _is_tally(value: object) -> TypeIs[Tally]:
    """Not by its class, of which there is another one once this module has been imported anew."""
    return value is not None and not isinstance(value, (int, float))


def _is_ours(collector: object) -> TypeIs[_PlainCollector]:
    """By its class's name: it may be from before this module was imported anew, as notebooks and test runners do."""
    kind = type(collector)
    return (kind.__module__, kind.__qualname__) == (__name__, _PlainCollector.__qualname__)


def _bound(seconds: float) -> str:
    text: str = floatToGoString(seconds)  # type: ignore[no-untyped-call]  # -- prometheus_client leaves it untyped; until=2027-10-31
    return text


_declaring = threading.RLock()  # as in `_declared`


def _collector(metric: Metric, registry: CollectorRegistry) -> _PlainCollector:
    """The collector of `metric` on `registry`, declared there at its first use by anybody."""
    with _declaring:
        # The registry is the only table of what is declared on it.
        found = registry._names_to_collectors.get(metric.name)  # noqa: SLF001 -- no public look-up exists; until=2028-03-31
        if found is None:
            found = _PlainCollector(metric)
            registry.register(found)
    if not _is_ours(found) or astuple(found.metric) != astuple(metric):
        raise ConfigError(f"{metric.name} is on this registry already, as something else")
    return found
