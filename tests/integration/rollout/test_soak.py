"""A soak of a second, of a process that answers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge

from quickwins.cli.app import run
from quickwins.core.metrics import MetricsServer
from tests.eventually import wait_until

LABELS = ("service", "name")


class Staging:
    """The series of a service in which all is well, and its page."""

    def __init__(self, folder: Path) -> None:
        registry = CollectorRegistry()
        for name, value in (("utilization_ratio", 0.9), ("limit", 9)):
            Gauge(f"db_pool_{name}", "…", LABELS, registry=registry).labels("api", "feed").set(value)
        inflight = Gauge("db_pool_permits_inflight", "…", (*LABELS, "priority"), registry=registry)
        inflight.labels("api", "feed", "normal").set(9)
        Gauge("process_resident_memory_bytes", "…", registry=registry).set(1e8)
        self.started = Gauge("process_start_time_seconds", "…", registry=registry)
        self.started.set(1.0)
        counters = [
            Counter("db_pool_exhausted", "…", (*LABELS, "reason"), registry=registry),
            Counter("graphql_query_cache_hit", "…", (*LABELS, "policy", "layer"), registry=registry),
            Counter("graphql_query_cache_miss", "…", (*LABELS, "policy", "reason"), registry=registry),
        ]
        refused, hit, miss = counters
        self._rising = [
            (refused.labels("api", "feed", "threshold"), 1),
            (hit.labels("api", "feed", "PUBLIC", "l1"), 650),
            (miss.labels("api", "feed", "PUBLIC", "absent"), 350),
        ]
        self.registry = registry
        self.log = folder / "api.log"
        self.log.write_text('{"severity_number": 17, "event.name": "before.the.soak"}\n')
        self.tests = folder / "junit.xml"
        self.tests.write_text(
            '<testsuites><testsuite tests="3" failures="0" errors="0" skipped="0"/></testsuites>'
        )

    def goes_on(self, event: str, severity: int) -> None:
        for child, by in self._rising:
            child.inc(by)
        with self.log.open("a") as file:
            file.write(json.dumps({"severity_number": severity, "event.name": event}) + "\n")


class Live(CollectorRegistry):
    """Something happens in staging at each look."""

    def __init__(self, staging: Staging, event: str, severity: int) -> None:
        super().__init__()
        self._staging, self._happens = staging, (event, severity)

    def collect(self) -> Iterator[object]:  # type: ignore[override]  # -- of metric families, as the base class's; until=never
        yield from self._staging.registry.collect()
        self._staging.goes_on(*self._happens)


def soak(staging: Staging, folder: Path, *, event: str = "all.well", severity: int = 9) -> int:
    with MetricsServer(registry=Live(staging, event, severity)) as server:
        target = f"http://127.0.0.1:{server.port}/metrics"
        files = ["--log", str(staging.log), "--tests", str(staging.tests), "--output", str(folder / "report")]
        return run(["rollout", "soak", "--for", "2s", "--interval", "0.05s", "--target", target, *files])


def test_a_soak_in_which_all_was_seen_ends_well(tmp_path: Path) -> None:
    code = soak(Staging(tmp_path), tmp_path)
    document = json.loads((tmp_path / "report" / "soak.json").read_text())
    assert {one["criterion"]: one["verdict"] for one in document["findings"]} == {
        "watched throughout": "pass",
        "all tests pass": "pass",
        "backpressure refuses at its threshold": "pass",
        "cache hit rates of 60% to 70%": "pass",
        "no unexpected error in the logs": "pass",
        "memory does not grow": "pass",
        "no crash": "pass",
    }
    assert code == 0
    assert "Ready for a rollout" in (tmp_path / "report" / "soak.html").read_text()


def test_an_error_in_the_log_is_a_finding(tmp_path: Path) -> None:
    assert soak(Staging(tmp_path), tmp_path, event="db.lost", severity=17) == 3
    document = json.loads((tmp_path / "report" / "soak.json").read_text())
    (log,) = [one for one in document["findings"] if "logs" in one["criterion"]]
    assert log["verdict"] == "fail"
    assert log["evidence"]["db.lost"] > 1


def test_one_that_is_interrupted_reports_what_it_has_seen(tmp_path: Path) -> None:
    staging = Staging(tmp_path)
    with MetricsServer(registry=Live(staging, "all.well", 9)) as server:
        target = f"http://127.0.0.1:{server.port}/metrics"
        command = [
            sys.executable,
            "-m",
            "quickwins",
            "rollout",
            "soak",
            "--target",
            target,
            "--interval",
            "0.05s",
        ]
        command += ["--output", str(tmp_path)]
        said = tmp_path / "said"  # a pipe that nobody reads would hold it up once it is full
        with said.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file) as process:
            before = len(staging.log.read_text())
            wait_until(lambda: len(staging.log.read_text()) > before, "it doesn't look")
            process.send_signal(signal.SIGINT)
            process.wait(20)
    assert process.returncode == 130, said.read_text()
    document = json.loads((tmp_path / "soak.json").read_text())
    assert document["findings"][0]["says"] == "It ended before its time."


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--for", "soon"], "--for soon", id="no time"),
        pytest.param(["--for", "0s"], "--for 0s", id="none at all"),
        pytest.param(["--hit-rate", "60:70"], "--hit-rate 60:70", id="percent"),
        pytest.param(["--log", "nowhere.log"], "nowhere.log: No such file", id="no log"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["rollout", "soak", "--target", "http://127.0.0.1:9/metrics", *arguments]) == 2
    assert said in capsys.readouterr().err


def test_a_process_that_never_answers_has_shown_nothing(tmp_path: Path) -> None:
    arguments = ["--for", "1s", "--interval", "0.1s", "--output", str(tmp_path), "--json"]
    assert run(["rollout", "soak", "--target", "http://127.0.0.1:9/metrics", *arguments]) == 3
    document = json.loads((tmp_path / "soak.json").read_text())
    assert {one["verdict"] for one in document["findings"]} == {"fail", "no_data"}
