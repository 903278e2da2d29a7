from __future__ import annotations

import asyncio
import shutil
import socket
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from quickwins.engines import (
    Capability,
    EngineError,
    EngineFailure,
    KafkaBroker,
    PostgresServer,
    ValkeyServer,
    _engine,
)
from tests.integration.engines.traces import ALL, AnyServer, Traces, alive, assert_all_gone

every_engine = pytest.mark.parametrize("engine", ALL, ids=lambda engine: engine.name)


MEMORY = Path("/dev/shm")  # noqa: S108 -- names in it are random; until=never


@every_engine
@pytest.mark.timeout(300)
@pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.volume)])
def test_starts_and_stops_leave_nothing_behind(
    engine: type[AnyServer], times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # In memory where there is enough of it: twenty new databases are 20,000 files, and the disk is not what is tested.
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > 256 * 2**20:
        monkeypatch.setattr(tempfile, "tempdir", str(MEMORY))
    traces = []
    for _ in range(times):
        with engine.start() as server:
            traces.append(Traces.of(server))
            assert alive(server.pid)
            assert Path(server.folder).is_dir()
        # Leaving the block is synchronous: nothing has to be waited for.
        assert traces[-1].left() == []


@every_engine
def test_two_at_once_do_not_collide(engine: type[AnyServer]) -> None:
    with ThreadPoolExecutor(2) as threads:
        servers = list(threads.map(lambda _: engine.start(), range(2)))
    traces = [Traces.of(server) for server in servers]
    try:
        assert servers[0].url != servers[1].url
        assert servers[0].folder != servers[1].folder
    finally:
        for server in servers:
            server.stop()
    assert_all_gone(traces)


@every_engine
def test_it_starts_inside_a_running_loop_and_says_where_and_what_it_is(engine: type[AnyServer]) -> None:
    async def start() -> AnyServer:
        return engine.start()

    with asyncio.run(start()) as server:
        assert f"127.0.0.1:{server.port}" in server.url
        assert server.version.split(".")[0].isdigit()
        assert Capability.PROCESS_CONTROL in server.capabilities
        assert server.capabilities.isdisjoint(server.lacking)
        assert server.capabilities | server.lacking.keys() == engine.can
    server.stop()


def test_an_exception_in_the_block_ends_it() -> None:
    server = ValkeyServer.start()
    traces = Traces.of(server)
    with pytest.raises(ZeroDivisionError), server:
        raise ZeroDivisionError
    assert traces.left() == []


def test_a_server_that_is_dropped_is_ended() -> None:
    traces = Traces.of(ValkeyServer.start())
    assert_all_gone([traces])


@every_engine
def test_a_given_folder_is_kept_and_used_again(engine: type[AnyServer], open_folder: Path) -> None:
    for _ in range(2):
        with engine.start(open_folder / "kept") as server:
            traces = Traces.of(server)
        assert traces.left() == [str(open_folder / "kept")]
        assert (open_folder / "kept" / "server.log").exists()


@every_engine
def test_a_lost_race_for_the_port_is_run_again_on_another(
    engine: type[AnyServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    free = _engine.free_port
    with socket.socket() as winner:
        winner.bind(("127.0.0.1", 0))
        winner.listen()
        ports = [winner.getsockname()[1], free()]
        monkeypatch.setattr(_engine, "free_port", lambda: ports.pop(0))
        with engine.start() as server:
            assert server.port != winner.getsockname()[1]
            assert ports == []


@every_engine
def test_losing_every_race_is_an_error_that_ends_the_attempts(
    engine: type[AnyServer], monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as winner:
        winner.bind(("127.0.0.1", 0))  # It need not listen: the port is taken all the same.
        monkeypatch.setattr(_engine, "free_port", lambda: winner.getsockname()[1])
        monkeypatch.setattr(_engine, "PORT_ATTEMPTS", 2)
        with pytest.raises(EngineError, match=r"(?i)in use") as caught:
            engine.start()
    assert caught.value.reason is EngineFailure.EXITED


@every_engine
def test_another_server_on_the_port_is_not_taken_for_ours(engine: type[AnyServer]) -> None:
    with engine.start() as first, engine.start() as second:
        with socket.create_connection(("127.0.0.1", first.port), timeout=5) as connection:
            first._probe(connection)
        with (
            socket.create_connection(("127.0.0.1", first.port), timeout=5) as connection,
            pytest.raises(_engine.NotReadyError, match="another"),
        ):
            second._probe(connection)


@pytest.mark.parametrize(
    ("engine", "settings", "said"),
    [
        pytest.param(PostgresServer, {"no_such_setting": "1"}, "no_such_setting", id="postgres"),
        pytest.param(ValkeyServer, {"no-such-setting": "1"}, "no-such-setting", id="valkey"),
        pytest.param(KafkaBroker, {"no-such-setting": "1"}, "no-such-setting", id="kafka"),
    ],
)
def test_a_server_that_refuses_its_settings_is_an_error_with_its_log(
    engine: type[AnyServer], settings: dict[str, str], said: str
) -> None:
    with pytest.raises(EngineError, match=said) as caught:
        engine.start(settings=settings)
    assert caught.value.reason is EngineFailure.EXITED


def test_a_server_that_does_not_answer_in_time_is_an_error_and_is_ended(open_folder: Path) -> None:
    with PostgresServer.start(open_folder / "kept"):
        pass
    with pytest.raises(EngineError, match="no answer in time") as caught:
        PostgresServer.start(open_folder / "kept", ready_timeout_seconds=0.0)
    assert caught.value.reason is EngineFailure.NOT_READY
    assert not (open_folder / "kept" / "data" / "postmaster.pid").exists()


def test_a_first_start_without_the_time_for_it_is_an_error() -> None:
    with pytest.raises(EngineError, match="initdb took too long") as caught:
        PostgresServer.start(ready_timeout_seconds=0.0)
    assert caught.value.reason is EngineFailure.NOT_READY


def test_a_second_postgres_on_the_same_folder_is_refused(open_folder: Path) -> None:
    with PostgresServer.start(open_folder / "kept") as server:
        with pytest.raises(EngineError, match=r"postmaster\.pid"):
            PostgresServer.start(open_folder / "kept")
        assert alive(server.pid)


def test_settings_are_given_to_the_server() -> None:
    with PostgresServer.start(settings={"wal_level": "replica"}) as server:
        assert server.lacking == {Capability.LOGICAL_DECODING: "wal_level is replica"}
    with ValkeyServer.start(settings={"appendonly": "no"}) as server_in_memory:
        assert server_in_memory.lacking == {Capability.DURABLE: "appendonly is no"}
