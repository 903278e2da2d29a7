"""Handlers and levels, taken over and given back, live."""

from __future__ import annotations

import io
import logging
import threading
from typing import Any

from quickwins.core.flags import Flags, FlagSettings, MemorySource
from quickwins.logs import get_logger
from tests.unit.logs.conftest import Configure, Written


def test_the_level_holds_for_them_too(configure: Configure, written: Written) -> None:
    pipeline = configure(level="warning")
    logger = logging.getLogger("feed.db")
    logger.info("a")
    logger.warning("b")
    pipeline.reconfigure(level="debug")
    logger.debug("c")
    assert [line["body"] for line in written.lines] == ["b", "c"]


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


def test_a_handler_that_comes_later_is_silent_at_once_and_works_again_afterwards(
    configure: Configure, written: Written, plain: io.StringIO
) -> None:
    pipeline = configure()
    late = logging.getLogger("late_server")
    mine = logging.StreamHandler(plain)
    late.addHandler(mine)
    late.propagate = False
    late.warning("structured")
    pipeline.close()
    late.warning("plain")
    assert plain.getvalue() == "plain\n"
    assert [line["body"] for line in written.lines] == ["structured"]
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
