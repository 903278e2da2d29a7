"""The controller as a process of its own: what it shows of itself."""

from __future__ import annotations

import subprocess
import sys
import tempfile
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


def test_a_controller_shows_that_it_leads_and_for_a_while_that_its_ramp_is_over(tmp_path: Path) -> None:
    config, port, registry = tmp_path / "quickwins.toml", free_port(), CollectorRegistry()
    config.write_text(CONFIG)
    flags = flags_at(0, registry)
    with MetricsServer(registry=registry) as target, tempfile.TemporaryFile() as said:
        url = f"http://127.0.0.1:{target.port}/metrics"
        (tmp_path / "rollout.toml").write_text(
            f'[backpressure]\nsteps = [{{ percent = 10 }}]\ninterval = 0.1\ndeadline = 1\ntargets = ["{url}"]\n'
        )
        about = ["backpressure", "--config", str(config)]
        assert run(["rollout", "start", *about]) == 0
        command = [sys.executable, "-m", "quickwins", "rollout", "run", *about]
        process = subprocess.Popen(
            [*command, "--metrics", f"127.0.0.1:{port}"],
            env=untraced.environment(),
            stdout=said,
            stderr=said,
        )
        try:
            wait_until(lambda: series(port).get(("quickwins_rollout_leader", "shop")) == 1, "nobody leads")
            rollbacks = ("quickwins_rollout_rollbacks_total", "shop")
            wait_until(lambda: series(port).get(rollbacks) == 1, "it isn't taken back at its deadline")
            assert process.poll() is None
        finally:
            process.kill()
            process.wait()
    assert repr(flags)


@pytest.mark.parametrize("at", ["9001", "127.0.0.1:none", "127.0.0.1:99999", "256.0.0.1:9001"])
def test_a_place_where_nothing_can_listen_is_refused(
    at: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "quickwins.toml"
    config.write_text(CONFIG)
    assert run(["rollout", "run", "backpressure", "--config", str(config), "--metrics", at]) == 2
    assert f"--metrics {at}: " in capsys.readouterr().err
