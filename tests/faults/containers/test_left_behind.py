"""However a run with containers ends, nothing of it is left: at once, or at the next start."""

from __future__ import annotations

import subprocess
from pathlib import Path
from signal import SIGINT, SIGKILL, SIGTERM, Signals
from typing import TYPE_CHECKING

import pytest

from tests import untraced
from tests.engines import SKIPPED, Choice
from tests.eventually import wait_until
from tests.small_suite import ROOT, command

if TYPE_CHECKING:
    from collections.abc import Iterator

    import docker

    from tests.engines import Servers

pytestmark = [pytest.mark.engines("valkey"), pytest.mark.timeout(300)]

SUITE = """
import os, pathlib, time

def test_first(own_valkey):
    pathlib.Path(__file__).with_name("up").write_text("up")
    while {wait}: time.sleep(0.05)
    assert {holds}
"""


@pytest.fixture
def client(servers: Servers) -> Iterator[docker.DockerClient]:
    if servers.choice is not Choice.CONTAINERS:
        pytest.skip(f"{SKIPPED}start containers ({servers.choice}): this run has no Docker daemon")
    from tests.containers.daemon import connected

    with connected() as client:
        yield client


def start_run(folder: Path, *, wait: bool, holds: bool = True) -> subprocess.Popen[str]:
    suite = SUITE.format(wait=wait, holds=holds)
    with (folder / "said").open("w") as said:
        return subprocess.Popen(
            command(folder, suite, "--engines=containers", "-p", "no:cacheprovider"),
            cwd=ROOT,
            env=untraced.environment(),
            stdout=said,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )


def left(client: docker.DockerClient, pid: int) -> tuple[list[str], list[str]]:
    """Containers of the process, and the volumes that hang on them."""
    from tests.containers.owner import RUN

    found = [
        container
        for container in client.containers.list(all=True, filters={"label": RUN}, ignore_removed=True)
        if container.labels[RUN].startswith(f"{pid}:")
    ]
    volumes = [mount["Name"] for container in found for mount in container.attrs["Mounts"] if "Name" in mount]
    return [container.id for container in found], volumes


def volumes_of(client: docker.DockerClient) -> set[str]:
    return {volume.name for volume in client.volumes.list()}


def test_a_run_that_fails_leaves_nothing(client: docker.DockerClient, tmp_path: Path) -> None:
    with start_run(tmp_path, wait=False, holds=False) as run:
        run.wait(120)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, (tmp_path / "said").read_text()
    assert left(client, run.pid) == ([], [])


@pytest.mark.parametrize("number", [SIGINT, SIGTERM, SIGKILL], ids=lambda number: number.name)
def test_a_run_that_is_ended_leaves_nothing_after_the_next_start(
    client: docker.DockerClient, tmp_path: Path, number: Signals
) -> None:
    with start_run(tmp_path, wait=True) as run:
        wait_until((tmp_path / "up").exists, "the run does not come up", 120)
        containers, volumes = left(client, run.pid)
        assert len(containers) == 1
        assert volumes
        assert set(volumes) <= volumes_of(client)
        run.send_signal(number)
        run.wait(60)
    if number is not SIGINT:
        # Nobody could clean up; and a run that goes on must not be taken for one that is gone.
        assert left(client, run.pid)[0] == containers
        (tmp_path / "next").mkdir()
        with start_run(tmp_path / "next", wait=False) as after:
            after.wait(120)
        said = (tmp_path / "next" / "said").read_text()
        assert after.returncode == 0, said
        assert "left by a run that was killed" in said
    assert left(client, run.pid) == ([], [])
    assert volumes_of(client).isdisjoint(volumes)


def test_the_sweep_spares_the_containers_of_a_run_that_goes_on(
    client: docker.DockerClient, tmp_path: Path
) -> None:
    from tests.containers.daemon import prepare

    with start_run(tmp_path, wait=True) as run:
        try:
            wait_until((tmp_path / "up").exists, "the run does not come up", 120)
            containers, _ = left(client, run.pid)
            prepare()
            assert left(client, run.pid)[0] == containers
        finally:
            run.send_signal(SIGINT)
            run.wait(60)


def test_an_interrupt_during_a_start_leaves_nothing(client: docker.DockerClient, tmp_path: Path) -> None:
    with start_run(tmp_path, wait=True) as run:
        wait_until(lambda: bool(left(client, run.pid)[0]), "no container was made", 120)
        run.send_signal(SIGINT)
        run.wait(60)
    assert left(client, run.pid) == ([], [])
