"""SIGTERM, in real processes: what is queued is written, and the process ends as it would have done."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from quickwins import ConfigError
from quickwins.logs import close_on_sigterm
from tests import untraced

PATIENCE_SECONDS = 60.0
BEFORE = """
import asyncio, os, signal, sys, threading, time
from quickwins.logs import Sink, close_on_sigterm, configure_logging, get_logger
log = get_logger()

def terminated():
    os.kill(os.getpid(), signal.SIGTERM)

def logging(sink=Sink, **options):
    # With a writer that is idle, so that the next line waits for a second.
    pipeline = configure_logging(sink=sink.stdout(linger_seconds=1, **options))
    log.info("first")
    assert pipeline.flush()
    return pipeline
"""


def run(code: str) -> tuple[int, list[str]]:
    """How it ended, and the events that it wrote."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", BEFORE + code],
        env=untraced.environment(),  # coverage has a handler of its own, which the first process of a namespace survives
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.stderr == b""
    events = [json.loads(line)["event.name"] for line in done.stdout.splitlines()]
    return done.returncode, [event for event in events if event != "first"]


def test_the_default_action_of_the_signal_loses_what_is_queued() -> None:
    assert run('logging()\nlog.info("a")\nterminated()\ntime.sleep(60)') == (-signal.SIGTERM, [])


def test_what_is_queued_is_written_and_the_process_ends_by_the_signal() -> None:
    code = 'logging()\nclose_on_sigterm()\nlog.info("a")\nterminated()\nlog.info("never")'
    assert run(code) == (-signal.SIGTERM, ["a"])


def test_it_is_the_logging_of_that_moment_that_is_closed() -> None:
    code = 'close_on_sigterm()\nlogging().close()\nlogging()\nlog.info("a")\nterminated()'
    assert run(code) == (-signal.SIGTERM, ["a"])


def test_without_logging_the_signal_does_what_it_does() -> None:
    assert run("close_on_sigterm()\nterminated()\ntime.sleep(60)") == (-signal.SIGTERM, [])


@pytest.mark.parametrize(
    ("handler", "returncode", "events"),
    [
        pytest.param("sys.exit(7)", 7, ["a", "handled"], id="one that ends the process in order"),
        pytest.param("os._exit(7)", 7, ["a"], id="one that ends it at once"),
        pytest.param("None", 0, ["a", "handled", "b"], id="one that lets it go on"),
    ],
)
def test_an_earlier_handler_runs_when_the_lines_are_written_and_decides(
    handler: str, returncode: int, events: list[str]
) -> None:
    code = f"""
def handled(number, frame):
    assert number == signal.SIGTERM and frame is not None
    log.info("handled")
    {handler}

signal.signal(signal.SIGTERM, handled)
logging()
close_on_sigterm(0.1)
close_on_sigterm()
log.info("a")
terminated()
log.info("b")
"""
    assert run(code) == (returncode, events)


def test_a_signal_that_is_ignored_stays_so() -> None:
    code = """
signal.signal(signal.SIGTERM, signal.SIG_IGN)
logging()
close_on_sigterm()
log.info("a")
terminated()
log.info("b")
"""
    assert run(code) == (0, ["a", "b"])


@pytest.mark.parametrize("first", [True, False], ids=["before", "after"])
def test_asyncios_handler_works_beside_it_whichever_was_set_first(first: bool) -> None:
    code = f"""
async def main():
    done = asyncio.Event()
    if {first}:
        close_on_sigterm()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, done.set)
    if not {first}:
        close_on_sigterm()
    log.info("a")
    terminated()
    await asyncio.wait_for(done.wait(), 30)
    log.info("in order")

with logging():
    asyncio.run(main())
"""
    assert run(code) == (0, ["a", "in order"])


def test_a_reader_that_has_stopped_is_waited_for_no_longer_than_the_limit() -> None:
    code = """
logging()
close_on_sigterm(0.2)
for number in range(2_000):
    log.info("a", x="x" * 200)
sys.stderr.write("full")
sys.stderr.flush()
time.sleep(60)
"""
    with subprocess.Popen(
        [sys.executable, "-c", BEFORE + code], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as started:
        assert started.stderr is not None
        assert started.stderr.read(4) == b"full"
        started.terminate()
        assert started.wait(10) == -signal.SIGTERM  # nobody has read a line


def test_a_main_thread_that_is_in_the_middle_of_writing_keeps_nothing_from_ending() -> None:
    code = """
class Interrupting:  # the clock is asked while the main thread holds the lock for writing
    after = -1

    def monotonic(self):
        self.after -= 1
        if self.after == 0:
            terminated()
        return time.monotonic()

    wall = time.time

close_on_sigterm(0.2)
clock = Interrupting()
logging(inline=True, clock=clock)
clock.after = 2
for number in range(10):
    log.info("a")
time.sleep(60)
"""
    returncode, events = run(code)
    assert returncode == -signal.SIGTERM
    assert set(events) <= {"a"}


def test_a_second_signal_meanwhile_costs_no_line() -> None:
    code = """
class Twice(Sink):
    __slots__ = ()

    def close(self, timeout_seconds=2.0):
        signal.pthread_kill(threading.main_thread().ident, signal.SIGTERM)
        second.wait(30)
        super().close(timeout_seconds)

second = threading.Event()
close_on_sigterm()
ours = signal.getsignal(signal.SIGTERM)

def telling(number, frame):
    ours(number, frame)
    second.set()

signal.signal(signal.SIGTERM, telling)
logging(Twice)
log.info("a")
terminated()
time.sleep(60)
"""
    assert run(code) == (-signal.SIGTERM, ["a"])


def test_a_child_of_a_fork_ends_the_same_way() -> None:
    code = """
logging()
close_on_sigterm()
child = os.fork()
if child == 0:
    log.info("child")
    terminated()
    time.sleep(60)
assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGTERM
log.info("parent")
"""
    assert run(code) == (0, ["child", "parent"])


def test_uvicorns_own_handler_comes_first_and_then_it_ends_by_the_signal(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    code = f"""
import uvicorn

async def app(scope, receive, send):
    while scope["type"] == "lifespan":
        kind = (await receive())["type"]
        await send({{"type": f"{{kind}}.complete"}})
        if kind == "lifespan.startup":
            asyncio.get_running_loop().call_later(0.5, terminated)
        else:
            return log.info("in order")

logging()
close_on_sigterm()
uvicorn.run(app, port={port}, log_config=None, lifespan="on")
"""
    returncode, events = run(code)
    assert returncode == -signal.SIGTERM
    assert "in order" in events


def test_the_first_process_of_a_container_ends_too() -> None:
    apart = ["unshare", "--map-root-user", "--pid", "--fork"]
    if subprocess.run([*apart, "true"], capture_output=True, check=False).returncode:
        pytest.skip("this user may not begin a namespace of processes")
    code = 'logging()\nclose_on_sigterm()\nlog.info("a")\nterminated()\ntime.sleep(60)'
    done = subprocess.run(
        [*apart, sys.executable, "-c", BEFORE + code],
        env=untraced.environment(),  # coverage has a handler of its own, which the first process of a namespace survives
        capture_output=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 128 + signal.SIGTERM
    assert json.loads(done.stdout.splitlines()[-1])["event.name"] == "a"


def test_in_another_thread_there_is_an_error_that_says_so() -> None:
    failures: list[Exception] = []

    def work() -> None:
        try:
            close_on_sigterm()
        except ConfigError as error:
            failures.append(error)

    before = signal.getsignal(signal.SIGTERM)
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert "another thread than the main one" in str(failures[0])
    assert signal.getsignal(signal.SIGTERM) is before
