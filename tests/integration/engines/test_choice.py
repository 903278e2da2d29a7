"""`--engines`, the markers and the fixtures, seen from a small suite that uses them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quickwins.engines import ValkeyServer
from tests.engines import EXTERNAL

if TYPE_CHECKING:
    from tests.engines import Target

ROOT = Path(__file__).parents[3]

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
    (folder / "test_small.py").write_text(suite)
    environment = {key: value for key, value in os.environ.items() if key not in EXTERNAL.values()}
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-p",
            "tests.conftest",
            "-c",
            "pyproject.toml",
            "-q",
            *options,
            str(folder),
        ],
        cwd=ROOT,
        env={**environment, **env},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return done.stdout + done.stderr


def test_embedded_is_the_default_and_runs_everything(tmp_path: Path) -> None:
    said = run_suite(tmp_path, SUITE)
    assert "4 passed" in said, said
    assert "what the servers of this run cannot do" not in said


def test_external_servers_are_used_as_given_and_missing_ones_are_named(tmp_path: Path) -> None:
    with ValkeyServer.start() as server:
        said = run_suite(tmp_path, SUITE, "--engines=external", QUICKWINS_TEST_VALKEY_URL=server.url)
    assert "1 passed, 3 skipped" in said, said
    summary = said.partition("what the servers of this run cannot do")[2]
    assert (
        "process_control of valkey (external): an external server is not ours to stop [1 skipped]" in summary
    )
    assert "postgres (external): QUICKWINS_TEST_POSTGRES_URL is not set [2 skipped]" in summary


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
        QUICKWINS_TEST_POSTGRES_URL=postgres.url,
        QUICKWINS_TEST_KAFKA_BOOTSTRAP=kafka.url,
    )
    assert "2 passed" in said, said


@pytest.mark.parametrize(
    "marks",
    [
        pytest.param('@pytest.mark.engines("oracle")', id="unknown-engine"),
        pytest.param(
            '@pytest.mark.engines("valkey")\n@pytest.mark.capability("transactions")', id="not-its-capability"
        ),
        pytest.param('@pytest.mark.capability("transactions")', id="no-engine"),
    ],
)
def test_a_marker_that_makes_no_sense_fails_instead_of_skipping(tmp_path: Path, marks: str) -> None:
    said = run_suite(tmp_path, f"import pytest\n{marks}\ndef test_it(): pass\n")
    assert "1 error" in said, said
    assert "no engine named in the markers has" in said
