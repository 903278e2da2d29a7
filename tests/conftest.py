"""Servers, isolation and Hypothesis profiles for every test; `tests/engines.py` has the story."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
import valkey as valkey_client
from aiokafka.admin import AIOKafkaAdminClient
from hypothesis import settings

from quickwins.engines import Capability
from tests.engines import SERVERS, Choice, Servers, Target, apart, execute, obstacles, summary

if TYPE_CHECKING:
    from collections.abc import Iterator

settings.register_profile("dev", max_examples=50, deadline=None)
settings.register_profile("ci", max_examples=200, deadline=None, derandomize=True, print_blob=True)
settings.register_profile("soak", max_examples=10_000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "ci" if os.environ.get("CI") == "true" else "dev"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--engines",
        choices=[choice.value for choice in Choice],
        default=Choice.EMBEDDED.value,
        help="where servers come from: started from wheels, or QUICKWINS_TEST_{POSTGRES_URL,VALKEY_URL,KAFKA_BOOTSTRAP}",
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = terminalreporter.stats.get("skipped", [])
    lines = summary(report.longrepr[2] for report in reports if isinstance(report.longrepr, tuple))
    if lines:
        terminalreporter.section("what the servers of this run cannot do")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    """The servers of this run."""
    made = Servers(Choice(request.config.getoption("--engines")))
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _needed_engines(request: pytest.FixtureRequest) -> None:
    """Skip, by name and with the reason, what this run's servers cannot do."""
    kinds = [kind for mark in request.node.iter_markers("engines") for kind in mark.args]
    needed = [capability for mark in request.node.iter_markers("capability") for capability in mark.args]
    wrong = [kind for kind in kinds if kind not in SERVERS]
    wrong += [
        str(one) for one in needed if not any(one in SERVERS[kind].can for kind in kinds if kind in SERVERS)
    ]
    if wrong:
        pytest.fail(f"no engine named in the markers has {', '.join(wrong)}: {[*SERVERS]}, {[*Capability]}")
    if kinds and (reasons := obstacles(request.getfixturevalue("servers"), kinds, needed)):
        pytest.skip("; ".join(reasons))


def _target(servers: Servers, kind: str) -> Target:
    reasons = obstacles(servers, [kind], [])
    if reasons:
        pytest.skip(reasons[0])
    return servers.target(kind)


@pytest.fixture(scope="session")
def postgres(servers: Servers) -> Target:
    """PostgreSQL for the whole run; `url` is a DSN of a superuser."""
    return _target(servers, "postgres")


@pytest.fixture(scope="session")
def valkey(servers: Servers) -> Target:
    """Valkey for the whole run."""
    return _target(servers, "valkey")


@pytest.fixture(scope="session")
def kafka(servers: Servers) -> Target:
    """A broker for the whole run; `url` is its bootstrap address."""
    return _target(servers, "kafka")


@pytest.fixture
def postgres_database(postgres: Target) -> Iterator[str]:
    """The DSN of an empty database of this test's own."""
    name = f"test_{secrets.token_hex(6)}"
    apart(execute(postgres.url, f'CREATE DATABASE "{name}"'))
    yield urlsplit(postgres.url)._replace(path=f"/{name}").geturl()
    apart(execute(postgres.url, f'DROP DATABASE "{name}" WITH (FORCE)'))


@pytest.fixture
def key_prefix(valkey: Target) -> Iterator[str]:
    """A prefix for this test's keys, which are deleted afterwards."""
    prefix = f"test:{secrets.token_hex(6)}:"
    yield prefix
    with valkey_client.Valkey.from_url(valkey.url) as client:
        for key in client.scan_iter(match=f"{prefix}*"):
            client.delete(key)


@pytest.fixture
def topic_prefix(kafka: Target) -> Iterator[str]:
    """A prefix for this test's topics, which are deleted afterwards."""
    prefix = f"test-{secrets.token_hex(6)}-"
    yield prefix
    apart(_delete_topics(kafka.url, prefix))


async def _delete_topics(bootstrap: str, prefix: str) -> None:
    admin = AIOKafkaAdminClient(bootstrap_servers=bootstrap)
    await admin.start()
    try:
        ours = [topic for topic in await admin.list_topics() if topic.startswith(prefix)]
        if ours:
            await admin.delete_topics(ours)
    finally:
        await admin.close()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter; pytest's own `tmp_path` lies in a private one."""
    folder = Path(tempfile.mkdtemp(prefix="quickwins-test-"))
    if os.geteuid() == 0:
        folder.chmod(0o711)
    yield folder
    shutil.rmtree(folder)
