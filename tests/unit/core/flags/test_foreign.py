"""Other people's sources, subscribers, log handlers and audit files: none of them keeps the next kill from being seen."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins.core.audit import AuditLog
from quickwins.core.clock import FakeClock
from quickwins.core.errors import ConfigError
from quickwins.core.flags import Flags, FlagSettings, FlagsSettings, MemorySource, Snapshot, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from quickwins.core.config import Layer, Section

SECTIONS: Mapping[str, type[Section]] = {"flags": FlagsSettings, "one": FlagSettings}
ON = {"one": {"enabled": True}}


class Outcome(BaseException):
    """As pytest's own failures, gevent's time-outs and trio's cancellations: no `Exception`."""


RAISED = [ConnectionError, RecursionError, MemoryError, asyncio.CancelledError, GeneratorExit, Outcome]


class Hostile(MemorySource):
    """Raises `error` in the method `step`, when there is one."""

    def __init__(self, values: dict[str, Any], step: str) -> None:
        super().__init__(values)
        self.step = step
        self.error: type[BaseException] | None = None

    def _at(self, step: str) -> None:
        if self.error is not None and step == self.step:
            raise self.error

    def read(self) -> object:
        self._at("read")
        return super().read()

    def layer(self) -> Layer:
        self._at("layer")
        return super().layer()

    def accept(self) -> None:
        self._at("accept")
        super().accept()


class Incomparable:
    def __eq__(self, other: object) -> bool:
        raise ValueError("the truth value of an array is ambiguous")

    __hash__ = object.__hash__


class Handler(logging.Handler):
    """Raises for every record, and remembers what it was shown."""

    def __init__(self, flags: list[Flags]) -> None:
        super().__init__()
        self.flags = flags
        self.error: BaseException = OSError("the shipper is down")
        self.seen: list[tuple[str, bool]] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.seen.append((record.event, self.flags[0].flag("one").state.on))  # type: ignore[attr-defined]  # -- every event of ours has it; until=never
        raise self.error


@pytest.fixture
def handler() -> Iterator[Handler]:
    made = Handler([])
    logger = logging.getLogger("quickwins")
    level = logger.level
    logger.addHandler(made)
    logger.setLevel(logging.INFO)
    yield made
    logger.removeHandler(made)
    logger.setLevel(level)


def flags_of(*sources: MemorySource, audit: AuditLog | None = None) -> tuple[Flags, CollectorRegistry]:
    registry = CollectorRegistry()
    return Flags(SECTIONS, sources, registry=registry, clock=FakeClock(), audit=audit), registry


@pytest.mark.parametrize("error", RAISED)
@pytest.mark.parametrize("step", ["read", "layer", "accept"])
def test_a_kill_is_seen_while_another_source_raises_whatever_it_likes(
    step: str, error: type[BaseException]
) -> None:
    hostile, other = Hostile({}, step), MemorySource(ON)
    flags, registry = flags_of(hostile, other)
    hostile.error = error
    other.set("one", killed=True)
    assert flags.poll()
    assert not flags.flag("one").state.on
    failed = "memory"
    assert registry.get_sample_value(
        "quickwins_flag_source_up", {"service": "", "name": "", "source": failed}
    ) == (0)


@pytest.mark.parametrize("error", RAISED)
@pytest.mark.parametrize("step", ["read", "layer", "accept"])
def test_a_source_that_works_again_is_believed_again(step: str, error: type[BaseException]) -> None:
    source = Hostile(ON, step)
    flags, _ = flags_of(source)
    source.error = error
    source.set("one", enabled=False)
    assert not flags.poll()
    assert flags.flag("one").state.on
    source.error = None
    assert flags.poll()
    assert not flags.flag("one").state.on


def test_tokens_that_cannot_be_compared_are_taken_for_new_ones() -> None:
    class Arrays(MemorySource):
        def read(self) -> object:
            return Incomparable()

    source = Arrays(ON)
    flags, _ = flags_of(source)
    source.set("one", killed=True)
    assert flags.poll()
    assert not flags.flag("one").state.on


@pytest.mark.parametrize("error", RAISED)
def test_the_start_names_the_source_that_cannot_be_read_and_quotes_nothing_of_it(
    error: type[BaseException],
) -> None:
    source = Hostile(ON, "read")
    source.error = error
    with pytest.raises(SourceError, match=rf"^memory: reading it raised {error.__name__}$"):
        flags_of(source)


def test_a_handler_that_raises_is_counted_said_once_and_comes_after_the_switch(
    handler: Handler, capsys: pytest.CaptureFixture[str]
) -> None:
    source = MemorySource(ON)
    flags, registry = flags_of(source)
    handler.flags.append(flags)
    told: list[bool] = []
    flags.subscribe(lambda new: told.append(new.flags["one"].on))
    for killed in (True, False, True):
        source.set("one", killed=killed)
        assert flags.poll()
    assert told == [False, True, False]
    assert handler.seen == [("flag.changed", on) for on in told], (
        "who follows a switch is told before anybody else"
    )
    base = {"service": "", "name": "", "event": "flag.changed"}
    assert registry.get_sample_value("quickwins_report_failures_total", base) == 3
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 1
    assert "flag.changed could not be reported: a logging handler or filter raised OSError" in said[0]


@pytest.mark.parametrize("error", RAISED)
def test_whatever_a_handler_raises_the_switch_has_happened_and_nobody_else_sees_it(
    handler: Handler, error: type[BaseException]
) -> None:
    source = MemorySource(ON)
    flags, registry = flags_of(source)
    handler.flags.append(flags)
    handler.error = error()
    source.set("one", killed=True)
    assert flags.poll()
    assert not flags.flag("one").state.on
    base = {"service": "", "name": "", "event": "flag.changed"}
    assert registry.get_sample_value("quickwins_report_failures_total", base) == 1


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_ends_the_process_goes_on_when_the_switch_has_happened(
    handler: Handler, error: type[BaseException]
) -> None:
    source = MemorySource(ON)
    flags, _ = flags_of(source)
    handler.flags.append(flags)
    handler.error = error()
    source.set("one", killed=True)
    with pytest.raises(error):
        flags.poll()
    assert not flags.flag("one").state.on


@pytest.mark.parametrize("error", RAISED)
def test_a_subscriber_that_raises_keeps_nobody_from_a_switch(error: type[BaseException]) -> None:
    source = MemorySource(ON)
    flags, registry = flags_of(source)
    told: list[bool] = []

    def broken(_: Snapshot) -> None:
        raise error

    flags.subscribe(broken)
    flags.subscribe(lambda new: told.append(new.flags["one"].on))
    source.set("one", killed=True)
    assert flags.poll()
    assert told == [False]
    assert registry.get_sample_value(
        "quickwins_flag_subscriber_failures_total", {"service": "", "name": ""}
    ) == (1)


@pytest.mark.parametrize("error", RAISED)
def test_an_audit_that_raises_is_counted(error: type[BaseException]) -> None:
    class Audit(AuditLog):
        def append(self, record: Mapping[str, object]) -> None:
            raise error

    source = MemorySource(ON)
    flags, registry = flags_of(source, audit=Audit(None))  # type: ignore[arg-type]  # -- it is never opened; until=never
    source.set("one", killed=True)
    assert flags.poll()
    assert registry.get_sample_value("quickwins_audit_failures_total", {"service": "", "name": ""}) == 1


def test_an_audit_file_whose_lock_somebody_keeps_fails_instead_of_waiting_for_it(tmp_path: Path) -> None:
    audit = AuditLog(tmp_path / "audit.jsonl")
    audit.append({"at": 1})
    with (tmp_path / "audit.jsonl").open("ab") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BlockingIOError):
            audit.append({"at": 2})
    audit.append({"at": 3})
    assert [record["at"] for record in audit.records()] == [1, 3]


def test_an_audit_file_that_is_a_fifo_fails_instead_of_waiting_for_a_reader(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "audit.jsonl")
    with pytest.raises(OSError, match="No such device"):
        AuditLog(tmp_path / "audit.jsonl").append({"at": 1})


@pytest.mark.asyncio
async def test_flags_without_a_section_for_themselves_are_polled_too() -> None:
    source = MemorySource(ON)
    clock = FakeClock()
    flags = Flags({"one": FlagSettings}, [source], registry=CollectorRegistry(), clock=clock)
    async with flags:
        await clock.advance(0)
        source.set("one", killed=True)
        await clock.advance(FlagsSettings().poll_interval_seconds)
        assert not flags.flag("one").state.on


@pytest.mark.asyncio
async def test_polling_goes_on_after_everything_that_a_source_raises() -> None:
    source = Hostile(ON, "read")
    clock = FakeClock()
    flags = Flags(SECTIONS, [source], registry=CollectorRegistry(), clock=clock)
    async with flags:
        for error in RAISED:
            source.error = error
            await clock.advance(1)
        source.error = None
        source.set("one", killed=True)
        await clock.advance(1)
        assert not flags.flag("one").state.on


async def until_killed(flags: Flags, source: MemorySource) -> None:
    """Kill, and return when that was seen; the test's time limit is how long that may take."""
    seen = asyncio.Event()
    flags.subscribe(lambda _: seen.set())
    source.set("one", killed=True)
    await seen.wait()
    assert not flags.flag("one").state.on


@pytest.mark.asyncio
async def test_a_kill_is_seen_after_somebody_has_cancelled_all_tasks_of_the_loop() -> None:
    source = MemorySource({"flags": {"poll_interval_seconds": 0.1}, **ON})
    async with Flags(SECTIONS, [source], registry=CollectorRegistry()) as flags:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await until_killed(flags, source)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.asyncio
async def test_a_kill_is_seen_after_a_subscriber_has_cancelled_the_task_that_calls_it() -> None:
    source = MemorySource({"flags": {"poll_interval_seconds": 0.1}, **ON})
    async with Flags(SECTIONS, [source], registry=CollectorRegistry()) as flags:
        told = asyncio.Event()

        def cancels(_: Snapshot) -> None:
            task = asyncio.current_task()
            assert task is not None
            task.cancel()
            told.set()

        end = flags.subscribe(cancels)
        source.set("one", salt="another")
        await told.wait()
        end()
        await until_killed(flags, source)


def test_flags_whose_event_loop_has_ended_around_them_are_entered_on_the_next_one() -> None:
    source = MemorySource({"flags": {"poll_interval_seconds": 0.1}, **ON})
    flags = Flags(SECTIONS, [source], registry=CollectorRegistry())

    async def never_left() -> None:
        await flags.__aenter__()

    async def again() -> None:
        async with flags:
            await until_killed(flags, source)

    asyncio.run(never_left())
    asyncio.run(again())


def test_flags_that_were_entered_before_a_fork_are_entered_in_its_child() -> None:
    source = MemorySource({"flags": {"poll_interval_seconds": 0.1}, **ON})
    flags = Flags(SECTIONS, [source], registry=CollectorRegistry())

    async def again() -> None:
        async with flags:
            await until_killed(flags, source)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(flags.__aenter__())
    child = os.fork()
    if child == 0:
        code = 1
        try:
            asyncio.run(asyncio.wait_for(again(), 10))
            code = 0
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    loop.run_until_complete(flags.__aexit__(None, None, None))
    loop.close()
    assert os.waitstatus_to_exitcode(status) == 0


def test_an_invalid_value_is_a_config_error_as_before() -> None:
    with pytest.raises(ConfigError, match="percent"):
        flags_of(MemorySource({"one": {"percent": 101}}))
