"""`QuickWins`: what it makes follows the file, has the service's name and obeys the kill; two in a process work."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics import exposition

from quickwins import ConfigError, QuickWins
from quickwins.backpressure import Gate, GateKind, PoolExhausted, Priority
from quickwins.core.asgi import App, Message, Receive, Scope, Send
from quickwins.logs import get_logger
from quickwins.logs.kafka import extract
from quickwins.suppressions import bridge

open_metrics: Any = exposition.generate_latest

pytestmark = pytest.mark.asyncio

CONFIG = """\
service = "api"

[flags]
audit = false

[backpressure]
enabled = true
threshold = 0.75
nested = "allow"

[backpressure.names.http]
threshold = 0.5
"""


class Service:
    """A `QuickWins` on a file of its own, with its series at hand."""

    def __init__(self, folder: Path, text: str = CONFIG, env: dict[str, str] | None = None) -> None:
        self.file = folder / "quickwins.toml"
        self.file.write_text(f"{text}\n# quickwins: complete\n")
        self.registry = CollectorRegistry()
        self.qw = QuickWins.load(self.file, env=env or {}, registry=self.registry)

    def change(self, old: str, new: str) -> None:
        """Edit the file, and have it seen."""
        self.file.write_text(self.file.read_text().replace(old, new))
        assert self.qw.flags.poll()

    def sample(self, series: str, /, **labels: str) -> float | None:
        return self.registry.get_sample_value(series, {"service": "api", **labels})


@pytest.fixture
def service(tmp_path: Path) -> Service:
    return Service(tmp_path)


@pytest.fixture
def _no_bridge() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.resetwarnings()
        yield
        bridge.uninstall()


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})


async def get(app: App, path: str = "/", **headers: str) -> int:
    """The status of one request."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": path,
        "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    await app(scope, receive, send)
    status: int = sent[0]["status"]
    return status


async def full(gate: Gate, limit: int) -> list[Any]:
    """`limit` permits of `gate`, held."""
    permits = [gate.permit(priority=Priority.NORMAL) for _ in range(limit)]
    for permit in permits:
        await permit.__aenter__()
    return permits


async def test_a_gate_has_its_own_table_or_the_section_and_follows_it(service: Service) -> None:
    http, search = (service.qw.gate(name=name, size=4) for name in ("http", "search"))
    assert (http.stats().limit, search.stats().limit) == (2, 3)
    async with service.qw:
        service.change("0.5", "0.25")
        assert (http.stats().limit, search.stats().limit) == (1, 3)
        service.change("threshold = 0.75", 'gate = "queue"')
        assert (http.stats().gate, search.stats().gate) == (GateKind.QUEUE, GateKind.QUEUE)
        late = service.qw.gate(name="late", size=4)
        service.change('gate = "queue"', "threshold = 1.0")
        assert late.stats().limit is None


async def test_a_change_from_before_it_was_entered_is_followed_then(service: Service) -> None:
    http = service.qw.gate(name="http", size=4)
    service.change("0.5", "0.25")
    async with service.qw:
        assert http.stats().limit == 1


async def test_a_gate_carries_the_services_name_and_its_own(service: Service) -> None:
    http = service.qw.gate(name="http", size=4)
    await full(http, 2)
    with pytest.raises(PoolExhausted, match="'http' has 2 of 4"):
        await http.permit().__aenter__()
    assert service.sample("db_pool_exhausted_total", name="http", reason="threshold") == 1


async def test_a_killed_gate_admits_everybody_and_counts(service: Service) -> None:
    http = service.qw.gate(name="http", size=4)
    async with service.qw:
        held = await full(http, 2)
        service.change("enabled = true", "enabled = true\nkilled = true")
        assert not http.stats().gated
        async with http.permit(), http.permit(), http.permit():
            assert http.stats().inflight == 5
        service.change("killed = true", "")
        with pytest.raises(PoolExhausted):
            await http.permit().__aenter__()
        for permit in held:
            await permit.__aexit__(None, None, None)


async def test_the_door_obeys_the_kill_without_being_given_a_flag(service: Service) -> None:
    http = service.qw.gate(name="http", size=4)
    app = service.qw.asgi(hello, gate=http)
    async with service.qw:
        assert await get(app) == 200
        await full(http, 2)
        assert await get(app) == 503
        assert await get(app, "/health") == 200, "exempt"
        service.change("enabled = true", "enabled = false")
        assert await get(app) == 200


async def test_a_percentage_at_the_door_is_one_of_requests_or_of_what_key_says(service: Service) -> None:
    http = service.qw.gate(name="http", size=4)
    drawn = service.qw.asgi(hello, gate=http)
    named = service.qw.asgi(hello, gate=http, key=lambda scope: scope["path"])
    await full(http, 2)
    service.change("enabled = true", "enabled = true\npercent = 50")
    statuses = [await get(drawn) for _ in range(100)]
    assert 20 < statuses.count(503) < 80
    assert len({await get(named, "/a") for _ in range(20)}) == 1
    assert {await get(named, f"/{page}") for page in range(50)} == {200, 503}
    assert service.sample("quickwins_flag_missing_key_total", name="", feature="backpressure") == 0


@pytest.mark.parametrize("section", ["logs", "suppressions"])
@pytest.mark.parametrize("key", ["percent", "fallback_percent"])
async def test_what_is_on_or_off_for_a_process_refuses_a_percentage_and_stays_on(
    tmp_path: Path, section: str, key: str, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(tmp_path, f'service = "api"\n[flags]\naudit = false\n[{section}]\nenabled = true\n')
    service.file.write_text(service.file.read_text().replace("enabled = true", f"enabled = true\n{key} = 50"))
    assert not service.qw.flags.poll()
    assert service.qw.flag(section).state.on
    assert f"{section}.{key}: 50 is not allowed: input should be 0 or 100" in caplog.text
    service.change(f"{key} = 50", "percent = 0")
    assert not service.qw.flag(section).state.on


async def test_logging_stands_outside_so_that_a_refusal_has_its_line(tmp_path: Path) -> None:
    log = tmp_path / "log"
    service = Service(tmp_path, CONFIG + f'[logs]\nenabled = true\noutput = "{log}"\n')
    http = service.qw.gate(name="http", size=4)
    app = service.qw.asgi(hello, gate=http, trusted=True)
    async with service.qw:
        await full(http, 2)
        assert await get(app, **{"x-correlation-id": "whatever-is-trusted"}) == 503
        assert service.qw.log_pipeline is not None
        assert service.qw.log_pipeline.flush()
        told = [json.loads(line) for line in log.read_bytes().splitlines()]
        request = next(one for one in told if one["event.name"] == "http.request")
        assert (request["http.response.status_code"], request["service.name"]) == (503, "api")
        assert request["correlation_id"] == "whatever-is-trusted"
    assert service.qw.log_pipeline is None


async def test_a_refusal_of_a_gate_inside_is_answered_too(service: Service) -> None:
    search = service.qw.gate(name="search", size=4)

    async def searching(scope: Scope, receive: Receive, send: Send) -> None:
        async with search.permit():
            await hello(scope, receive, send)

    app = service.qw.asgi(searching)
    assert await get(app) == 200
    await full(search, 3)
    assert await get(app) == 503


async def test_a_name_is_given_once(service: Service) -> None:
    service.qw.gate(name="http", size=4)
    with pytest.raises(ConfigError, match="there is a gate 'http' already"):
        service.qw.gate(name="http", size=4)


async def test_only_a_table_that_nobody_has_used_by_the_end_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    service = Service(tmp_path, CONFIG + "[backpressure.names.htpt]\nthreshold = 0.5\n")
    async with service.qw:
        service.qw.gate(name="http", size=4)
        service.change("0.75", "0.8")
        assert not [one for one in caplog.messages if "unused" in one]
    assert [one for one in caplog.messages if "unused" in one] == [
        "config.unused key=backpressure.names.htpt reason=no pool and no gate had that name"
    ]


async def test_an_application_that_is_started_again_has_the_same_door(service: Service) -> None:
    app = service.qw.asgi(hello, gate=service.qw.gate(name="http", size=4))
    for _ in range(2):
        async with service.qw:
            assert await get(app) == 200
    async with service.qw:
        service.change("enabled = true", "enabled = true\nkilled = true")
        assert "killed" in repr(service.qw)
        assert await get(app) == 200


async def test_its_repr_tells_the_service_and_each_state(service: Service) -> None:
    assert repr(service.qw) == (
        "<QuickWins 'api': backpressure 100% (on), channels 0% (disabled), dedup 0% (disabled), "
        "indexes 0% (disabled), logs 0% (disabled), query_cache 0% (disabled), "
        "suppressions 0% (disabled)>"
    )


async def test_strawberry_gets_an_extension_of_each_feature(service: Service) -> None:
    import strawberry

    search = service.qw.gate(name="search", size=4)

    @strawberry.type
    class Query:
        @strawberry.field
        async def found(self) -> int:
            async with search.permit():
                return 1

    schema = strawberry.Schema(Query, extensions=service.qw.strawberry_extensions())
    assert (await schema.execute("{ found }")).errors is None
    await full(search, 3)
    errors = (await schema.execute("{ found }")).errors
    assert errors is not None
    assert errors[0].extensions is not None
    assert errors[0].extensions["code"] == "SERVICE_UNAVAILABLE"


# Two in one process.


def logging_to(folder: Path, name: str, more: str = "enabled = true") -> Service:
    (folder / name).mkdir()
    return Service(
        folder / name,
        f'service = "{name}"\n[flags]\naudit = false\n'
        f'[logs]\n{more}\noutput = "{folder / name / "log"}"\n[suppressions]\n{more}\n',
    )


def lines(folder: Path, name: str) -> list[str]:
    file = folder / name / "log"
    return (
        [json.loads(line)["event.name"] for line in file.read_bytes().splitlines()] if file.exists() else []
    )


@pytest.mark.usefixtures("_no_bridge")
async def test_two_share_what_a_process_has_one_of_and_the_second_takes_it_over(tmp_path: Path) -> None:
    one, two = (logging_to(tmp_path, name) for name in ("one", "two"))
    log = get_logger()
    await one.qw.__aenter__()
    await two.qw.__aenter__()
    log.info("a")
    warnings.warn_explicit("old", DeprecationWarning, __file__, 1)
    await one.qw.__aexit__()
    log.info("b")  # which the second still wants
    warnings.warn_explicit("old", UserWarning, __file__, 1)
    await two.qw.__aexit__()
    assert bridge.installed() is None
    assert lines(tmp_path, "one") == ["config.unused", "config.unused", "a", "python.warning"]
    assert lines(tmp_path, "two") == ["b", "python.warning"]


@pytest.mark.usefixtures("_no_bridge")
async def test_turned_on_live_beside_another_that_is_on_and_off_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = logging_to(tmp_path, "one"), logging_to(tmp_path, "two", "enabled = false")
    log = get_logger()
    async with one.qw, two.qw:
        two.change("enabled = false", "enabled = true")
        log.info("a")
        one.change("enabled = true", "enabled = false")
        log.info("b")
        one.change("enabled = false", "enabled = true")
        log.info("c")
        two.change("enabled = true", "killed = true")
        log.info("d")
        assert not [one for one in caplog.messages if "failed" in one]
        assert bridge.installed() is not None
    assert {"a", "d"} <= {*lines(tmp_path, "one")}
    assert {"b", "c"} <= {*lines(tmp_path, "two")}
    assert not {"b", "c"} & {*lines(tmp_path, "one")}
    assert not {"a", "d"} & {*lines(tmp_path, "two")}


@pytest.mark.usefixtures("_no_bridge")
async def test_a_bridge_that_was_installed_by_hand_is_left_alone(tmp_path: Path) -> None:
    by_hand = bridge.install(registry=CollectorRegistry())
    service = logging_to(tmp_path, "one")
    async with service.qw:
        assert bridge.installed() is by_hand
        service.change("enabled = true", "enabled = false")
        assert bridge.installed() is by_hand
    assert bridge.installed() is by_hand


# An extra that is not installed.

WITHOUT_STRUCTLOG = """
import asyncio, logging, sys
from pathlib import Path

class Missing:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "structlog":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Missing())
logging.basicConfig(level=logging.INFO, format="%(message)s")
from quickwins import QuickWins

file = Path(sys.argv[1])

async def live():
    async with QuickWins.load(file, env={}) as qw:
        print(qw.flags.poll(), qw.flag("logs").state, qw)
        file.write_text(file.read_text().replace("enabled = false", "enabled = true"))
        print(qw.flags.poll(), qw.flag("logs").state, qw)
        file.write_text(file.read_text() + "[backpressure]\\nkilled = true\\n")
        print(qw.flags.poll(), qw.flag("backpressure").state)

asyncio.run(live())
"""


def without_structlog(folder: Path, text: str) -> subprocess.CompletedProcess[str]:
    file = folder / "quickwins.toml"
    file.write_text(f"[flags]\naudit = false\n[logs]\n{text}\n")
    return subprocess.run(
        [sys.executable, "-c", WITHOUT_STRUCTLOG, str(file)], capture_output=True, text=True, check=False
    )


async def test_a_feature_that_is_on_without_its_extra_ends_the_start_and_names_it(tmp_path: Path) -> None:
    done = without_structlog(tmp_path, "enabled = true")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "MissingExtraError: structlog is not installed: pip install 'quickwins[logs]'"
    )


async def test_turned_on_live_without_its_extra_it_is_refused_and_shown_as_off(tmp_path: Path) -> None:
    done = without_structlog(tmp_path, "enabled = false")
    assert done.returncode == 0, done.stderr
    first, second, third = done.stdout.splitlines()
    off = "logs 0% (disabled)"
    assert off in first
    assert second.startswith("False 0% (disabled)")
    assert off in second
    assert third == "True 0% (killed)", "a kill in the same file is seen"
    assert "flag.source_failed" in done.stderr
    assert "pip install 'quickwins[logs]'" in done.stderr


async def test_what_is_slow_in_a_gate_names_its_trace_where_the_scrape_is_openmetrics(tmp_path: Path) -> None:
    service = Service(tmp_path, CONFIG + "\n[logs]\nenabled = true\n")
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    gate = service.qw.gate(name="http", size=4)
    async with service.qw:
        with extract([("traceparent", f"00-{trace}-00f067aa0ba902b7-01".encode())]):
            async with gate.permit():
                await asyncio.sleep(0.002)
        async with gate.permit():
            await asyncio.sleep(0.002)
    named = [line for line in open_metrics(service.registry).decode().splitlines() if " # " in line]
    assert named
    assert all(line.startswith("db_pool_held") and trace in line for line in named)
