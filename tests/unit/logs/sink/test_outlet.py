"""One chunk on its way out: errors, back-off, rotation, and lines that were cut."""

from __future__ import annotations

import contextlib
import os
import pty
import resource
import select
import sys
import termios
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quickwins.core.clock import FakeClock
from quickwins.logs.sink import _outlet
from quickwins.logs.sink._outlet import BATCH_BYTES, LOOK_SECONDS, Outlet, Sent

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=[True, False], ids=["nowait", "poll"])
def pipe(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, int]]:
    """A pipe, written as newer kernels can and as the others can."""
    monkeypatch.setattr(_outlet, "NOWAIT", _outlet.NOWAIT and request.param)
    read, write = os.pipe()
    os.set_blocking(read, False)
    yield read, write
    for fd in (read, write):
        with contextlib.suppress(OSError):
            os.close(fd)


def fill(fd: int) -> int:
    os.set_blocking(fd, False)
    total = 0
    with contextlib.suppress(BlockingIOError):
        while written := os.write(fd, b"-" * select.PIPE_BUF):
            total += written
    os.set_blocking(fd, True)
    return total


def drained(fd: int) -> bytes:
    parts = []
    with contextlib.suppress(BlockingIOError):
        while part := os.read(fd, 1 << 20):
            parts.append(part)
    return b"".join(parts)


def told(outlet: Outlet, seconds: float) -> tuple[int, str]:
    assert outlet.outage is not None
    assert outlet.outage.seconds == pytest.approx(seconds)
    return outlet.outage.errors, outlet.outage.error


def test_a_pipe_without_room_stalls_and_is_written_to_once_there_is_some(
    pipe: tuple[int, int], clock: FakeClock
) -> None:
    read, write = pipe
    filled = fill(write)
    outlet = Outlet(write, clock)
    outlet.load(b"one\n")
    assert outlet.push(0) is Sent.STALLED
    assert outlet.stalled
    assert not outlet.failing
    assert len(drained(read)) == filled
    assert outlet.push(0) is Sent.DONE
    assert drained(read) == b"one\n"
    assert os.get_blocking(write)


def test_a_line_longer_than_a_pipe_is_continued_where_it_stopped(clock: FakeClock) -> None:
    read, write = os.pipe()
    os.set_blocking(read, False)
    line = b"".join(b"%d," % number for number in range(40_000)) + b"\n"
    outlet = Outlet(write, clock)
    outlet.load(line)
    found = b""
    for _ in range(100):
        sent = outlet.push(0)
        if sent is Sent.DONE:
            break
        found += drained(read)
    assert found + drained(read) == line
    os.close(read)
    os.close(write)


@pytest.mark.parametrize("nowait", [True, False])
def test_a_pipe_that_is_set_not_to_block_by_others_is_waited_for(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, *, nowait: bool
) -> None:
    read, write = os.pipe()
    monkeypatch.setattr(_outlet, "NOWAIT", nowait)
    fill(write)
    os.set_blocking(write, False)
    outlet = Outlet(write, clock)
    outlet.load(b"one\n")
    assert outlet.push(0) is Sent.STALLED
    assert outlet.errors == 0
    os.close(read)
    os.close(write)


def test_a_terminal_is_written_to(clock: FakeClock) -> None:
    controller, terminal = pty.openpty()
    attributes = termios.tcgetattr(terminal)
    attributes[1] &= ~termios.OPOST
    termios.tcsetattr(terminal, termios.TCSANOW, attributes)
    outlet = Outlet(terminal, clock)
    outlet.load(b"one\n")
    assert outlet.push(1) is Sent.DONE
    assert os.read(controller, 100) == b"one\n"
    os.close(controller)
    os.close(terminal)


def test_errors_are_tried_again_later_and_later_and_told_when_they_are_over(
    pipe: tuple[int, int], clock: FakeClock
) -> None:
    read, write = pipe
    os.close(read)
    outlet = Outlet(write, clock)
    outlet.load(b"one\n")
    delays = []
    for errors in range(1, 12):
        assert outlet.push(0) is Sent.FAILED
        assert outlet.errors == errors
        assert outlet.push(0) is Sent.FAILED
        assert outlet.errors == errors, "nothing is tried before it is due"
        delays.append(outlet.due - clock.now)
        clock.now = outlet.due
    assert delays == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 25.6, 30.0, 30.0])
    another, end = os.pipe()
    os.dup2(end, write)
    assert outlet.push(0) is Sent.DONE
    assert told(outlet, sum(delays)) == (11, "EPIPE")
    assert not outlet.failing
    assert os.read(another, 100) == b"one\n"
    os.close(another)
    os.close(end)


def test_hurry_tries_at_once(pipe: tuple[int, int], clock: FakeClock) -> None:
    read, write = pipe
    os.close(read)
    outlet = Outlet(write, clock)
    outlet.load(b"one\n")
    outlet.push(0)
    outlet.hurry()
    outlet.push(0)
    assert outlet.errors == 2


@pytest.mark.parametrize("how", ["renamed", "removed"])
def test_a_file_that_was_rotated_is_followed_within_a_second(
    tmp_path: Path, clock: FakeClock, how: str
) -> None:
    path = tmp_path / "log"
    outlet = Outlet(path, clock)
    outlet.load(b"one\n")
    assert outlet.push(0) is Sent.DONE
    if how == "renamed":
        path.rename(tmp_path / "log.1")
    else:
        path.unlink()
    outlet.load(b"two\n")
    assert outlet.push(0) is Sent.DONE
    assert not path.exists(), "a path is looked up once a second"
    clock.now += LOOK_SECONDS
    outlet.load(b"three\n")
    assert outlet.push(0) is Sent.DONE
    assert path.read_bytes() == b"three\n"
    if how == "renamed":
        assert (tmp_path / "log.1").read_bytes() == b"one\ntwo\n"
    assert outlet.errors == 0
    assert path.stat().st_mode & 0o137 == 0
    outlet.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def file_limit() -> Iterator[int]:
    """Files of this process cannot grow beyond this many bytes: a write is cut there, and the next one fails."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000, hard))
    yield 1_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def lift() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


LINES = b"".join(b"%d %b\n" % (number, b"x" * 296) for number in range(5))


@pytest.fixture
def cut(path: Path, clock: FakeClock, file_limit: int) -> Iterator[Outlet]:
    """One that had to write `LINES` into `path`, where the disk was full in the middle of the fourth."""
    outlet = Outlet(path, clock)
    outlet.load(LINES)
    assert outlet.push(0) is Sent.FAILED
    assert path.stat().st_size == file_limit
    lift()
    yield outlet
    outlet.close()


def test_a_line_that_was_cut_by_a_full_disk_is_continued_in_the_same_file(
    path: Path, clock: FakeClock, cut: Outlet
) -> None:
    clock.now = cut.due
    assert cut.push(0) is Sent.DONE
    assert path.read_bytes() == LINES
    assert told(cut, 0.1) == (1, "EFBIG")


def test_a_line_that_was_cut_is_written_again_whole_in_another_file(
    path: Path, clock: FakeClock, cut: Outlet
) -> None:
    rotated = path.with_suffix(".1")
    path.rename(rotated)
    clock.now = cut.due
    assert cut.push(0) is Sent.DONE
    whole = rotated.read_bytes().splitlines(keepends=True)[:-1]
    assert b"".join(whole) + path.read_bytes() == LINES


def test_a_line_that_was_cut_and_abandoned_is_ended_before_the_next_one(
    path: Path, clock: FakeClock, cut: Outlet
) -> None:
    assert cut.abandon() == 3
    cut.close()
    clock.now += 1
    cut.load(b"next\n")
    assert cut.push(0) is Sent.DONE
    lines = path.read_bytes().splitlines()
    assert lines[-1] == b"next"
    assert len(lines) == 5


def test_a_file_whose_last_line_was_cut_by_another_process_gets_an_end_to_it(
    tmp_path: Path, clock: FakeClock
) -> None:
    path = tmp_path / "log"
    path.write_bytes(b'whole\n{"cut')
    outlet = Outlet(path, clock)
    outlet.load(b"one\n")
    assert outlet.push(0) is Sent.DONE
    assert path.read_bytes() == b'whole\n{"cut\none\n'
    outlet.close()


def test_what_cannot_be_opened_is_an_error_like_any_other(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "missing" / "log"
    outlet = Outlet(path, clock)
    outlet.load(b"one\n")
    assert outlet.push(0) is Sent.FAILED
    path.parent.mkdir()
    clock.now = outlet.due
    assert outlet.push(0) is Sent.DONE
    assert told(outlet, 0.1) == (1, "ENOENT")
    assert path.read_bytes() == b"one\n"
    outlet.close()


def test_a_file_that_cannot_be_written_is_told_on_standard_error_once_for_each_error(
    tmp_path: Path, clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "missing" / "log"
    outlet = Outlet(path, clock)
    for error in ("ENOENT", "ENOENT", "ENOTDIR", "ENOENT"):
        if error == "ENOTDIR":
            path.parent.touch()
        outlet.load(b"line\n")
        assert outlet.push(0) is Sent.FAILED
        outlet.hurry()
    said = capsys.readouterr().err.splitlines()
    assert [line.split("; ")[0] for line in said] == [
        f"quickwins: log lines cannot be written to {path}: {error}" for error in ("ENOENT", "ENOTDIR")
    ]


def test_a_file_that_cannot_be_written_is_told_to_nobody_where_there_is_no_standard_error(
    tmp_path: Path, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    outlet = Outlet(tmp_path / "missing" / "log", clock)
    outlet.load(b"line\n")
    assert outlet.push(0) is Sent.FAILED


def test_a_fifo_that_nobody_reads_is_an_error_and_holds_nobody(tmp_path: Path, clock: FakeClock) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    outlet = Outlet(path, clock)
    outlet.load(b"one\n")
    assert outlet.push(0) is Sent.FAILED
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    clock.now = outlet.due
    assert outlet.push(0) is Sent.DONE
    assert os.read(reader, 100) == b"one\n"
    os.close(reader)
    outlet.close()


@pytest.mark.skipif(not hasattr(os, "O_DIRECT"), reason="only Linux has pipes that keep writes apart")
def test_a_pipe_gets_whole_lines_that_are_written_in_one_piece(clock: FakeClock) -> None:
    # Each read gives what one write wrote, a page at most.
    read, write = os.pipe2(os.O_DIRECT | os.O_NONBLOCK)
    outlet = Outlet(write, clock)
    lines = [b"%d" % number + b"x" * (number * 37 % 900) + b"\n" for number in range(150)]
    long = b"y" * (3 * select.PIPE_BUF) + b"\n"
    chunk = b"".join([*lines[:70], long, *lines[70:]])
    assert select.PIPE_BUF * 10 < len(chunk) < 2 * BATCH_BYTES
    outlet.load(chunk)
    pieces: list[bytes] = []
    sent = Sent.STALLED
    while sent is not Sent.DONE:
        clock.now = outlet.due
        sent = outlet.push(0)
        with contextlib.suppress(BlockingIOError):
            while True:
                pieces.append(os.read(read, 2 * select.PIPE_BUF))
    assert b"".join(pieces) == chunk
    assert all(len(piece) <= select.PIPE_BUF for piece in pieces)
    assert all(piece.endswith(b"\n") or set(piece) == {ord("y")} for piece in pieces)
    assert len(pieces) < len(lines) / 5
    outlet.close()
    os.close(read)
    os.close(write)


def test_a_push_that_found_no_room_waits_once_and_not_for_each_of_its_writes(
    pipe: tuple[int, int], clock: FakeClock
) -> None:
    read, write = pipe
    fill(write)
    outlet = Outlet(write, clock)
    outlet.load((b"y" * 99 + b"\n") * 600)
    assert outlet.push(0) is Sent.STALLED
    os.read(read, 2 * select.PIPE_BUF)
    assert outlet.push(3600) is Sent.STALLED
    assert outlet.busy
    while outlet.push(0) is not Sent.DONE:
        clock.now = outlet.due
        drained(read)
    outlet.close()


def test_a_descriptor_that_points_elsewhere_later_is_followed(
    tmp_path: Path, clock: FakeClock, pipe: tuple[int, int]
) -> None:
    read, write = pipe
    outlet = Outlet(write, clock)
    outlet.load(b"one\n")
    outlet.push(0)
    with (tmp_path / "log").open("wb") as file:
        os.dup2(file.fileno(), write)
    outlet.load(b"two\n")
    assert outlet.push(0) is Sent.DONE
    assert (tmp_path / "log").read_bytes() == b"two\n"
    assert drained(read) == b"one\n"
    outlet.close()


def test_a_file_that_gets_the_number_of_a_closed_descriptor_is_left_alone(
    tmp_path: Path, clock: FakeClock, pipe: tuple[int, int]
) -> None:
    read, write = pipe
    outlet = Outlet(write, clock)
    outlet.open()
    os.close(write)
    with (tmp_path / "data").open("wb") as data:
        if data.fileno() != write:  # another thread was faster
            os.dup2(data.fileno(), write, inheritable=False)
        for _ in range(3):
            clock.now += LOOK_SECONDS
            outlet.load(b"one\n")
            assert outlet.push(0) is Sent.DONE
    assert (tmp_path / "data").read_bytes() == b""
    assert drained(read) == b"one\n" * 3
    outlet.close()


def test_a_descriptor_that_is_not_open_stays_so_whatever_gets_its_number(
    tmp_path: Path, clock: FakeClock
) -> None:
    free = os.dup(0)
    os.close(free)
    outlet = Outlet(free, clock)
    outlet.open()
    outlet.load(b"one\n")
    with (tmp_path / "data").open("wb") as data:
        assert data.fileno() == free
        for _ in range(3):
            assert outlet.push(0) is Sent.FAILED
            outlet.hurry()
    assert outlet.hopeless
    assert outlet.errors == 3
    assert (tmp_path / "data").read_bytes() == b""
