"""A seeded bug behind a flag: its alerts fire, Alertmanager asks for the abort, and with the flag off the alerts end."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import Any, Final
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
import yaml
from prometheus_client import CollectorRegistry

from quickwins.backpressure import Gate
from quickwins.cli.app import run
from quickwins.core.asgi import Receive, Scope, Send
from quickwins.core.flags import Flags, FlagSettings, MemorySource
from quickwins.core.metrics import MetricsServer
from quickwins.rollout.asgi import RolloutMiddleware
from tests.eventually import wait_until
from tests.monitoring import Prometheus, answers, free_port, program, prometheus, running
from tests.promql import ROOT

EXAMPLES: Final = ROOT / "deploy" / "alertmanager"
TOKEN: Final = "made-up"
EXPECTED: Final = {
    ("QuickWinsBudgetBurnsFast", "shop"),
    ("QuickWinsPoolUtilization", "shop"),
    ("QuickWinsRollbackErrors", "shop"),
}


class Hook:
    """`webhook` with our hooks, and a `quickwins` that only writes down what it was asked to do."""

    def __init__(self, folder: Path, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}/hooks/rollout-abort"
        self._asked = folder / "asked"

    def asked(self) -> set[str]:
        """The command lines so far."""
        return {*self._asked.read_text().splitlines()} if self._asked.exists() else set()

    def post(self, feature: object, *, status: str = "firing", token: str = TOKEN) -> int:
        """Send what Alertmanager sends; the status of the answer."""
        body = json.dumps({"status": status, "groupLabels": {"feature": feature}}).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        request = Request(self.url, body, headers)  # noqa: S310 -- an address of our own; until=never
        try:
            with urlopen(request, timeout=30) as answer:  # noqa: S310 -- likewise; until=never
                return int(answer.status)
        except HTTPError as error:
            with error:
                return error.code


@contextmanager
def hooked(folder: Path, script: str) -> Iterator[Hook]:
    """Our hooks, with `script` as the program that they run."""
    binary, port = program("webhook"), free_port()
    stand_in = folder / "quickwins"
    stand_in.write_text(f"#!/bin/sh\n{script}\n")
    stand_in.chmod(0o755)
    hooks = folder / "hooks.yml"
    text = (EXAMPLES / "hooks.example.yml").read_text()
    text = text.replace("/usr/local/bin/quickwins", str(stand_in))
    hooks.write_text(text.replace("/etc/quickwins", str(folder)))
    command = [binary, "-template", "-hooks", str(hooks), "-ip", "127.0.0.1", "-port", str(port)]
    env = {**os.environ, "ABORT_TOKEN": TOKEN}
    with running(command, folder / "webhook.log", env=env):
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/"), "webhook doesn't start", seconds=20)
        yield Hook(folder, port)


@pytest.fixture
def hook(tmp_path: Path) -> Iterator[Hook]:
    with hooked(tmp_path, f'echo "$@" >>{tmp_path}/asked\ntest "$3" != fails') as made:
        yield made


@pytest.fixture
def alertmanager(tmp_path: Path, hook: Hook) -> Iterator[int]:
    """Our example with its abort hook; nobody is paged."""
    config = yaml.safe_load((EXAMPLES / "alertmanager.example.yml").read_text())
    token = tmp_path / "token"
    token.write_text(TOKEN)
    (abort,) = [one for one in config["receivers"] if one["name"] == "rollout-abort"]
    abort["webhook_configs"][0]["url"] = hook.url
    abort["webhook_configs"][0]["http_config"]["authorization"]["credentials_file"] = str(token)
    config["receivers"] = [abort, {"name": "pager"}, {"name": "tickets"}]
    file = tmp_path / "alertmanager.yml"
    file.write_text(yaml.safe_dump(config))
    port = free_port()
    command = [
        program("prometheus-alertmanager"),
        f"--config.file={file}",
        f"--storage.path={tmp_path / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    with running(command, tmp_path / "alertmanager.log"):
        wait_until(lambda: answers(f"http://127.0.0.1:{port}/-/ready"), "it doesn't start", seconds=20)
        yield port


class Shop:
    """A service with a bug in a feature that is on for half of its requests."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._source = MemorySource({"service": "shop", "query_cache": {"enabled": True, "percent": 50}})
        self._flags = Flags({"query_cache": FlagSettings}, [self._source], registry=registry)
        self._flag = self._flags.flag("query_cache")
        self._app = RolloutMiddleware(self._answer, self._flags, features=["query_cache"], registry=registry)
        self.broken = False

    def off(self) -> None:
        """What `quickwins rollout abort` does."""
        self._source.set("query_cache", percent=0)
        self._flags.poll()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 500 if self.broken and self._flag.active() else 200
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def serve(self) -> None:
        """Some 50 requests a second, until cancelled."""

        async def receive() -> dict[str, Any]:
            return {"type": "http.request"}

        async def send(message: object) -> None: ...

        for number in count():
            await self._app({"type": "http", "path": f"/{number}", "headers": []}, receive, send)
            await asyncio.sleep(0.02)


async def until(condition: Any, what: Any) -> None:
    """Wait in a thread: the shop goes on."""
    await asyncio.to_thread(wait_until, condition, what, 40.0, look_seconds=0.25)


@pytest.mark.volume
@pytest.mark.timeout(120)
@pytest.mark.asyncio
async def test_a_bug_behind_a_flag_is_seen_aborted_and_over(
    tmp_path: Path, hook: Hook, alertmanager: int
) -> None:
    registry = CollectorRegistry()
    shop, gate = Shop(registry), Gate.queue(size=1, service="shop", name="feed", registry=registry)
    with ExitStack() as stack:
        port = stack.enter_context(MetricsServer(registry=registry)).port
        seen: Prometheus = stack.enter_context(prometheus(tmp_path, {"shop": port}, alertmanager))
        serving = asyncio.create_task(shop.serve())
        await until(lambda: len(seen.query("service_feature:quickwins_ramping:group")) == 1, "no ramp")
        assert EXPECTED & seen.firing() == set()

        async with gate.permit():
            shop.broken = True
            await until(lambda: seen.firing() >= EXPECTED, seen.firing)
            await until(lambda: "rollout abort query_cache" in hook.asked(), hook.asked)
        shop.off()
        await until(lambda: not EXPECTED & seen.firing(), seen.firing)
        assert hook.asked() == {"rollout abort query_cache"}
        serving.cancel()
        with suppress(asyncio.CancelledError):
            await serving


def test_the_hook_runs_nothing_but_the_abort_of_a_feature_for_those_who_have_the_token(hook: Hook) -> None:
    assert hook.post("dedup") == 200
    assert hook.post("dedup", token="guessed") == 403
    assert hook.post("dedup", status="resolved") == 403
    for feature in ("--help", "dedup; reboot", "../x", "", "Dedup\n", None, 7):
        assert hook.post(feature) != 200, feature
    assert hook.asked() == {"rollout abort dedup"}


def test_the_command_that_the_hook_runs_exists() -> None:
    (hook,) = yaml.safe_load((EXAMPLES / "hooks.example.yml").read_text())
    words = [one["name"] for one in hook["pass-arguments-to-command"][:2]]
    assert run([*words, "--help"]) == 0


def test_an_abort_that_fails_is_asked_for_again(hook: Hook) -> None:
    assert hook.post("fails") == 500  # on which Alertmanager retries


def test_a_ramp_is_aborted_once_and_asked_for_again_by_an_alert_that_goes_on(tmp_path: Path) -> None:
    config = tmp_path / "quickwins.toml"
    config.write_text("[backpressure]\nenabled = true\npercent = 0\n# quickwins: complete\n")
    target = 'targets = ["http://127.0.0.1:9/metrics"]'
    (tmp_path / "rollout.toml").write_text(f"[backpressure]\nsteps = [{{ percent = 10 }}]\n{target}\n")
    assert run(["rollout", "start", "backpressure", "--config", str(config)]) == 0
    with hooked(tmp_path, f'exec {sys.executable} -m quickwins "$@"') as hook:
        assert hook.post("backpressure") == 200
        assert "killed = true" in config.read_text()
        assert hook.post("backpressure") == 200
        assert (
            hook.post("channels") == 200
        )  # which does not ramp: nothing to take back, and no reason to ask again
        assert hook.post("nothing_of_the_kind") == 500


def test_the_example_of_alertmanager_is_well_formed() -> None:
    done = subprocess.run(
        [program("amtool"), "check-config", EXAMPLES / "alertmanager.example.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
