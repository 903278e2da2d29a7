"""Readers that stall, die or never were, full disks, forks and every way to end: for real, with processes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections import defaultdict
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins.logs import configure_logging, get_logger
from quickwins.logs.sink import DropReason, Outage, Sink, SinkState
from tests.eventually import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INFO, ERROR = 9, 17
PATIENCE_SECONDS = 60.0

PROGRAM = """
import json, os, signal, sys, threading, time
from quickwins.logs.sink import Sink

def line(number, **more):
    return json.dumps(dict(n=number, pid=os.getpid(), **more)).encode()[:-1]

sink = Sink.descriptor(int(sys.argv[1]), linger_seconds=1)
sink.start()
"""

COPY = """
import os, sys
while data := os.read(0, 65536):
    with open(sys.argv[1], "ab") as file:
        file.write(data)
"""


def line(number: int, **more: object) -> bytes:
    return json.dumps({"n": number, **more}).encode()[:-1]


def parsed(text: bytes) -> list[dict[str, Any]]:
    assert not text or text.endswith(b"\n"), "the last line is cut"
    return [json.loads(one) for one in text.splitlines()]


def within_patience(work: Callable[[], object]) -> None:
    """Run `work` where it cannot hold up the test: it must end."""
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(PATIENCE_SECONDS)
    assert not thread.is_alive(), "it blocks"


@contextlib.contextmanager
def program(code: str, fd: int, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    with subprocess.Popen(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM + code, str(fd), *arguments],
        pass_fds=[fd],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as started:
        try:
            yield started
        finally:
            started.kill()


def output(code: str, *arguments: str) -> list[dict[str, Any]]:
    """All lines of a program that ends by itself, and well."""
    read, write = os.pipe()
    with program(code, write, *arguments) as started:
        os.close(write)
        with os.fdopen(read, "rb") as file:
            text = file.read()
        assert started.wait(PATIENCE_SECONDS) == 0
    return parsed(text)


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    yield read, write
    for fd in (read, write):
        with contextlib.suppress(OSError):
            os.close(fd)


def put_until(sink: Sink, done: Callable[[], bool], severity: int) -> tuple[list[int], int]:
    """Log until `done`; which lines were taken, and how many there were."""
    taken, number = [], 0

    def another() -> bool:
        nonlocal number
        number += 1
        if sink.put(line(number, severity=severity, x="x" * 200), severity):
            taken.append(number)
        return done()

    within_patience(lambda: wait_until(another, seconds=PATIENCE_SECONDS, look_seconds=0))
    return taken, number


def stalled(sink: Sink, reason: DropReason) -> bool:
    stats = sink.stats()
    return stats.state is SinkState.STALLED and stats.dropped[reason] >= 1_000


def test_behind_a_reader_that_is_stopped_nobody_blocks_and_the_loss_is_told(tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    copy.touch()
    read, write = os.pipe()
    reader = subprocess.Popen([sys.executable, "-c", COPY, str(copy)], stdin=read)
    reader.send_signal(SIGSTOP)
    os.close(read)
    sink = Sink.descriptor(write, max_bytes=64 << 10)
    sink.start()
    try:
        info, of_info = put_until(sink, lambda: stalled(sink, DropReason.RESERVE), INFO)
        error, of_error = put_until(sink, lambda: stalled(sink, DropReason.QUEUE_FULL), ERROR)
        assert error, "there is a reserve for them"
        assert not fcntl.fcntl(write, fcntl.F_GETFL) & os.O_NONBLOCK
        reader.send_signal(SIGCONT)
        assert sink.flush(PATIENCE_SECONDS)
        assert sink.put(line(0, severity=INFO), INFO)
        sink.close(PATIENCE_SECONDS)
    finally:
        reader.send_signal(SIGCONT)
        sink.close()
        os.close(write)
        reader.wait(PATIENCE_SECONDS)
    found = parsed(copy.read_bytes())
    assert [one["n"] for one in found] == [*info, *error, 0]
    assert sum(one.get("log.dropped", 0) for one in found) == of_info + of_error - len(info) - len(error)
    assert found[-1]["seq"] == of_info + of_error + 1


def test_control_a_plain_write_blocks_behind_such_a_reader(pipe: tuple[int, int]) -> None:
    read, write = pipe
    poll = select.poll()
    poll.register(write, select.POLLOUT)

    def log() -> None:
        for number in range(1_000):
            os.write(write, line(number, x="x" * 200) + b"}\n")

    thread = threading.Thread(target=log)
    thread.start()
    wait_until(lambda: not poll.poll(0))
    assert thread.is_alive(), "the pipe is full, and it cannot have written everything"
    taken = 0
    while taken < 1_000:
        taken += os.read(read, 1 << 16).count(b"\n")
    thread.join(PATIENCE_SECONDS)


def test_a_reader_that_is_killed_costs_errors_and_no_line_once_there_is_another(
    pipe: tuple[int, int], tmp_path: Path
) -> None:
    read, write = pipe
    reader = subprocess.Popen([sys.executable, "-c", COPY, str(tmp_path / "copy")], stdin=read)
    os.close(read)
    reader.send_signal(SIGSTOP)
    reader.kill()
    reader.wait()
    told = threading.Event()
    outages: list[Outage] = []

    def recovered(outage: Outage) -> bytes:
        outages.append(outage)
        told.set()
        return b'{"n":0'

    sink = Sink.descriptor(write)
    sink.start(recovered)
    for number in range(1, 101):
        assert sink.put(line(number), ERROR)
    wait_until(lambda: not sink.flush(0) and sink.stats().state is SinkState.FAILING)
    another, end = os.pipe()
    os.dup2(end, write)
    os.close(end)
    assert told.wait(PATIENCE_SECONDS)
    sink.close()
    os.close(write)
    with os.fdopen(another, "rb") as file:
        found = parsed(file.read())
    assert [one["n"] for one in found] == [*range(1, 101), 0]
    assert [one["seq"] for one in found] == [*range(1, 102)]
    assert outages[0].error == "EPIPE"
    assert outages[0].errors == sink.stats().errors


def test_a_full_device_is_left_for_a_file_as_soon_as_the_path_leads_to_one(tmp_path: Path) -> None:
    path, target, swap = tmp_path / "log", tmp_path / "target", tmp_path / "swap"
    path.symlink_to("/dev/full")
    sink = Sink.file(path, max_bytes=64 << 10)
    sink.start(lambda outage: line(0, error=outage.error))
    taken, _ = put_until(
        sink, lambda: sink.stats().dropped[DropReason.RESERVE] >= 100 and sink.stats().errors > 0, INFO
    )
    swap.symlink_to(target)
    swap.replace(path)
    assert sink.flush(PATIENCE_SECONDS)
    sink.close()
    found = parsed(target.read_bytes())
    assert [one["n"] for one in found] == [*taken, 0]
    assert found[-1]["error"] == "ENOSPC"
    assert found[-1]["log.dropped"] >= 100


@pytest.mark.parametrize("children", [3, pytest.param(50, marks=pytest.mark.volume)])
def test_a_child_of_a_fork_logs_at_once_while_four_threads_log_and_every_line_is_there_once(
    children: int,
) -> None:
    found = output(
        """
done = threading.Event()
def log(mine):
    number = 0
    while not done.is_set():
        number += 1
        sink.put(line(number, thread=mine), 13 if number % 50 == 0 else 9)
        if number % 20 == 0:
            sink.flush(10)
threads = [threading.Thread(target=log, args=(mine,)) for mine in range(4)]
for thread in threads:
    thread.start()
for child in range(int(sys.argv[2])):
    pid = os.fork()
    if pid == 0:
        for number in range(1, 4):
            sink.put(line(number, thread="child"), 9)
        sink.put(line(4, thread="child"), 17)
        stats = sink.stats()
        os._exit(0 if sink.flush(30) and stats.accepted_lines == 4 else 1)
    assert os.waitpid(pid, 0)[1] == 0
done.set()
for thread in threads:
    thread.join()
""",
        str(children),
    )
    lines = defaultdict(list)
    seqs = defaultdict(list)
    for one in found:
        lines[one["pid"], one["thread"]].append(one["n"])
        seqs[one["pid"]].append(one["seq"])
    assert len(seqs) == children + 1
    for numbers in (*lines.values(), *seqs.values()):
        assert numbers == list(range(1, len(numbers) + 1))
    assert [numbers for (_, thread), numbers in lines.items() if thread == "child"] == [
        [1, 2, 3, 4]
    ] * children


def test_what_is_queued_at_a_fork_is_written_by_the_parent_alone() -> None:
    found = output(
        """
for number in range(1, 11):
    sink.put(line(number), 9)
if os.fork() == 0:
    sys.exit()
os.wait()
"""
    )
    assert [one["n"] for one in found] == list(range(1, 11))
    assert len({one["pid"] for one in found}) == 1


def test_a_child_of_a_fork_that_ends_as_programs_do_writes_its_lines() -> None:
    found = output(
        """
sink.put(line(1), 9)
if os.fork() == 0:
    sink.put(line(2), 9)
    sys.exit()
os.wait()
"""
    )
    assert sorted(one["n"] for one in found) == [1, 2]
    assert [one["seq"] for one in found] == [1, 1]


@pytest.mark.parametrize("method", ["fork", "forkserver", "spawn"])
def test_the_last_line_of_a_child_of_multiprocessing_is_written(method: str, tmp_path: Path) -> None:
    path, script = tmp_path / "log", tmp_path / "script.py"
    script.write_text(
        f"""
import multiprocessing, os, sys
from quickwins.logs.sink import Sink
sink = Sink.file({str(path)!r}, linger_seconds=1)

def work():
    sink.start()
    sink.put(b'{{"who":"child"', 9)

if __name__ == "__main__":
    sink.start()
    sink.put(b'{{"who":"parent"', 9)
    child = multiprocessing.get_context({method!r}).Process(target=work)
    child.start()
    child.join()
    sys.exit(child.exitcode)
"""
    )
    done = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", str(script)],
        check=False,
        timeout=PATIENCE_SECONDS,
    )
    assert done.returncode == 0
    found = parsed(path.read_bytes())
    assert sorted(one["who"] for one in found) == ["child", "parent"]
    assert [one["seq"] for one in found] == [1, 1]


def test_a_process_that_is_killed_loses_at_most_what_was_queued(pipe: tuple[int, int]) -> None:
    read, write = pipe
    with program(
        """
for number in range(1, 101):
    sink.put(line(number), 9)
assert sink.flush(30)
for number in range(101, 2_001):
    sink.put(line(number), 9)
print("ready", flush=True)
signal.pause()
""",
        write,
    ) as started:
        os.close(write)
        assert started.stdout is not None
        assert started.stdout.readline() == b"ready\n"
        started.send_signal(SIGKILL)
        started.wait(PATIENCE_SECONDS)
        with os.fdopen(read, "rb") as file:
            found = parsed(file.read())
    assert [one["n"] for one in found] == list(range(1, len(found) + 1))
    assert len(found) >= 100


def test_a_program_that_ends_without_closing_loses_nothing_not_even_what_it_logs_while_it_ends() -> None:
    found = output(
        """
sink.close()
import atexit
atexit.register(lambda: sink.put(line(3), 9))  # runs after the sink's own
sink.start()
class Last:
    def __del__(self, sink=sink, put=sink.put):
        put(b'{"n":4', 9)
last = Last()
sink.put(line(1), 9)
sink.put(line(2), 9)
"""
    )
    assert [one["n"] for one in found] == [1, 2, 3, 4]


@pytest.mark.parametrize("how", ["stalls", "is closed"])
def test_a_program_ends_although_its_reader_does_not_read(how: str, pipe: tuple[int, int]) -> None:
    read, write = pipe
    if how == "is closed":
        os.close(read)
    with program(
        """
for number in range(5_000):
    sink.put(line(number, x="x" * 500), 9)
""",
        write,
    ) as started:
        assert started.wait(PATIENCE_SECONDS) == 0


@pytest.mark.parametrize("lines", [300, pytest.param(2_000, marks=pytest.mark.volume)])
def test_the_lines_of_processes_that_share_a_pipe_do_not_mix(lines: int, pipe: tuple[int, int]) -> None:
    read, write = pipe
    code = """
sys.stdin.read()
for number in range(1, int(sys.argv[2]) + 1):
    sink.put(line(number, x="x" * (number * 37 % 1_500)), 9)
assert sink.flush(60)
"""
    with contextlib.ExitStack() as stack:
        started = [stack.enter_context(program(code, write, str(lines))) for _ in range(3)]
        os.close(write)
        for one in started:
            assert one.stdin is not None
            one.stdin.close()
        with os.fdopen(read, "rb") as file:
            found = parsed(file.read())
        for one in started:
            assert one.wait(PATIENCE_SECONDS) == 0
    for one in started:
        assert [item["n"] for item in found if item["pid"] == one.pid] == list(range(1, lines + 1))


def test_signal_handlers_log_in_the_middle_of_logging() -> None:
    found = output(
        """
handled = 0
def handler(*_):
    global handled
    handled += 1
    sink.put(line(handled, who="handler"), 13)
signal.signal(signal.SIGALRM, handler)
signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
number = 0
while handled < 200:
    number += 1
    sink.put(line(number, who="main"), 9)
    if number % 1_000 == 0:
        sink.flush(30)
signal.setitimer(signal.ITIMER_REAL, 0)
stats = sink.stats()
assert sum(stats.dropped.values()) == 0, stats
assert stats.accepted_lines == number + handled, stats
"""
    )
    assert [one["seq"] for one in found] == list(range(1, len(found) + 1))
    for who in ("main", "handler"):
        numbers = [one["n"] for one in found if one["who"] == who]
        assert sorted(numbers) == list(range(1, len(numbers) + 1))


@pytest.mark.parametrize("before", [False, True], ids=["afterwards", "before"])
def test_what_gets_the_number_of_a_closed_standard_output_stays_as_it_is(
    before: bool, tmp_path: Path
) -> None:
    """A daemon without standard output opens a file, which then is descriptor 1."""
    data = tmp_path / "data"
    program_of_it = f"""
import os
from quickwins.logs import configure_logging, get_logger

def opens():
    data = open({str(data)!r}, "wb")
    assert data.fileno() == 1
    return data

data = opens() if {before} else None
with configure_logging() as pipeline:
    data = data or opens()
    for _ in range(3):
        get_logger().error("x")
        assert not pipeline.sink.flush(0.1)
    assert pipeline.sink.state == "failing"
"""
    subprocess.run(
        ["sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, program_of_it],
        check=True,
        timeout=PATIENCE_SECONDS,
    )
    assert data.read_bytes() == b""


def test_a_file_that_gets_the_number_of_standard_output_once_that_is_closed_stays_as_it_is(
    tmp_path: Path,
) -> None:
    data = tmp_path / "data"
    program_of_it = f"""
import os
from quickwins.logs import configure_logging, get_logger
with configure_logging() as pipeline:
    os.close(1)
    with open({str(data)!r}, "wb") as file:
        assert file.fileno() == 1
        get_logger().error("x")
        assert pipeline.sink.flush(10)
"""
    done = subprocess.run(
        [sys.executable, "-c", program_of_it], stdout=subprocess.PIPE, check=True, timeout=PATIENCE_SECONDS
    )
    assert b'"event.name":"x"' in done.stdout
    assert data.read_bytes() == b""


def test_in_a_child_of_a_fork_an_interrupted_start_of_the_thread_is_tried_again() -> None:
    found = output(
        """
import threading
sink.put(line(1), 9)
if os.fork() == 0:
    start = threading.Thread.start
    def interrupted(thread):
        threading.Thread.start = start
        raise MemoryError
    threading.Thread.start = interrupted
    sink.put(line(2), 9)
    sink.put(line(3), 9)
    assert sink.flush(10)
    os._exit(0)
assert os.wait()[1] == 0
"""
    )
    assert sorted(one["n"] for one in found) == [1, 2, 3]


@pytest.mark.parametrize("limit_seconds", [0.1, 2.0])
def test_closing_takes_no_longer_than_its_limit(limit_seconds: float, pipe: tuple[int, int]) -> None:
    sink = Sink.descriptor(pipe[1])
    pipeline = configure_logging(sink=sink, registry=CollectorRegistry())
    log = get_logger()

    def another() -> bool:
        log.error("x", text="word " * 400)
        return sink.state is SinkState.STALLED

    wait_until(another, look_seconds=0)
    began = time.monotonic()
    pipeline.close(limit_seconds)
    assert time.monotonic() - began < limit_seconds + 1.8, "twice the limit, or 2 s more, as it was"
    assert sink.stats().dropped[DropReason.UNWRITTEN] > 0
