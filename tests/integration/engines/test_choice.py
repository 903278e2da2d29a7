"""`--engines`, the markers and the fixtures, seen from a small suite that uses them."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import untraced
from tests.engines import EXTERNAL, Choice, leave_out
from tests.small_suite import ROOT, command

if TYPE_CHECKING:
    from tests.engines import Target

SUITE = """
import pytest
from quickwins.engines import Capability

@pytest.mark.engines("valkey")
def test_with_valkey(valkey, key_prefix):
    import valkey as client
    with client.Valkey.from_url(valkey.url) as connected:
        connected.set(key_prefix + "a", "b")
        assert connected.get(key_prefix + "a") == b"b"

@pytest.mark.engines("valkey")
@pytest.mark.capability(Capability.PROCESS_CONTROL)
def test_that_kills(valkey): pass

def test_by_fixture_alone(postgres_database): assert postgres_database.startswith("postgresql://")

@pytest.mark.engines("postgres")
def test_with_postgres(postgres): pass
"""


def run_suite(folder: Path, suite: str, *options: str, **env: str) -> str:
    inherited = {key: value for key, value in untraced.environment().items() if key not in EXTERNAL.values()}
    done = subprocess.run(
        command(folder, suite, "-q", *options),
        cwd=ROOT,
        env={**inherited, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.stdout + done.stderr


def test_embedded_is_the_default_runs_everything_and_tells_the_versions(tmp_path: Path) -> None:
    said = run_suite(tmp_path, SUITE)
    assert "4 passed" in said, said
    assert "what the servers of this run cannot do" not in said
    assert re.search(
        r"the servers of this run \(embedded\) =+\npostgres \d+\.\d+\nvalkey \d+\.\d+\.\d+\n", said
    ), said


@pytest.mark.parametrize("processes", [pytest.param("-n0", id="one"), pytest.param("-n2", id="workers")])
def test_external_servers_are_used_as_given_and_missing_ones_are_named(
    tmp_path: Path, valkey: Target, processes: str
) -> None:
    said = run_suite(tmp_path, SUITE, processes, "--engines=external", TEST_VALKEY_URL=valkey.url)
    assert "1 passed, 3 skipped" in said, said
    assert "the servers of this run (external) =" in said
    assert f"\nvalkey {valkey.version}\n" in said
    summary = said.partition("what the servers of this run cannot do")[2]
    assert (
        "process_control of valkey (external): an external server is not ours to stop [1 skipped]" in summary
    )
    assert "postgres (external): TEST_POSTGRES_URL is not set [2 skipped]" in summary


def test_an_external_postgres_and_broker_serve_as_well(
    tmp_path: Path, postgres: Target, kafka: Target
) -> None:
    suite = """
import pytest
from quickwins.engines import Capability

@pytest.mark.engines("postgres")
@pytest.mark.capability(Capability.LOGICAL_DECODING)
def test_postgres(postgres_database): assert "/test_" in postgres_database

@pytest.mark.engines("kafka")
@pytest.mark.capability(Capability.CONSUMER_GROUPS)
def test_kafka(kafka, topic_prefix): assert topic_prefix
"""
    said = run_suite(
        tmp_path,
        suite,
        "--engines=external",
        TEST_POSTGRES_URL=postgres.url,
        TEST_KAFKA_BOOTSTRAP=kafka.url,
    )
    assert "2 passed" in said, said


def test_a_marker_that_makes_no_sense_fails_instead_of_skipping(tmp_path: Path) -> None:
    suite = """
import pytest

@pytest.mark.engines("oracle")
def test_unknown_engine(): pass

@pytest.mark.engines("valkey")
@pytest.mark.capability("transactions")
def test_not_its_capability(): pass

@pytest.mark.capability("transactions")
def test_no_engine(): pass
"""
    said = run_suite(tmp_path, suite)
    assert "3 errors" in said, said
    reasons = [
        line.lstrip("E ") for line in said.splitlines()
    ]  # not those of the summary, which may be cut short
    assert sum(one.startswith("Failed: no engine named in the markers has") for one in reasons) == 3, said


def test_what_is_not_traced_starts_nothing_that_is(tmp_path: Path) -> None:
    suite = """
import os, pytest
from coverage import Coverage

def traced(): return "COVERAGE_PROCESS_CONFIG" in os.environ

def test_usual(): assert traced()

@pytest.mark.volume
def test_of_many_repetitions(): assert not traced()

@pytest.mark.no_cover
def test_untraced(): assert not traced()

@pytest.mark.usefixtures("children_untraced")
def test_of_processes():
    assert not traced()
    assert Coverage.current()

def test_usual_again(): assert traced()
"""
    said = run_suite(tmp_path, suite, "--cov", "--cov-report=", COVERAGE_FILE=str(tmp_path / ".coverage"))
    assert "5 passed" in said, said


def test_a_tests_limit_counts_on_to_its_end_and_interrupts_no_report(tmp_path: Path) -> None:
    suite = """
import signal

def armed(): return signal.getitimer(signal.ITIMER_REAL)[0] > 0

class Told(Exception):
    def __str__(self): return f"told while armed: {armed()}"

def test_limited(tmp_path): assert armed()

def test_failing(): raise Told
"""
    said = run_suite(tmp_path, suite)
    assert "1 failed, 1 passed" in said, said
    assert "told while armed: False" in said, said


NO_DAEMON = "unix:///no/such/docker.sock"


def test_auto_without_a_docker_daemon_is_embedded_and_says_why(tmp_path: Path) -> None:
    said = run_suite(tmp_path, SUITE, "-v", "--engines=auto", DOCKER_HOST=NO_DAEMON)
    assert "4 passed" in said, said
    assert "engines: embedded (asked: auto)" in said
    assert f"no Docker daemon answers at {NO_DAEMON}" in said


def test_containers_without_a_docker_daemon_end_at_once_and_say_why(tmp_path: Path) -> None:
    said = run_suite(tmp_path, SUITE, "--engines=containers", DOCKER_HOST=NO_DAEMON)
    assert f"--engines=containers: no Docker daemon answers at {NO_DAEMON}" in said, said
    assert "passed" not in said


@pytest.mark.parametrize("choice", [Choice.EMBEDDED, Choice.EXTERNAL])
def test_what_servers_lack_skips(choice: Choice) -> None:
    with pytest.raises(pytest.skip.Exception, match="no such thing"):
        leave_out(choice, "no such thing")


def test_what_containers_lack_fails() -> None:
    with pytest.raises(pytest.fail.Exception, match="no such thing"):
        leave_out(Choice.CONTAINERS, "no such thing")
