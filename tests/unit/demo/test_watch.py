from prometheus_client import CollectorRegistry, generate_latest

from quickwins.backpressure.metrics import EXHAUSTED, INFLIGHT, UTILIZATION
from quickwins.core.flags.metrics import FLAG
from quickwins.core.metrics import Metrics
from quickwins.demo.watch import Sample, read_sample, seen_after


def exposition(*, on: float, inflight: int) -> str:
    registry = CollectorRegistry()
    metrics = Metrics(registry=registry, service="feed", name="feed")
    metrics.gauge(FLAG, feature="backpressure").set(on)
    metrics.gauge(INFLIGHT, priority="normal").set(inflight)
    metrics.gauge(UTILIZATION).set(inflight / 10)
    metrics.counter(EXHAUSTED, reason="threshold").inc(4)
    metrics.counter(EXHAUSTED, reason="closed").inc(1)
    return generate_latest(registry).decode()


def test_a_sample_is_read_from_the_series_that_the_library_declares() -> None:
    assert read_sample(exposition(on=1, inflight=9), at_seconds=2.5, backend="backend1") == Sample(
        at_seconds=2.5,
        backend="backend1",
        utilization=0.9,
        inflight=9,
        rejected=5,
        flags={"backpressure": 1.0},
    )


def test_a_backend_that_says_nothing_of_it_has_an_empty_sample() -> None:
    sample = read_sample("", at_seconds=0.0, backend="backend1")
    assert (sample.utilization, sample.rejected, sample.flags) == (0.0, 0, {})


def sample(at_seconds: float, backend: str, state: float) -> Sample:
    return Sample(at_seconds, backend, 0.0, 0, 0, {"backpressure": state})


def test_a_flip_is_seen_at_the_first_sample_that_shows_it() -> None:
    samples = [
        sample(1.0, "backend1", 1.0),  # before the flip: says nothing about it
        sample(2.1, "backend1", 0.0),
        sample(2.2, "backend2", 1.0),
        sample(2.5, "backend1", 1.0),
        sample(2.6, "backend1", 1.0),
        sample(2.7, "backend3", 0.0),
    ]
    seen = seen_after(samples, feature="backpressure", on=True, at_seconds=2.0)
    assert {name: round(seconds, 6) for name, seconds in seen.items()} == {"backend2": 0.2, "backend1": 0.5}


def test_turning_off_is_seen_as_well() -> None:
    samples = [sample(2.1, "backend1", 1.0), sample(2.4, "backend1", 0.0)]
    assert "backend1" in seen_after(samples, feature="backpressure", on=False, at_seconds=2.0)
    assert seen_after(samples, feature="other", on=False, at_seconds=2.0) == {}
