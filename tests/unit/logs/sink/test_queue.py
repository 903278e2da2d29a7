"""The queue alone: what it admits, how lines end, what is told of those that were dropped."""

from __future__ import annotations

import json
import sys
import threading
from itertools import pairwise

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from quickwins.logs.sink._queue import CHARGE, NEVER, WARN, DropReason, LineQueue

MAX_BYTES, RESERVE_BYTES = 2_000, 500
INFO = 9


def queue(max_bytes: int = MAX_BYTES, reserve_bytes: int = RESERVE_BYTES) -> LineQueue:
    made = LineQueue(max_bytes, reserve_bytes, lambda _: None)
    made.open()
    made.wake_severity = made.wake_bytes = NEVER
    return made


def written(taken: bytes) -> list[dict[str, int]]:
    return [json.loads(line) for line in taken.splitlines()]


class Admission(RuleBasedStateMachine):
    """Against the rule of the module's head, written down once more as plainly as possible."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = queue()
        self.number = 0
        self.charged: list[tuple[int, int]] = []
        self.on_the_way: list[tuple[int, int]] = []
        self.lines: list[dict[str, int]] = []
        self.dropped = dict.fromkeys(DropReason, 0)
        self.open = True

    @rule(padding=st.integers(0, 700), severity=st.sampled_from([5, 9, 13, 17, 21]))
    def put(self, padding: int, severity: int) -> None:
        self.number += 1
        line = b'{"n":%d,"x":"%b"' % (self.number, b"x" * padding)
        size = sum(cost for _, cost in self.charged + self.on_the_way) + len(line) + CHARGE
        if not self.open:
            reason = DropReason.CLOSED
        elif size > MAX_BYTES:
            reason = DropReason.QUEUE_FULL
        elif size > MAX_BYTES - RESERVE_BYTES and severity < WARN:
            reason = DropReason.RESERVE
        else:
            reason = None
        assert self.queue.put(line, severity) is (reason is None)
        if reason is None:
            self.charged.append((self.number, len(line) + CHARGE))
        else:
            self.dropped[reason] += 1

    @rule(limit=st.integers(1, 1_500))
    def take(self, limit: int) -> None:
        if self.on_the_way:
            self.queue.done()
        taken = self.queue.take(limit)
        assert bool(taken) is bool(self.charged)
        lines = written(taken)
        self.lines += lines
        self.on_the_way, self.charged = self.charged[: len(lines)], self.charged[len(lines) :]
        costs = [cost for _, cost in self.on_the_way]
        assert sum(costs[:-1]) < limit
        assert not self.charged or sum(costs) >= limit
        assert [line["n"] for line in lines] == [number for number, _ in self.on_the_way]

    @rule()
    def done(self) -> None:
        self.queue.done()
        self.on_the_way = []

    @rule()
    def close_and_open(self) -> None:
        self.open = not self.open
        if self.open:
            self.queue.open()
        else:
            self.queue.close()

    @invariant()
    def the_size_is_exact_and_within_its_bound(self) -> None:
        assert self.queue.size == sum(cost for _, cost in self.charged + self.on_the_way) <= MAX_BYTES

    @invariant()
    def every_drop_is_counted(self) -> None:
        assert self.queue.dropped == self.dropped
        assert self.queue.accepted + sum(self.dropped.values()) == self.number

    @invariant()
    def every_drop_is_told_once(self) -> None:
        told = sum(line.get("log.dropped", 0) for line in self.lines)
        if not self.charged:
            assert told + self.queue.missed == sum(self.dropped.values())

    @invariant()
    def seq_is_the_number_of_the_record(self) -> None:
        assert [line["seq"] for line in self.lines] == [line["n"] for line in self.lines]


test_admission = Admission.TestCase


def test_a_line_ends_with_its_number_and_with_what_was_dropped_before_it() -> None:
    lines = queue()
    lines.put(b'{"a":1', INFO)
    lines.close()
    lines.put(b'{"a":2', INFO)
    lines.put(b'{"a":3', INFO)
    lines.open()
    lines.put(b'{"a":4', INFO)
    assert lines.take(4_096) == b'{"a":1,"seq":1}\n{"a":4,"log.dropped":2,"seq":4}\n'


def test_a_queue_that_was_never_opened_takes_nothing() -> None:
    lines = LineQueue(MAX_BYTES, 0, lambda _: None)
    assert not lines.put(b'{"a":1', 21)
    assert lines.dropped[DropReason.CLOSED] == 1
    assert lines.size == 0


def test_lines_are_taken_until_the_limit_is_charged_and_one_at_least() -> None:
    lines = queue()
    for _ in range(4):
        lines.put(b'{"x":1', INFO)
    assert [lines.take(limit).count(b"\n") for limit in (1, 71, 1, 1)] == [1, 2, 1, 0]


def test_put_wakes_from_the_severity_and_the_size_that_it_is_told() -> None:
    woken: list[int] = []
    lines = LineQueue(MAX_BYTES, 0, woken.append)
    lines.open()
    lines.put(b'{"a":1', 5)
    lines.wake_severity, lines.wake_bytes = WARN, 400
    lines.put(b'{"a":1', 9)
    lines.put(b'{"a":1', 13)
    assert woken == [5, 13]
    lines.put(b'{"a":"%b"' % (b"x" * 400), 9)
    assert woken == [5, 13, 9]


def test_what_is_abandoned_is_counted_as_lost_and_no_longer_charged() -> None:
    lines = queue()
    for _ in range(5):
        lines.put(b'{"a":1', INFO)
    assert lines.take(71).count(b"\n") == 2
    lines.abandon(written=1)
    assert (lines.written_lines, lines.dropped[DropReason.UNWRITTEN], lines.size) == (1, 4, 0)
    assert lines.accepted == lines.settled == 5
    assert not lines.waiting


def test_a_reset_forgets_everything_but_whether_it_is_open() -> None:
    lines = queue()
    lines.put(b'{"a":1', INFO)
    lines.put(b"x" * MAX_BYTES, INFO)
    lines.reset()
    assert (lines.size, lines.accepted, sum(lines.dropped.values())) == (0, 0, 0)
    lines.put(b'{"a":2', INFO)
    assert lines.take(4_096) == b'{"a":2,"seq":1}\n'


@pytest.mark.parametrize("locked", [False, True])
def test_eight_threads_lose_and_repeat_nothing_and_every_count_is_exact(*, locked: bool) -> None:
    lines = queue(20_000, 5_000)
    put = lines.put_locked if locked else lines.put
    each, threads = 2_000, 8
    start, ended = threading.Barrier(threads + 1), threading.Event()
    accepted: list[list[int]] = [[] for _ in range(threads)]

    def produce(mine: int) -> None:
        start.wait()
        for number in range(each):
            if put(b'{"thread":%d,"n":%d' % (mine, number), INFO if number % 3 else WARN):
                accepted[mine].append(number)

    found: list[dict[str, int]] = []

    def consume() -> None:
        start.wait()
        while True:
            over = ended.is_set()
            taken = lines.take(4_096)
            found.extend(written(taken))
            lines.done()
            if over and not taken:
                return

    workers = [threading.Thread(target=produce, args=(mine,)) for mine in range(threads)]
    reader = threading.Thread(target=consume)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for worker in (*workers, reader):
            worker.start()
        for worker in workers:
            worker.join()
        ended.set()
        reader.join()
    finally:
        sys.setswitchinterval(interval)
    for mine in range(threads):
        assert [line["n"] for line in found if line["thread"] == mine] == accepted[mine]
    assert all(one["seq"] < other["seq"] for one, other in pairwise(found))
    dropped = sum(lines.dropped.values())
    assert dropped == each * threads - len(found)
    assert sum(line.get("log.dropped", 0) for line in found) + lines.missed == dropped
    assert lines.size == 0
    assert lines.settled == lines.accepted == len(found)
