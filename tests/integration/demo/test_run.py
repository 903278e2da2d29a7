"""The whole demo, briefly: what it does and leaves behind, not how fast this machine is."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from quickwins.demo import DemoOptions, DemoResult, run_demo, write_page
from quickwins.demo.service import processes
from quickwins.demo.service.database import create_feed
from quickwins.demo.service.processes import ServiceSettings, feed_service
from quickwins.engines import EngineError, EngineFailure
from quickwins.rig import Outcome
from tests.eventually import eventually, wait_until

pytestmark = pytest.mark.timeout(180)  # the whole demo runs within the first of these

OPTIONS = DemoOptions(rows=100, fast=True)
DEADLINE_SECONDS = 60.0


def below(process: psutil.Process) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return found


def folders_of(found: list[psutil.Process]) -> set[Path]:
    """The data folders of the PostgreSQL servers among these processes, one level up."""
    folders = set()
    for process in found:
        try:
            words = process.cmdline()
        except psutil.Error:
            continue
        folders |= {Path(words[number + 1]).parent for number, word in enumerate(words) if word == "-D"}
    return folders


def gateway(process: psutil.Process) -> bool:
    try:
        return "quickwins.demo.service.gateway" in process.cmdline()
    except psutil.Error:
        return False


@pytest.fixture(scope="module")
def run() -> tuple[DemoResult, list[str], list[psutil.Process], set[Path]]:
    """One fast run, what it said, and every process and folder that was seen during it."""
    said: list[str] = []
    found: dict[int, psutil.Process] = {}
    folders: set[Path] = set()
    before = {process.pid for process in below(psutil.Process())}

    def progress(text: str) -> None:
        said.append(text)
        new = [process for process in below(psutil.Process()) if process.pid not in before]
        found.update({process.pid: process for process in new})
        folders.update(folders_of(new))

    result = run_demo(OPTIONS, progress)
    return result, said, list(found.values()), folders


def test_a_run_measures_every_phase(run: tuple[DemoResult, list[str], object, object]) -> None:
    result, said, _, _ = run
    assert [phase.name for phase in result.phases] == ["baseline", "backpressure"]
    assert result.capacity_per_second == pytest.approx(sum(result.capacity_by_backend.values()))
    assert result.setting.rows == 100
    assert result.wall_seconds > 0
    assert said[0] == "starting PostgreSQL"
    assert any("Backpressure on" in text for text in said)


def test_the_baseline_refuses_nobody_and_protection_refuses_the_surplus_and_serves_the_rest(
    run: tuple[DemoResult, object, object, object],
) -> None:
    result = run[0]
    baseline, protected = result.phase("baseline"), result.phase("backpressure")
    for figures in (baseline.settling, baseline.settled):
        assert figures.latency[Outcome.REJECTED].count == 0
    # As the backends themselves have it: on a busy machine clients may give up on what is served, or refused.
    settled = [one for one in result.samples if one.at_seconds >= protected.settled.start_seconds]
    for backend in processes.BACKENDS:
        flags = [one.flags["backpressure"] for one in settled if one.backend == backend]
        assert flags == sorted(flags), "it was turned off again"
        assert flags[-1]
    on = [one for one in settled if one.flags["backpressure"]]
    assert {one.backend for one in on if one.rejected} == set(processes.BACKENDS)
    assert {one.backend for one in on if one.inflight} == set(processes.BACKENDS)


def test_every_backend_sees_the_flip_and_nobody_fails(
    run: tuple[DemoResult, object, object, object],
) -> None:
    result = run[0]
    (flip,) = result.flips
    assert set(flip.seen_after_seconds) == set(processes.BACKENDS)
    assert flip.failed == 0
    last = {sample.backend: sample for sample in result.samples}
    assert all(sample.rejected > 0 for sample in last.values())
    assert all(sample.utilization >= 0.0 for sample in result.samples)


def test_both_clients_ask_the_same_while_backends_fail(
    run: tuple[DemoResult, object, object, object],
) -> None:
    outage = run[0].outage
    one, several = outage.clients
    assert one.requests == several.requests > 0
    assert one.failed <= one.requests
    assert 0 < outage.killed_at_seconds < outage.stopped_at_seconds < outage.duration_seconds


def test_duplicates_count_while_the_flag_is_off_and_not_while_it_is_on(
    run: tuple[DemoResult, object, object, object],
) -> None:
    duplicates = run[0].duplicates
    off, on = duplicates.projectors
    assert (off.counted, on.counted) == (duplicates.records, duplicates.truth)
    assert off.wrong_posts > 0
    assert on.wrong_posts == 0
    assert duplicates.duplicates / duplicates.records == pytest.approx(0.22, abs=0.001)


def test_the_cache_saves_queries_and_no_answer_is_outdated(
    run: tuple[DemoResult, object, object, object],
) -> None:
    cache = run[0].cache
    assert cache.outdated == 0
    assert cache.queries_without == cache.requests - cache.mutations
    assert 0 < cache.queries_with < cache.queries_without
    assert set(cache.policies) == {"PUBLIC", "SEARCH", "USER_DATA"}


def test_the_processor_time_of_every_process_is_known(
    run: tuple[DemoResult, object, object, object],
) -> None:
    names = {"load generator", "gateway", "postgres", *processes.BACKENDS}
    assert all(set(phase.cpu_cores) == names for phase in run[0].phases)


def test_the_result_becomes_a_page_and_json(
    run: tuple[DemoResult, object, object, object], tmp_path: Path
) -> None:
    write_page(run[0], tmp_path / "index.html")
    assert (tmp_path / "index.html").stat().st_size > 1_000_000
    json.dumps(run[0].to_dict(), allow_nan=False)


def test_nothing_is_left_behind(
    run: tuple[object, object, list[psutil.Process], set[Path]],
) -> None:
    _, _, found, folders = run
    assert len(found) > 10
    assert folders
    assert not [process for process in found if process.is_running()]
    assert not [folder for folder in folders if folder.exists()]


@pytest.mark.usefixtures("children_untraced")
def test_ctrl_c_while_everything_runs_leaves_nothing(tmp_path: Path) -> None:
    log = tmp_path / "progress"
    with log.open("wb") as out:
        child = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "quickwins",
                "demo",
                "--fast",
                "--rows",
                "100",
                "--output",
                str(tmp_path / "r"),
            ],
            stderr=out,
            stdout=out,
            start_new_session=True,
        )
    try:
        found: list[psutil.Process] = []

        def all_there() -> bool:
            assert child.poll() is None, log.read_text()
            found[:] = below(psutil.Process(child.pid))
            return any(map(gateway, found))

        wait_until(all_there, "no gateway")
        folders = folders_of(found)
        os.kill(child.pid, signal.SIGINT)
        assert child.wait(DEADLINE_SECONDS) == 130, log.read_text()
    finally:
        child.kill()
        child.wait()
    assert b"everything is cleaned up" in log.read_bytes()
    assert b"Traceback" not in log.read_bytes()
    assert len(found) > 5
    assert folders
    assert not [process for process in found if process.is_running()]
    assert not [folder for folder in folders if folder.exists()]
    assert not (tmp_path / "r").exists()


def settings(tmp_path: Path, database_url: str = "postgresql://nobody@127.0.0.1:1/none") -> ServiceSettings:
    config = tmp_path / "quickwins.toml"
    config.write_text('service = "feed"\n')
    return ServiceSettings(
        config=config, database_url=database_url, pool_size=1, service_seconds=0.0, timeout_seconds=1.0
    )


@pytest.mark.usefixtures("children_untraced")
@pytest.mark.asyncio
async def test_a_backend_that_ends_early_is_an_error_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"backend\d ended with status 1(.|\n)*Connect"):
        async with feed_service(settings(tmp_path), folder=tmp_path / "run"):
            pytest.fail("a service without a database must not start")


@pytest.mark.usefixtures("children_untraced")
@pytest.mark.asyncio
async def test_a_process_that_never_gets_ready_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "READY_SECONDS", 0.0)
    with pytest.raises(EngineError, match="was not ready after 0 s") as caught:
        async with feed_service(settings(tmp_path), folder=tmp_path / "run"):
            pytest.fail("nothing is ready at once")
    assert caught.value.reason is EngineFailure.NOT_READY


@pytest.mark.usefixtures("children_untraced")
@pytest.mark.engines("postgres")
@pytest.mark.any_server
@pytest.mark.asyncio
async def test_a_backend_that_dies_under_way_is_the_error_not_what_it_broke(
    tmp_path: Path, postgres_database: str
) -> None:
    await create_feed(postgres_database, 10, lambda _: None)

    async def work() -> None:
        async with feed_service(settings(tmp_path, postgres_database), folder=tmp_path / "run") as service:
            os.kill(service.pids["backend2"], signal.SIGKILL)
            await eventually(lambda: not psutil.pid_exists(service.pids["backend2"]))
            raise ConnectionResetError("what a client would see")

    with pytest.raises(EngineError, match="backend2 ended with status -9") as caught:
        await work()
    assert isinstance(caught.value.__cause__, ConnectionResetError)


@pytest.mark.usefixtures("children_untraced")
@pytest.mark.engines("postgres")
@pytest.mark.any_server
@pytest.mark.asyncio
async def test_a_service_without_tables_is_an_error_that_shows_the_answer(
    tmp_path: Path, postgres_database: str
) -> None:
    with pytest.raises(EngineError, match="UPSTREAM_FAILED"):
        async with feed_service(settings(tmp_path, postgres_database), folder=tmp_path / "run"):
            pytest.fail("no feed can come out")
