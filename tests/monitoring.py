"""A Prometheus and an Alertmanager of a test's own, from the distribution's packages, with our rules in quick motion."""

from __future__ import annotations

import json
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from tests.engines import SKIPPED
from tests.eventually import wait_until
from tests.promql import RULES

QUICKER: Final = 60
"""By how much everything is shortened: minutes become seconds."""
UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 7 * 86400}
STOP_SECONDS: Final = 20


def program(name: str) -> str:
    """The path of a program of the distribution; skips the test that runs where there is none."""
    found = shutil.which(name)
    if not found:
        skip(name)
    return found


def skip(name: str) -> NoReturn:
    pytest.skip(f"{SKIPPED}monitoring: no {name}; .ci/run installs it where it can")


def free_port() -> int:
    """A port of 127.0.0.1 that is free at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def quick(duration: str) -> str:
    """A duration of PromQL, shortened."""
    number, unit = int(duration[:-1]), duration[-1]
    return f"{number * UNITS[unit] * 1000 // QUICKER}ms"


def quick_rules(text: str) -> str:
    """The text of a file of rules with all its ranges, offsets and `for` shortened."""
    text = re.sub(r"\[(\d+[smhdw])\]", lambda found: f"[{quick(found[1])}]", text)
    text = re.sub(r"\boffset (\d+[smhdw])", lambda found: f"offset {quick(found[1])}", text)
    return re.sub(r"\bfor: (\d+[smhd])", lambda found: f"for: {quick(found[1])}", text)


@dataclass(frozen=True, slots=True)
class Prometheus:
    """One that runs."""

    url: str

    def get(self, path: str, **parameters: str) -> Any:
        """What its API answers.

        Raises:
            urllib.error.URLError: It doesn't.
        """
        address = f"{self.url}/api/v1/{path}?{urlencode(parameters)}"
        with urlopen(address, timeout=5) as answer:  # noqa: S310 -- an address of our own; until=never
            return json.load(answer)["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """The series of an instant query with their values."""
        found = self.get("query", query=expression)
        assert found["resultType"] == "vector"
        return [(one["metric"], float(one["value"][1])) for one in found["result"]]

    def firing(self) -> set[tuple[str, str]]:
        """The alerts that fire, each with its service."""
        alerts = self.get("alerts")["alerts"]
        return {
            (one["labels"]["alertname"], one["labels"].get("service", ""))
            for one in alerts
            if one["state"] == "firing"
        }


@contextmanager
def running(command: list[str], log: Path, **options: Any) -> Iterator[subprocess.Popen[bytes]]:
    """A program until the block ends; its output goes to `log`."""
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT, **options)
        try:
            yield process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def answers(url: str) -> bool:
    """Whether `url` says that all is well."""
    try:
        with urlopen(url, timeout=2) as answer:  # noqa: S310 -- an address of our own; until=never
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def prometheus(
    folder: Path, targets: dict[str, int], alertmanager: int | None = None
) -> Iterator[Prometheus]:
    """One that scrapes `targets` (ports by job) each second, and has all our rules in quick motion."""
    binary = program("prometheus")
    rules = folder / "rules"
    rules.mkdir()
    for path in RULES:
        (rules / path.name).write_text(quick_rules(path.read_text()))
    static = [
        {"job_name": job, "static_configs": [{"targets": [f"127.0.0.1:{port}"]}]}
        for job, port in targets.items()
    ]
    settings: dict[str, Any] = {
        "global": {
            "scrape_interval": "1s",
            "evaluation_interval": "1s",
            "external_labels": {"runbooks": "https://docs.example/runbooks"},
        },
        "rule_files": [f"{rules}/*.yml"],
        "scrape_configs": static,
    }
    if alertmanager is not None:
        address = {"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}
        settings["alerting"] = {"alertmanagers": [address]}
    config = folder / "prometheus.yml"
    config.write_text(json.dumps(settings))  # which is YAML, too
    port = free_port()
    command = [
        binary,
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    log = folder / "prometheus.log"
    with running(command, log):
        url = f"http://127.0.0.1:{port}"
        wait_until(lambda: answers(f"{url}/-/ready"), f"it doesn't start; see {log}", seconds=20)
        yield Prometheus(url)
