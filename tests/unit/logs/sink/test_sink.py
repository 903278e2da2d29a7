"""The sink through its surface, threaded and inline."""

from __future__ import annotations

import json
import os
import threading
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from quickwins.core.clock import FakeClock
from quickwins.core.errors import ConfigError
from quickwins.logs.sink import DropReason, Outage, Sink, SinkState
from tests.eventually import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INFO, WARN, ERROR = 9, 13, 17
PATIENCE_SECONDS = 30.0

both = pytest.mark.parametrize("inline", [False, True], ids=["threaded", "inline"])


def line(number: int, **more: object) -> bytes:
    return json.dumps({"n": number, **more}).encode()[:-1]


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(one) for one in path.read_bytes().splitlines()]


def writers() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("quickwins-log")]


def wait_for(state: SinkState, sink: Sink) -> None:
    wait_until(lambda: not sink.flush(0) and sink.stats().state is state)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def started(path: Path) -> Iterator[Callable[..., Sink]]:
    made = []

    def start(*, recovered: Callable[[Outage], bytes] | None = None, **settings: Any) -> Sink:
        sink = Sink.file(path, **settings)
        sink.start(recovered)
        made.append(sink)
        return sink

    yield start
    for sink in made:
        sink.close()
    assert writers() == []


@both
def test_every_line_is_written_once_in_order_with_its_number(
    started: Callable[..., Sink], path: Path, *, inline: bool
) -> None:
    sink = started(inline=inline)
    assert all(sink.put(line(number), INFO) for number in range(1, 1_001))
    assert sink.flush(PATIENCE_SECONDS)
    assert lines_of(path) == [{"n": number, "seq": number} for number in range(1, 1_001)]
    stats = sink.stats()
    assert (stats.state, stats.errors, stats.queued_bytes) == (SinkState.UP, 0, 0)
    assert stats.accepted_lines == stats.written_lines == 1_000
    assert stats.written_bytes == path.stat().st_size
    assert set(stats.dropped.values()) == {0}


@both
def test_nothing_happens_before_start_and_after_close(path: Path, *, inline: bool) -> None:
    sink = Sink.file(path, inline=inline)
    assert not sink.put(line(1), ERROR)
    assert not path.exists()
    sink.start()
    assert not path.exists()
    assert sink.put(line(2), INFO)
    sink.close()
    sink.close()
    assert not sink.put(line(3), ERROR)
    assert sink.stats().state is SinkState.CLOSED
    assert sink.stats().dropped[DropReason.CLOSED] == 2
    assert lines_of(path) == [{"n": 2, "log.dropped": 1, "seq": 2}]
    assert sink.flush(0)
    assert writers() == []


@both
def test_a_closed_sink_begins_again_where_its_numbers_were(
    started: Callable[..., Sink], path: Path, *, inline: bool
) -> None:
    sink = started(inline=inline)
    for _ in range(3):
        sink.start()
        sink.put(line(1), INFO)
        sink.close()
    assert [one["seq"] for one in lines_of(path)] == [1, 2, 3]


def test_close_writes_what_lingers(started: Callable[..., Sink], path: Path) -> None:
    sink = started(linger_seconds=1)
    sink.put(line(1), INFO)
    sink.close()
    assert lines_of(path) == [{"n": 1, "seq": 1}]


def test_a_small_queue_is_written_long_before_it_is_full(started: Callable[..., Sink]) -> None:
    sink = started(max_bytes=16_384, linger_seconds=1)
    sink.put(line(1), INFO)
    assert sink._writer.queue.wake_bytes == 4_096


@both
def test_eight_threads_share_a_sink(started: Callable[..., Sink], path: Path, *, inline: bool) -> None:
    sink = started(inline=inline)
    each = 500
    start = threading.Barrier(8)

    def produce(mine: int) -> None:
        start.wait()
        for number in range(each):
            assert sink.put(line(number, thread=mine), WARN if number % 7 == 0 else INFO)

    threads = [threading.Thread(target=produce, args=(mine,)) for mine in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sink.flush(PATIENCE_SECONDS)
    found = lines_of(path)
    assert [one["seq"] for one in found] == list(range(1, 8 * each + 1))
    for mine in range(8):
        assert [one["n"] for one in found if one["thread"] == mine] == list(range(each))
    assert len(writers()) == (0 if inline else 1)


@both
def test_an_outage_is_told_in_a_line_of_the_sinks_own(
    started: Callable[..., Sink], path: Path, *, inline: bool
) -> None:
    path.symlink_to("/dev/full")
    told: list[Outage] = []

    def recovered(outage: Outage) -> bytes:
        told.append(outage)
        return b'{"event.name":"log.sink_recovered","error":"%b"' % outage.error.encode()

    sink = started(recovered=recovered, inline=inline)
    sink.put(line(1), ERROR)
    wait_for(SinkState.FAILING, sink)
    assert sink.stats().errors > 0
    target = path.with_name("target")
    swap = path.with_name("swap")
    swap.symlink_to(target)
    swap.replace(path)
    assert sink.flush(PATIENCE_SECONDS)
    sink.close()
    assert lines_of(target) == [
        {"n": 1, "seq": 1},
        {"event.name": "log.sink_recovered", "error": "ENOSPC", "seq": 2},
    ]
    assert [outage.errors for outage in told] == [sink.stats().errors]
    assert told[0].seconds > 0


def test_what_the_maker_of_that_line_raises_stops_nothing(started: Callable[..., Sink], path: Path) -> None:
    def recovered(outage: Outage) -> bytes:
        raise ValueError(outage)

    path.mkdir()
    sink = started(recovered=recovered)
    sink.put(line(1), ERROR)
    wait_for(SinkState.FAILING, sink)
    path.rmdir()
    assert sink.flush(PATIENCE_SECONDS)
    assert lines_of(path) == [{"n": 1, "seq": 1}]


def test_an_error_that_nobody_expects_is_one_of_the_outlets(
    started: Callable[..., Sink], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = started(inline=True)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda *_: 1 / 0)
        assert sink.put(line(1), INFO)
    assert (sink.stats().errors, sink.stats().state) == (1, SinkState.FAILING)
    assert sink.flush(PATIENCE_SECONDS)
    assert lines_of(path) == [{"n": 1, "seq": 1}]


def test_inline_what_fails_is_kept_and_tried_again_by_the_first_line_that_is_due(
    tmp_path: Path,
) -> None:
    clock = FakeClock()
    path = tmp_path / "missing" / "log"
    sink = Sink.file(path, inline=True, clock=clock)
    sink.start()
    assert sink.put(line(1), INFO)
    assert sink.put(line(2), INFO)
    assert sink.stats().errors == 1
    path.parent.mkdir()
    assert sink.put(line(3), INFO)
    assert not path.exists()
    clock.now += 0.1
    assert sink.put(line(4), INFO)
    assert [one["n"] for one in lines_of(path)] == [1, 2, 3, 4]
    sink.close()


@both
def test_a_reader_that_stalls_fills_the_queue_and_what_is_dropped_is_told(*, inline: bool) -> None:
    read, write = os.pipe()
    sink = Sink.descriptor(write, max_bytes=16_384, inline=inline)
    sink.start()
    accepted = []
    number = 0

    def is_left_out(severity: int, reason: DropReason) -> bool:
        """Another line: whether the reader has stalled, and ten like it found no room."""
        nonlocal number
        number += 1
        if sink.put(line(number, x="x" * 500), severity):
            accepted.append(number)
        return sink.stats().state is SinkState.STALLED and sink.stats().dropped[reason] >= 10

    wait_until(lambda: is_left_out(INFO, DropReason.RESERVE), look_seconds=0)
    wait_until(lambda: is_left_out(ERROR, DropReason.QUEUE_FULL), look_seconds=0)
    assert sink.stats().queued_bytes <= 16_384
    assert not sink.flush(0.01)
    assert sink.stats().state is SinkState.STALLED
    assert os.get_blocking(write)
    found: list[dict[str, Any]] = []

    def consume() -> None:
        with os.fdopen(read, "rb") as file:
            found.extend(json.loads(one) for one in file)

    reader = threading.Thread(target=consume)
    reader.start()
    assert sink.flush(PATIENCE_SECONDS)
    assert sink.put(line(0), INFO)
    sink.close()
    os.close(write)
    reader.join()
    assert [one["n"] for one in found] == [*accepted, 0]
    assert sum(one.get("log.dropped", 0) for one in found) == sum(sink.stats().dropped.values())
    assert found[-1]["seq"] == number + 1
    assert all(one["seq"] < other["seq"] for one, other in pairwise(found))


@both
def test_closing_gives_up_on_a_reader_that_stalls_and_counts_what_is_lost(*, inline: bool) -> None:
    read, write = os.pipe()
    sink = Sink.descriptor(write, inline=inline)
    sink.start()
    for number in range(500):
        assert sink.put(line(number, x="x" * 500), INFO)
    sink.close(0.05)
    assert writers() == []
    os.close(write)
    with os.fdopen(read, "rb") as file:
        found = [json.loads(one) for one in file]
    stats = sink.stats()
    assert stats.written_lines == len(found)
    assert stats.dropped[DropReason.UNWRITTEN] == 500 - len(found) > 0
    assert stats.queued_bytes == 0


def test_a_line_longer_than_the_pipe_does_not_keep_the_writer_from_ending() -> None:
    read, write = os.pipe()
    sink = Sink.descriptor(write)
    sink.start()
    sink.put(line(1, x="x" * (1 << 20)), INFO)
    sink.put(line(2), INFO)
    sink.close(0.05)
    stats = sink.stats()
    assert (stats.written_lines, stats.dropped[DropReason.UNWRITTEN]) == (0, 2)
    if hasattr(os, "RWF_NOWAIT"):
        assert writers() == []
    os.close(read)
    os.close(write)


def test_a_machine_without_another_thread_writes_inline_until_there_is_one(
    started: Callable[..., Sink], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_thread(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    sink = started()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        for number in range(1, 4):
            assert sink.put(line(number), INFO)
            assert lines_of(path)[-1]["n"] == number
            assert sink.flush(PATIENCE_SECONDS)
        assert writers() == []
    assert sink.put(line(4), INFO)
    assert writers() != []
    assert sink.flush(PATIENCE_SECONDS)
    assert [one["n"] for one in lines_of(path)] == [1, 2, 3, 4]


class Alarm(BaseException):
    """What a signal handler raises."""


@pytest.mark.parametrize("severity", [INFO, ERROR], ids=["info", "error"])
@pytest.mark.parametrize("begun", [False, True], ids=["before it began", "when it had begun"])
@pytest.mark.parametrize(
    "failure", [MemoryError, OSError, RuntimeError, TimeoutError, Alarm, KeyboardInterrupt]
)
def test_a_start_of_the_thread_that_is_interrupted_costs_no_line_and_is_tried_again(
    started: Callable[..., Sink],
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
    failure: type[BaseException],
    begun: bool,
    severity: int,
) -> None:
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        if begun:
            start(thread)
        raise failure

    sink = started()
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        if issubclass(failure, Exception):
            assert sink.put(line(1), severity)
        else:
            with pytest.raises(failure):
                sink.put(line(1), severity)
    assert sink.put(line(2), INFO)
    assert sink.flush(PATIENCE_SECONDS)
    assert lines_of(path) == [{"n": 1, "seq": 1}, {"n": 2, "seq": 2}]
    assert len(writers()) == 1


def test_a_writer_that_dies_is_replaced_at_the_next_line(
    started: Callable[..., Sink], path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Tired(FakeClock):
        """Breaks once, in the writer's thread."""

        broken = False

        def monotonic(self) -> float:
            if threading.current_thread() is not threading.main_thread() and not self.broken:
                self.broken = True
                raise MemoryError
            return super().monotonic()

    died: list[object] = []
    monkeypatch.setattr(threading, "excepthook", lambda about: died.append(about.exc_type))
    sink = started(clock=Tired(), linger_seconds=0)
    assert sink.put(line(1), INFO)
    wait_until(lambda: not writers())
    assert died == [MemoryError]
    assert sink.put(line(2), INFO)
    assert sink.flush(PATIENCE_SECONDS)
    assert [one["n"] for one in lines_of(path)] == [1, 2]


def test_close_to_the_recursion_limit_no_line_is_lost_uncounted(
    started: Callable[..., Sink], path: Path
) -> None:
    sink = started(max_bytes=4_096, inline=True)
    outcomes: list[bool] = []
    depths: list[None] = []

    def deeper() -> None:
        try:
            deeper()
        except RecursionError:
            depths.append(None)
        if 0 < len(depths) < 20:
            depths.append(None)
            if len(depths) > 2:  # there is room for `put` itself
                outcomes.append(sink.put(line(len(outcomes)), INFO))

    deeper()
    assert sink.flush(PATIENCE_SECONDS)
    stats = sink.stats()
    assert stats.queued_bytes == 0
    assert len(lines_of(path)) == outcomes.count(True) == stats.written_lines
    assert sum(stats.dropped.values()) == outcomes.count(False)


def test_at_exit_the_thread_ends_and_later_lines_are_written_where_they_are_logged(
    started: Callable[..., Sink], path: Path
) -> None:
    sink = started(linger_seconds=1)
    sink.put(line(1), INFO)
    sink._at_exit()
    assert writers() == []
    sink.put(line(2), INFO)
    assert [one["n"] for one in lines_of(path)] == [1, 2]


def test_a_line_of_a_maker_of_lines_that_closes_the_sink_is_written(path: Path) -> None:
    sink = Sink.file(path)
    path.symlink_to("/dev/full")

    def recovered(_: Outage) -> bytes:
        sink.close()
        return line(2)

    sink.start(recovered)
    sink.put(line(1), ERROR)
    wait_for(SinkState.FAILING, sink)
    path.unlink()
    assert sink.flush(PATIENCE_SECONDS)
    for thread in threading.enumerate():
        if thread.name.startswith("quickwins-log"):
            thread.join(PATIENCE_SECONDS)
    assert lines_of(path) == [{"n": 1, "seq": 1}]
    assert sink.stats().dropped[DropReason.CLOSED] == 1


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        pytest.param(
            {"max_bytes": 4_095},
            "max_bytes=4095 is not allowed: a whole number at least 4,096",
            id="max_bytes",
        ),
        pytest.param({"linger_seconds": 1.1}, "linger_seconds=1.1 is not allowed", id="long"),
        pytest.param({"linger_seconds": -1}, "linger_seconds=-1 is not allowed", id="negative"),
    ],
)
def test_a_value_out_of_its_bounds_is_named(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Sink.stdout(**settings)


def test_standard_streams_are_written_by_their_number(capfd: pytest.CaptureFixture[str]) -> None:
    for sink in (Sink.stdout(), Sink.stderr()):
        sink.start()
        sink.put(line(1), INFO)
        sink.close()
    assert capfd.readouterr() == ('{"n": 1,"seq":1}\n', '{"n": 1,"seq":1}\n')
