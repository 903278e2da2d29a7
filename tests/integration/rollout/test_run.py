"""The controller as a process of its own: what it shows of itself."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.request import urlopen

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from quickwins.cli.app import run
from quickwins.core.metrics import MetricsServer
from tests import untraced
from tests.eventually import wait_until
from tests.monitoring import free_port
from tests.sighup import children_take_sighup_by
from tests.unit.rollout.service import flags_at

CONFIG = 'service = "shop"\n[backpressure]\nenabled = true\npercent = 0\n# quickwins: complete\n'


def series(port: int) -> dict[tuple[str, str], float]:
    """The controller's series, by name and service; none while it doesn't answer."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
            text = answer.read().decode()
    except OSError:
        return {}
    families = text_string_to_metric_families(text)
    samples = (sample for family in families for sample in family.samples)
    return {
        (one.name, one.labels["service"]): one.value
        for one in samples
        if one.labels.get("feature") == "backpressure"
    }


class Controller:
    """`quickwins rollout run` for a service at 0 %, with its metrics."""

    def __init__(self, folder: Path, target: int, *, deadline: float, lines: int | None = None) -> None:
        config = folder / "quickwins.toml"
        config.write_text(CONFIG)
        url = f"http://127.0.0.1:{target}/metrics"
        (folder / "rollout.toml").write_text(
            f"[backpressure]\nsteps = [{{ percent = 10 }}]\ninterval = 0.1\ndeadline = {deadline}\n"
            f'targets = ["{url}"]\n'
        )
        about = ["backpressure", "--config", str(config)]
        assert run(["rollout", "start", *about]) == 0
        self.port = free_port()
        self._said = tempfile.TemporaryFile()  # noqa: SIM115 -- `close` closes it; until=never
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "quickwins",
                "rollout",
                "run",
                *about,
                "--metrics",
                f"127.0.0.1:{self.port}",
            ],
            env=untraced.environment(),
            stdout=self._said if lines is None else lines,
            stderr=self._said,
        )

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._said.close()

    def until_it_leads(self) -> None:
        wait_until(lambda: self.shows("leader") == 1, "nobody leads")

    def shows(self, name: str) -> float | None:
        """The value of one of its series."""
        return series(self.port).get((f"quickwins_rollout_{name}", "shop"))

    def said(self) -> str:
        self._said.seek(0)
        return self._said.read().decode()


@pytest.fixture
def target() -> Iterator[int]:
    """The port at which a service shows that its flag is at 0 %."""
    registry = CollectorRegistry()
    flags = flags_at(0, registry)
    with MetricsServer(registry=registry) as server:
        yield server.port
    assert repr(flags)


def test_a_controller_shows_that_it_leads_and_for_a_while_that_its_ramp_is_over(
    target: int, tmp_path: Path
) -> None:
    with closing(Controller(tmp_path, target, deadline=5)) as controller:
        controller.until_it_leads()
        wait_until(lambda: controller.shows("rollbacks_total") == 1, "it isn't taken back at its deadline")
        assert controller.process.poll() is None


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_controller_that_is_stopped_ends_quietly(
    number: signal.Signals, target: int, tmp_path: Path
) -> None:
    with (
        children_take_sighup_by(signal.SIG_DFL),
        closing(Controller(tmp_path, target, deadline=600)) as controller,
    ):
        controller.until_it_leads()
        controller.process.send_signal(number)
        assert controller.process.wait(30) == 130, controller.said()
        assert "Traceback" not in controller.said()
        assert "stopped: the ramp waits for another `run`" in controller.said()


def test_under_nohup_a_controller_goes_on_when_its_terminal_is_closed(target: int, tmp_path: Path) -> None:
    with (
        children_take_sighup_by(signal.SIG_IGN),
        closing(Controller(tmp_path, target, deadline=5)) as controller,
    ):
        controller.until_it_leads()
        controller.process.send_signal(signal.SIGHUP)
        wait_until(lambda: controller.shows("rollbacks_total") == 1, "it doesn't go on")
        assert controller.process.poll() is None


def test_a_controller_whose_lines_nobody_reads_any_more_goes_on(target: int, tmp_path: Path) -> None:
    reads, writes = os.pipe()
    os.close(reads)
    with closing(Controller(tmp_path, target, deadline=3, lines=writes)) as controller:
        os.close(writes)
        wait_until(lambda: controller.shows("rollbacks_total") == 1, "it doesn't go on")
        assert controller.process.poll() is None


@pytest.mark.parametrize("at", ["9001", "127.0.0.1:none", "127.0.0.1:99999", "256.0.0.1:9001"])
def test_a_place_where_nothing_can_listen_is_refused(
    at: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "quickwins.toml"
    config.write_text(CONFIG)
    assert run(["rollout", "run", "backpressure", "--config", str(config), "--metrics", at]) == 2
    assert f"--metrics {at}: " in capsys.readouterr().err
