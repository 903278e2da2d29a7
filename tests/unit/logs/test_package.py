"""What a person meets who imports the package, and looks at what it makes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

import quickwins.logs
from quickwins.logs import Redaction, Sampling, Sink, bound, configure_logging, get_logger
from quickwins.logs.asgi import LogMiddleware
from quickwins.logs.grpc import LogClientInterceptor, LogServerInterceptor
from quickwins.logs.kafka import extract
from quickwins.logs.strawberry import LogExtension
from quickwins.logs.testing import Canaries, Watched
from quickwins.logs.timeline import Log
from tests.unit.logs.conftest import Configure

SECRET = "hunter2"


def loaded_by(code: str) -> set[str]:
    code = f"import sys; before = set(sys.modules); {code}; print(*set(sys.modules) - before)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_the_package_imports_nothing_of_it() -> None:
    ours = {name for name in loaded_by("import quickwins.logs") if name.startswith("quickwins.logs.")}
    assert ours == set()


def test_a_service_that_uses_no_file_imports_no_pydantic_and_no_structlog_before_it_configures() -> None:
    names = ", ".join(name for name in quickwins.logs.__all__ if name != "LogsSettings")
    roots = {name.partition(".")[0] for name in loaded_by(f"from quickwins.logs import {names}")}
    assert not roots & {"pydantic", "pydantic_settings", "structlog", "grpc"}


@pytest.mark.parametrize(
    ("make", "shown"),
    [
        pytest.param(get_logger, "<Logger ''>", id="a logger"),
        pytest.param(lambda: get_logger("app").bind(a=SECRET, b=1), "<Logger 'app' with a, b>", id="bound"),
        pytest.param(lambda: bound(tenant=SECRET), "<bound tenant>", id="a block"),
        pytest.param(
            lambda: extract([("a", SECRET.encode())], topic="feed"),
            "<extract topic='feed', trusted>",
            id="a message",
        ),
        pytest.param(Sink.stdout, "<Sink to 1 closed, 0 bytes queued>", id="a sink to a descriptor"),
        pytest.param(
            lambda: Sink.file("/tmp/log"),  # noqa: S108 -- never opened; until=never
            "<Sink to '/tmp/log' closed, 0 bytes queued>",
            id="a sink to a file",
        ),
        pytest.param(Redaction.none, "<Redaction rules: none>", id="no redaction"),
        pytest.param(
            lambda: Redaction.strict(keys=["a", "b"], safe_keys=["c"], pseudonym_key=SECRET.encode() * 3),
            "<Redaction rules: all, keys: a, b, safe keys: c, with pseudonyms>",
            id="redaction",
        ),
        pytest.param(
            lambda: Sampling(every=10), "Sampling(first=100, every=10, slow_ms=1000.0)", id="sampling"
        ),
        pytest.param(lambda: LogMiddleware(asgi), "<LogMiddleware on around function>", id="a middleware"),
        pytest.param(LogServerInterceptor, "<LogServerInterceptor on>", id="a server's interceptor"),
        pytest.param(
            LogClientInterceptor,
            "LogClientInterceptor (four in one: [*LogClientInterceptor()])",
            id="a channel's interceptors",
        ),
        pytest.param(LogExtension, "<LogExtension on>", id="an extension"),
        pytest.param(lambda: Canaries(7), "<Canaries seed=7, 49 planted>", id="canaries"),
        pytest.param(Watched, "<Watched 0 bytes>", id="what was written"),
        pytest.param(Log.stdin, "Log(name='stdin', again=False)", id="a log"),
    ],
)
def test_what_is_public_says_its_name_and_state_and_no_values(make: Callable[[], object], shown: str) -> None:
    assert repr(make()) == shown


async def asgi(scope: object, receive: object, send: object) -> None:
    """An application."""


def test_a_pipeline_says_whether_it_is_on(configure: Configure, tmp_path: Path) -> None:
    sink = Sink.file(tmp_path / "log", inline=True)
    pipeline = configure(sink=sink, level="warning")
    told = f"from warning on, <Sink to {str(tmp_path / 'log')!r}"
    assert repr(pipeline) == f"<Pipeline 'feed' on, {told} up, 0 bytes queued>>"
    pipeline.close()
    assert repr(pipeline) == f"<Pipeline 'feed' closed, {told} closed, 0 bytes queued>>"


def test_a_pipeline_is_flushed_before_what_it_wrote_is_read(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with configure_logging(sink=Sink.file(path, linger_seconds=1), registry=CollectorRegistry()) as pipeline:
        get_logger().info("a")
        assert pipeline.flush()
        assert path.read_bytes().count(b"\n") == 1
