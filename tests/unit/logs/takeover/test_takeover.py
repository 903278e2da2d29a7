"""The standard library's and structlog's records go the same way, and come back when ours is off."""

from __future__ import annotations

import asyncio
import io
import logging
import threading
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from quickwins.core.events import POOL_REJECTED, Reporter
from quickwins.core.flags import Flags, FlagSettings, MemorySource
from quickwins.logs import bound, get_logger
from quickwins.logs._takeover.records import message, said
from tests.unit.logs.conftest import Configure, Written

SECRET = "opaque-4Zk8"


class Loud:
    def __repr__(self) -> str:
        return SECRET

    __str__ = __repr__


@pytest.fixture
def plain() -> Iterator[io.StringIO]:
    """An application that logs plain text, at WARNING, and a library of it with a handler of its own."""
    root, library = logging.getLogger(), logging.getLogger("a_server")
    before = (root.handlers[:], root.level)
    text = io.StringIO()
    root.handlers[:] = [logging.StreamHandler(text)]
    root.setLevel(logging.WARNING)
    own = logging.StreamHandler(text)
    own.setFormatter(logging.Formatter("server: %(message)s"))
    library.handlers[:], library.propagate = [own], False
    library.setLevel(logging.INFO)
    yield text
    root.handlers[:], root.level = before
    library.handlers[:], library.propagate = [], True
    library.setLevel(logging.NOTSET)


def test_records_of_the_standard_library_become_lines(configure: Configure, written: Written) -> None:
    configure()
    with bound(tenant="t1"):
        logging.getLogger("feed.db").warning("lost %s of %d", "one", 3, extra={"shard": 7})
    assert {**written.last, "timestamp": 0, "seq": 0} == {
        "timestamp": 0,
        "severity_text": "WARN",
        "severity_number": 13,
        "event.name": "log.record",
        "service.name": "feed",
        "tenant": "t1",
        "body": "lost one of 3",
        "logger": "feed.db",
        "shard": 7,
        "seq": 0,
    }


def test_the_level_holds_for_them_too(configure: Configure, written: Written) -> None:
    pipeline = configure(level="warning")
    logger = logging.getLogger("feed.db")
    logger.info("a")
    logger.warning("b")
    pipeline.reconfigure(level="debug")
    logger.debug("c")
    assert [line["body"] for line in written.lines] == ["b", "c"]


def test_what_features_report_keeps_its_name_and_fields(configure: Configure, written: Written) -> None:
    configure(strict=True)
    Reporter(service="feed", name="main").report(POOL_REJECTED, reason="limit", limit=3, inflight=3, count=1)
    line = written.last
    assert (line["event.name"], line["reason"], line["limit"], line["name"]) == (
        "pool.rejected",
        "limit",
        3,
        "main",
    )
    assert "attributes" not in line
    assert "body" not in line


def test_an_exception_comes_with_its_record(configure: Configure, written: Written) -> None:
    configure()
    error = ValueError(SECRET)
    logging.getLogger("x").error("failed: %s", error, exc_info=error)
    assert (written.last["body"], written.last["exception.type"]) == ("failed: <ValueError>", "ValueError")
    assert SECRET.encode() not in written.raw


@pytest.mark.parametrize(
    ("msg", "args", "shown"),
    [
        pytest.param("%s %r", (Loud(), Loud()), "<Loud> '<Loud>'", id="objects are named"),
        pytest.param("%(a)s", ({"a": Loud()},), "<Loud>", id="by name"),
        pytest.param("%s", ([Loud(), "x"],), "['<Loud>', 'x']", id="objects in containers"),
        pytest.param("%d", (Loud(),), "%d", id="an object where a number belongs"),
        pytest.param("%s %s", ("x",), "%s %s", id="too few"),
        pytest.param("%", ("x",), "%", id="no template"),
        pytest.param("100%", (), "100%", id="no arguments"),
        pytest.param(Loud(), (), "<Loud>", id="an object instead of text"),
        pytest.param(ValueError(SECRET), (), "<ValueError>", id="an exception instead of text"),
        pytest.param("%.1f%%", (99.5,), "99.5%", id="numbers"),
    ],
)
def test_arguments_are_put_in_without_asking_them(
    configure: Configure, written: Written, msg: Any, args: tuple[Any, ...], shown: str
) -> None:
    configure()
    logging.getLogger("x").warning(msg, *args)
    assert written.last["body"] == shown
    assert SECRET.encode() not in written.raw


def test_the_access_log_of_uvicorn_tells_neither_path_nor_address(
    configure: Configure, written: Written, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure()
    monkeypatch.setattr(logging.getLogger("uvicorn.access"), "level", logging.INFO)  # servers change it
    arguments = ("203.0.113.9:4711", "GET", f"/users/{SECRET}?token={SECRET}", "1.1", 200)
    logging.getLogger("uvicorn.access").info('%s - "%s %s HTTP/%s" %d', *arguments)
    line = written.last
    assert (line["event.name"], line["http.request.method"]) == ("http.access", "GET")
    assert line["http.response.status_code"] == 200
    assert not [one for one in (b"203.0.113.9", SECRET.encode()) if one in written.raw]


def test_asyncio_says_what_happened_and_not_to_whom(configure: Configure, written: Written) -> None:
    configure()

    async def fails(argument: object) -> None:
        raise ValueError(SECRET, argument)

    def called_back(argument: object) -> None:
        raise ValueError(SECRET, argument)

    async def work() -> None:
        loop = asyncio.get_running_loop()
        task = asyncio.create_task(fails(Loud()))
        await asyncio.wait([task])
        del task
        loop.call_soon(called_back, Loud())
        await asyncio.sleep(0)

    asyncio.run(work())
    bodies = [line["body"] for line in written.lines if line["logger"] == "asyncio"]
    assert (
        bodies
        == [
            "Task exception was never retrieved",
            "Exception in callback test_asyncio_says_what_happened_and_not_to_whom.",
        ]
        or bodies[0] == "Task exception was never retrieved"
    )
    assert len(bodies) == 2
    assert all(line["exception.type"] == "ValueError" for line in written.lines)
    assert SECRET.encode() not in written.raw


def test_a_record_that_breaks_is_still_a_line(configure: Configure, written: Written) -> None:
    configure()
    record = logging.makeLogRecord({"name": "x", "levelno": 40, "msg": "a"})
    record.__dict__["event"], record.__dict__["fields"] = "e", {"x": Loud()}
    logging.getLogger().handle(record)
    broken = logging.makeLogRecord({"name": "x", "levelno": 40, "msg": "a", "args": Loud()})
    logging.getLogger().handle(broken)
    assert [line["event.name"] for line in written.lines] == ["e", "log.record"]
    assert SECRET.encode() not in written.raw


def test_closing_gives_everything_back(configure: Configure, written: Written, plain: io.StringIO) -> None:
    library = logging.getLogger("a_server")
    handlers = library.handlers[:]
    pipeline = configure()
    library.info("one")
    logging.getLogger("x").warning("two")
    assert plain.getvalue() == ""
    pipeline.close()
    library.info("three")
    logging.getLogger("x").warning("four")
    logging.getLogger("x").info("below the level that holds again")
    assert plain.getvalue() == "server: three\nfour\n"
    assert [line["body"] for line in written.lines] == ["one", "two"]
    assert (library.handlers, library.propagate) == (handlers, False)


def test_handlers_that_come_later_are_adopted_and_given_back(
    configure: Configure, written: Written, plain: io.StringIO
) -> None:
    pipeline = configure()
    late = logging.getLogger("late_server")
    mine = logging.StreamHandler(plain)
    late.addHandler(mine)
    late.propagate = False
    late.warning("plain")
    pipeline.adopt()
    late.warning("structured")
    assert plain.getvalue() == "plain\n"
    assert [line["body"] for line in written.lines] == ["structured"]
    pipeline.close()
    assert (late.handlers, late.propagate) == ([mine], False)
    late.handlers[:], late.propagate = [], True


def test_a_silenced_logger_stays_silent(configure: Configure, written: Written) -> None:
    silent = logging.getLogger("silent")
    silent.addHandler(logging.NullHandler())
    silent.propagate = False
    configure()
    silent.error("x")
    assert written.raw == b""
    silent.handlers[:], silent.propagate = [], True


def test_our_logger_goes_where_the_application_logged_before(
    plain: io.StringIO, configure: Configure, written: Written
) -> None:
    log = get_logger("app")
    log.warning("cache.access", hit=True)
    log.info("below the level")
    assert not log.is_enabled_for(logging.INFO)
    with configure():
        assert log.is_enabled_for(logging.INFO)
        log.warning("cache.access", hit=True)
    assert plain.getvalue() == "cache.access hit=True\n"
    assert len(written.lines) == 1


def test_structlogs_loggers_are_ours_and_come_back_as_they_were(
    configure: Configure, written: Written
) -> None:
    seen: list[Any] = []

    def keep(_: object, __: str, event: Any) -> Any:
        seen.append(dict(event))
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    try:
        pipeline = configure()
        log = structlog.get_logger("app").bind(shard=1)
        log.info("hello %s and %s", "you", Loud(), password=SECRET)
        log.warning("x")
        asyncio.run(log.aerror("y"))
        assert seen == []
        first = written.lines[0]
        assert (first["event.name"], first["shard"]) == ("hello you and <Loud>", 1)
        assert [line["severity_text"] for line in written.lines] == ["INFO", "WARN", "ERROR"]
        assert SECRET.encode() not in written.raw
        pipeline.close()
        structlog.get_logger("app").info("a", b=1)
        assert seen == [{"event": "a", "b": 1}]
        get_logger("app").info("c", d=2)
        assert seen[1:] == [{"event": "c", "d": 2}], "ours goes where structlog's does"
    finally:
        structlog.reset_defaults()


def test_where_structlog_was_not_configured_it_is_not_afterwards(configure: Configure) -> None:
    configure().close()
    assert not structlog.is_configured()


class Logs(FlagSettings):
    """Nothing but a flag."""


def test_a_flag_takes_it_out_and_puts_it_back_live(
    configure: Configure, written: Written, plain: io.StringIO, registry: Any
) -> None:
    source = MemorySource({"logs": {"enabled": False}})
    flags = Flags({"logs": Logs}, [source], registry=registry)
    pipeline = configure(flag=flags.flag("logs"))
    logger = logging.getLogger("x")
    for enabled in (False, True, False, True):
        source.set("logs", enabled=enabled)
        flags.poll()
        logger.warning("%s", enabled)
    assert plain.getvalue().splitlines() == ["False", "False"]
    assert [line["body"] for line in written.lines if line["event.name"] == "log.record"] == ["True", "True"]
    pipeline.close()
    flags.poll()
    logger.warning("closed")
    assert plain.getvalue().endswith("closed\n")


def test_configuring_again_takes_the_place_of_the_one_before(
    configure: Configure, written: Written, plain: io.StringIO
) -> None:
    from quickwins.logs import Sink

    first = configure()
    second = configure(service="other", sink=Sink.file(written.path, inline=True))
    first.close()
    get_logger().info("a")
    assert written.last["service.name"] == "other"
    second.close()
    logging.getLogger("x").warning("back")
    assert plain.getvalue() == "back\n"


def test_threads_that_log_while_it_comes_and_goes_lose_nothing(
    configure: Configure, written: Written, plain: io.StringIO
) -> None:
    stop = threading.Event()
    counts = [0] * 4

    def work(number: int) -> None:
        logger = logging.getLogger("x")
        while not stop.is_set():
            logger.warning("%d", number)
            counts[number] += 1

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for _ in range(20):
        configure().close()
    stop.set()
    for thread in threads:
        thread.join()
    assert len(plain.getvalue().splitlines()) + len(written.lines) == sum(counts)


def test_said_leaves_the_record_as_it_was() -> None:
    record = logging.makeLogRecord(
        {"name": "x", "msg": "a %s", "args": ("b",), "event": "e", "fields": {"service": 1}}
    )
    before = dict(record.__dict__)
    said(record, lambda value: value)
    message(record, lambda value: value)
    assert record.__dict__ == before
    assert record.__dict__["fields"] == {"service": 1}
