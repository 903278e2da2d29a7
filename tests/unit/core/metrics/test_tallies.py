"""Series that are plain numbers: what a scrape says, of one owner and of several, here and in many processes."""

from __future__ import annotations

import asyncio
import gc
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.openmetrics import exposition

from quickwins.core.errors import ConfigError
from quickwins.core.metrics import Kind, Metric, Reading, Tallies, Tally

open_metrics: Any = exposition.generate_latest

SEEN = Metric("seen_total", Kind.COUNTER, "Seen.", labels=("kind",))
LEVEL = Metric("level", Kind.GAUGE, "Level.")
SHARE = Metric("share_ratio", Kind.GAUGE, "Share.", multiprocess_mode="liveall")
TOOK = Metric("took_seconds", Kind.HISTOGRAM, "Took.", buckets=(0.1, 1.0))


@dataclass(eq=False)
class Owner:
    seen: int = 0
    level: float = 0.0
    took: Tally = field(default_factory=lambda: Tally(TOOK))


READINGS = (
    Reading(SEEN, lambda owner: {("cat",): owner.seen}),
    Reading(LEVEL, lambda owner: {(): owner.level}),
    Reading(SHARE, lambda owner: {(): owner.level}),
    Reading(TOOK, lambda owner: {(): owner.took}),
)


def shown(owner: Owner, registry: CollectorRegistry, name: str = "one") -> Tallies:
    return Tallies(owner, READINGS, registry=registry, service="api", name=name)


@pytest.mark.parametrize("values", [[], [0.05], [0.1], [0.1000001], [1.0, 1.1, 0.05, 7.0]])
def test_a_tally_counts_as_the_histogram_of_prometheus_does(values: list[float]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    owner = Owner()
    shown(owner, ours)
    histogram = Histogram(
        "took_seconds", "Took.", ("service", "name"), registry=theirs, buckets=(0.1, 1.0)
    ).labels("api", "one")
    for value in values:
        owner.took.observe(value)
        histogram.observe(value)
    mine = [line for line in generate_latest(ours).decode().splitlines() if "took" in line]
    other = [line for line in generate_latest(theirs).decode().splitlines() if "_created" not in line]
    assert mine == other


def test_a_scrape_shows_the_numbers_as_they_are_then() -> None:
    registry, owner = CollectorRegistry(), Owner()
    shown(owner, registry)
    labels = {"service": "api", "name": "one"}
    assert registry.get_sample_value("seen_total", {**labels, "kind": "cat"}) == 0
    owner.seen, owner.level = 3, 0.5
    assert registry.get_sample_value("seen_total", {**labels, "kind": "cat"}) == 3
    assert registry.get_sample_value("level", labels) == 0.5


def test_owners_of_one_name_are_one_series_and_those_of_another_are_not() -> None:
    registry, owners = CollectorRegistry(), [Owner(2, 0.2), Owner(3, 0.7), Owner(10, 1.0)]
    for owner, name in zip(owners, ("one", "one", "other"), strict=True):
        owner.took.observe(0.5)
        shown(owner, registry, name)
    labels = {"service": "api", "name": "one"}
    assert registry.get_sample_value("seen_total", {**labels, "kind": "cat"}) == 5
    assert registry.get_sample_value("level", labels) == pytest.approx(0.9)
    assert registry.get_sample_value("share_ratio", labels) == 0.7, "shares don't add up"
    assert registry.get_sample_value("took_seconds_count", labels) == 2
    assert registry.get_sample_value("level", {**labels, "name": "other"}) == 1.0


def test_the_series_of_an_owner_end_with_it() -> None:
    registry, owner = CollectorRegistry(), Owner()
    shown(owner, registry)
    assert b'level{name="one"' in generate_latest(registry)
    del owner
    gc.collect()
    assert b"level{" not in generate_latest(registry)


def test_a_name_that_is_taken_by_something_else_is_an_error_that_names_it() -> None:
    registry = CollectorRegistry()
    Counter("seen", "Something else.", registry=registry)
    with pytest.raises(ConfigError, match="seen_total is on this registry already"):
        shown(Owner(), registry)


def test_outside_multiprocess_mode_there_is_no_thread_that_writes() -> None:
    shown(Owner(), CollectorRegistry()).flush()
    assert not [one for one in threading.enumerate() if one.name == "quickwins-metrics-files"]


PROCESS = """
from prometheus_client import CollectorRegistry
from tests.unit.core.metrics.test_tallies import Owner, shown
owner = Owner()
tallies = shown(owner, CollectorRegistry())
for owner.seen in (1, 2):
    owner.level = 0.25
    owner.took.observe(0.5)
tallies.flush()
"""


def test_the_numbers_of_many_processes_add_up_in_multiprocess_mode(tmp_path: Path) -> None:
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    root = str(Path(__file__).parents[4])
    for _ in range(2):
        subprocess.run([sys.executable, "-c", PROCESS], env=env, cwd=root, check=True)
    scrape = (
        "from prometheus_client import CollectorRegistry, generate_latest, multiprocess;"
        "r = CollectorRegistry(); multiprocess.MultiProcessCollector(r); print(generate_latest(r).decode())"
    )
    done = subprocess.run(
        [sys.executable, "-c", scrape], env=env, cwd=root, check=True, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    base = 'name="one",service="api"'
    assert f'seen_total{{kind="cat",{base}}} 4.0' in lines
    assert f"level{{{base}}} 0.5" in lines
    assert f'took_seconds_bucket{{le="0.1",{base}}} 0.0' in lines
    assert f'took_seconds_bucket{{le="1.0",{base}}} 4.0' in lines
    assert f"took_seconds_count{{{base}}} 4.0" in lines
    assert f"took_seconds_sum{{{base}}} 2.0" in lines
    assert sum(line.startswith("share_ratio{") for line in lines) == 2, "one for each process"


FORKING = f"""{PROCESS}
import os
child = os.fork()
if child == 0:
    owner.seen += 5
    owner.level = 0.5
    owner.took.observe(0.05)
    tallies.flush()
    os._exit(0)
os.waitpid(child, 0)
"""


def test_what_was_counted_before_a_fork_is_counted_once(tmp_path: Path) -> None:
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    root = str(Path(__file__).parents[4])
    scrape = (
        "from prometheus_client import CollectorRegistry, generate_latest, multiprocess;"
        "r = CollectorRegistry(); multiprocess.MultiProcessCollector(r); print(generate_latest(r).decode())"
    )
    subprocess.run([sys.executable, "-c", FORKING], env=env, cwd=root, check=True)
    done = subprocess.run(
        [sys.executable, "-c", scrape], env=env, cwd=root, check=True, capture_output=True, text=True
    )
    lines = done.stdout.splitlines()
    base = 'name="one",service="api"'
    assert f'seen_total{{kind="cat",{base}}} 7.0' in lines
    assert f"level{{{base}}} 0.75" in lines
    assert f'took_seconds_bucket{{le="0.1",{base}}} 1.0' in lines
    assert f"took_seconds_count{{{base}}} 3.0" in lines
    assert f"took_seconds_sum{{{base}}} 1.05" in lines


SEEN_IN_FILES = """
import struct
from contextlib import suppress
from prometheus_client import CollectorRegistry, multiprocess
from tests.eventually import wait_until
from tests.unit.core.metrics.test_tallies import Owner, shown

def in_files():
    together = CollectorRegistry()
    multiprocess.MultiProcessCollector(together)
    with suppress(struct.error):  # another process has made a file, and nothing is in it yet
        return together.get_sample_value("seen_total", {"service": "api", "name": "one", "kind": "cat"})

registry = CollectorRegistry()
owner = Owner()
tallies = shown(owner, registry)
"""
NO_LOOP = f"""{SEEN_IN_FILES}
for owner.seen in (3, 4):
    wait_until(lambda: in_files() == owner.seen)
"""
TWO_LOOPS = f"""{SEEN_IN_FILES}
import asyncio
async def use(count):
    owner.seen += count
for count in (3, 4):
    asyncio.run(use(count))
wait_until(lambda: in_files() == 7)
"""
FORKED = f"""{SEEN_IN_FILES}
import os, sys
owner.seen = 3
wait_until(lambda: in_files() == 3)
child = os.fork()
owner.seen = 5 if child == 0 else 4
wait_until(lambda: in_files() == 6)
if child:
    sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
os._exit(0)
"""
AT_THE_END = f"""{SEEN_IN_FILES}
owner.seen = 3
"""


@pytest.mark.parametrize("program", [NO_LOOP, TWO_LOOPS, FORKED], ids=["no loop", "two loops", "forked"])
def test_what_is_counted_is_in_the_files_soon_without_anybody_saying_so(tmp_path: Path, program: str) -> None:
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    root = str(Path(__file__).parents[4])
    subprocess.run([sys.executable, "-c", program], env=env, cwd=root, check=True)


def test_what_was_counted_last_is_in_the_files_of_a_process_that_has_ended(tmp_path: Path) -> None:
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    root = str(Path(__file__).parents[4])
    subprocess.run([sys.executable, "-c", AT_THE_END], env=env, cwd=root, check=True)
    check = "from tests.unit.core.metrics.test_tallies import SEEN_IN_FILES as first; exec(first.split('registry =')[0])"
    subprocess.run([sys.executable, "-c", f"{check}\nassert in_files() == 3"], env=env, cwd=root, check=True)


def exemplars(registry: CollectorRegistry) -> list[str]:
    """What OpenMetrics says of them: a bucket's bound, the labels, the value."""
    lines = open_metrics(registry).decode().splitlines()
    return [re.sub(r'.*le="([^"]+)".* # ', r"\1: ", line) for line in lines if " # " in line]


def test_where_the_registry_speaks_openmetrics_a_bucket_names_its_last_trace() -> None:
    registry, traces = CollectorRegistry(), iter(["a" * 32, "b" * 32, None, "c" * 32])
    owner = Owner(took=Tally(TOOK, trace=lambda: next(traces)))
    shown(owner, registry)
    for value in (0.05, 0.5, 0.6, 0.7, 7.0):
        owner.took.observe(value)
    assert exemplars(registry) == [
        f'1.0: {{trace_id="{"b" * 32}"}} 0.6',
        f'+Inf: {{trace_id="{"c" * 32}"}} 7.0',
    ]
    assert " # " not in generate_latest(registry).decode()


def test_owners_of_one_series_have_each_others_exemplars() -> None:
    registry = CollectorRegistry()
    owners = [Owner(took=Tally(TOOK, trace=partial(str, name))) for name in ("one", "two")]
    kept = [shown(owner, registry) for owner in owners]
    owners[0].took.observe(0.5)
    owners[1].took.observe(5.0)
    assert [line.split('"')[-2] for line in exemplars(registry)] == ["one", "two"]
    assert len(kept) == 2


class Unmeasurable(str):
    __slots__ = ()

    def __len__(self) -> int:
        raise ValueError


def cancelled() -> str:
    raise asyncio.CancelledError


@pytest.mark.parametrize(
    "trace",
    [
        pytest.param(lambda: 1 / 0, id="raises"),
        pytest.param(cancelled, id="raises what is no Exception"),
        pytest.param(lambda: Unmeasurable("a"), id="a text of its own kind"),
        pytest.param(lambda: "\ud800", id="no text that can be written"),
        pytest.param(lambda: "x" * 1000, id="too long for OpenMetrics"),
        pytest.param(lambda: "", id="empty"),
        pytest.param(lambda: 7, id="no text"),
    ],
)
def test_a_trace_that_is_none_costs_no_value(trace: Any) -> None:
    registry = CollectorRegistry()
    owner = Owner(took=Tally(TOOK, trace=trace))
    shown(owner, registry)
    owner.took.observe(0.5)
    assert exemplars(registry) == []
    assert owner.took.counts == [0, 1, 0]


AGAIN = """
import importlib, sys
from prometheus_client import generate_latest
from quickwins.backpressure import Gate
first = Gate.queue(size=1, name="first")
{how}
from quickwins.backpressure import Gate as Anew
second = Anew.queue(size=2, name="second")
scrape = generate_latest().decode()
assert 'db_pool_nested_total{{name="first",service=""}} 0.0' in scrape
assert 'db_pool_nested_total{{name="second",service=""}} 0.0' in scrape
assert 'db_pool_acquire_duration_seconds_count{{name="second",outcome="acquired",service=""}}' in scrape
"""


@pytest.mark.parametrize(
    "how",
    [
        "importlib.reload(sys.modules['quickwins.core.metrics._tallies'])",
        "for name in [name for name in sys.modules if name.startswith('quickwins')]: del sys.modules[name]",
    ],
    ids=["reloaded", "imported anew"],
)
def test_a_second_import_declares_nothing_twice(how: str) -> None:
    """As notebooks and test runners do."""
    subprocess.run([sys.executable, "-c", AGAIN.format(how=how)], check=True)
