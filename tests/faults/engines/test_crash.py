"""Servers that crash, hang or lose their supervisor."""

from __future__ import annotations

import asyncio
import os
import socket
from pathlib import Path
from signal import SIGKILL, SIGSTOP, SIGTERM, SIGURG

import asyncpg
import psutil
import pytest
import valkey

from quickwins.engines import EngineError, EngineFailure, KafkaBroker, PostgresServer, ValkeyServer, _engine
from tests.engines import apart, execute
from tests.eventually import wait_until
from tests.integration.engines.traces import (
    ALL,
    AnyServer,
    Traces,
    alive,
    assert_all_gone,
    processes,
)

every_engine = pytest.mark.parametrize("engine", ALL, ids=lambda engine: engine.name)


async def fetch(dsn: str, query: str) -> object:
    connection = await asyncpg.connect(dsn)
    try:
        return await connection.fetchval(query)
    finally:
        await connection.close()


@every_engine
def test_a_killed_server_comes_back_on_its_port(engine: type[AnyServer]) -> None:
    with engine.start() as server:
        url, pid = server.url, server.pid
        server.kill()
        assert not alive(pid)
        server.restart()
        assert (server.url, alive(server.pid)) == (url, True)
        assert server.pid != pid
        traces = Traces.of(server)
    assert traces.left() == []


def test_restart_shuts_a_running_server_down_first() -> None:
    with ValkeyServer.start() as server:
        pid = server.pid
        server.restart()
        assert not alive(pid)
        assert alive(server.pid)


def test_what_postgres_acknowledged_survives_its_crash() -> None:
    with PostgresServer.start() as server:
        apart(execute(server.url, "CREATE TABLE t AS SELECT generate_series(1, 10000) AS n"))
        backends = processes(server.child)[1:]
        server.kill()
        assert not any(map(alive, backends))
        server.restart()
        assert apart(fetch(server.url, "SELECT count(*) FROM t")) == 10_000


@pytest.mark.skipif(
    not Path("/proc/sysvipc/shm").exists(), reason="cannot: list shared memory without /proc/sysvipc"
)
def test_a_crash_of_postgres_leaves_no_shared_memory() -> None:
    def segments() -> set[str]:
        listed = Path("/proc/sysvipc/shm").read_text().splitlines()[1:]
        return {line.split()[1] for line in listed if int(line.split()[4]) == server.pid}

    with PostgresServer.start() as server:
        assert "/dev/shm/" not in Path(f"/proc/{server.pid}/maps").read_text()  # noqa: S108 -- where it would be; until=never
        assert len(segments()) == 1
        server.kill()
        assert segments() == set()


def test_what_valkey_acknowledged_survives_its_crash() -> None:
    with ValkeyServer.start() as server:
        with valkey.Valkey.from_url(server.url) as client:
            for number in range(1000):
                client.set(f"key:{number}", number)
        server.kill()
        server.restart()
        with valkey.Valkey.from_url(server.url) as client:
            assert client.dbsize() == 1000


@every_engine
def test_a_paused_server_accepts_and_does_not_answer_until_it_is_resumed(engine: type[AnyServer]) -> None:
    with engine.start() as server:
        server.pause()
        pids = processes(server.child)[1:]
        wait_until(
            # A backend that had just ended stays a zombie: its parent is stopped too.
            lambda: all(psutil.Process(pid).status() == psutil.STATUS_STOPPED for pid in filter(alive, pids)),
            "some process still runs",
        )
        with (
            socket.create_connection(("127.0.0.1", server.port), timeout=0.2) as connection,
            pytest.raises(TimeoutError),
        ):
            server._probe(connection)
        server.resume()
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            assert server._probe(connection).version == server.version


def test_an_open_connection_of_postgres_waits_out_a_pause() -> None:
    async def across_a_pause(server: PostgresServer) -> object:
        connection = await asyncpg.connect(server.url)
        try:
            server.pause()
            query = asyncio.ensure_future(connection.fetchval("SELECT 7"))
            done, _ = await asyncio.wait([query], timeout=0.2)
            assert not done
            server.resume()
            return await asyncio.wait_for(query, 10)
        finally:
            await connection.close()

    with PostgresServer.start() as server:
        assert asyncio.run(across_a_pause(server)) == 7


@every_engine
def test_a_paused_server_can_be_stopped(engine: type[AnyServer]) -> None:
    with engine.start() as server:
        server.pause()
        traces = Traces.of(server)
    assert traces.left() == []
    assert server.child.poll() != -SIGKILL, "it had to be killed"


def test_a_server_killed_from_outside_is_noticed_and_its_folder_removed() -> None:
    with ValkeyServer.start() as server:
        traces = Traces.of(server)
        os.kill(server.pid, SIGKILL)
        assert server.child.wait(30) == -SIGKILL
        server.kill()
    assert traces.left() == []


def test_a_server_that_ignores_every_request_to_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    # Nothing but SIGKILL is left when the stop signals have no effect: URG is ignored by default.
    monkeypatch.setattr(ValkeyServer, "stop_signals", [(SIGURG, 0.1)])
    with ValkeyServer.start() as server:
        traces = Traces.of(server)
    assert server.child.poll() == -SIGKILL
    assert traces.left() == []


@every_engine
def test_after_the_supervisor_was_killed_stop_still_cleans_up(engine: type[AnyServer]) -> None:
    server = engine.start()
    traces = Traces.of(server)
    os.kill(server.child._supervisor.pid, SIGKILL)
    with pytest.raises(EngineError, match=r"supervisor|pipe|reset") as caught:
        server.pause()
    assert caught.value.reason is EngineFailure.LOST
    server.stop()
    server.stop()
    assert_all_gone([traces])


def test_a_supervisor_that_is_asked_to_end_ends_the_server_too() -> None:
    server = KafkaBroker.start()
    traces = Traces.of(server)
    os.kill(server.child._supervisor.pid, SIGTERM)
    assert_all_gone([traces])
    server.stop()


def test_a_supervisor_that_hangs_does_not_hang_us(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("quickwins.engines.process.ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(ValkeyServer, "stop_signals", [(SIGTERM, 0.5)])
    server = ValkeyServer.start()
    traces = Traces.of(server)
    os.kill(server.child._supervisor.pid, SIGSTOP)
    server.stop()
    assert_all_gone([traces])


def test_a_restart_whose_port_was_taken_meanwhile_is_an_error() -> None:
    with ValkeyServer.start() as server, socket.socket() as other:
        server.kill()
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", server.port))
        other.listen()
        with pytest.raises(_engine.PortTakenError):
            server.restart()
