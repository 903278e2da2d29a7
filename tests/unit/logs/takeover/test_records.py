"""What a record of the standard library becomes."""

from __future__ import annotations

import asyncio
import logging
import numbers
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest

from quickwins.core.events import POOL_REJECTED, Reporter
from quickwins.logs import Redaction, bound
from quickwins.logs._render.values import Walk
from quickwins.logs._takeover.records import said
from quickwins.logs.redaction._scan import Scanner
from tests.unit.logs.conftest import Configure, Written
from tests.unit.logs.takeover.conftest import SECRET, Loud


class Whole(int):
    def __str__(self) -> str:
        return SECRET


class Float(float):
    def __format__(self, spec: str) -> str:
        return SECRET


class Counted:
    """A number as numpy has them: no subclass of one, but registered as one."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __int__(self) -> int:
        return self.value


numbers.Integral.register(Counted)


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
        "service.instance.id": "web-1:17",
        "tenant": "t1",
        "body": "lost one of 3",
        "logger": "feed.db",
        "shard": 7,
        "seq": 0,
    }


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


def test_an_instance_without_a_name_leaves_none_on_the_line(configure: Configure, written: Written) -> None:
    configure()
    Reporter(service="feed").report(POOL_REJECTED, reason="limit", limit=3, inflight=3, count=1)
    assert "name" not in written.last


def test_what_a_server_adds_for_terminals_is_not_on_the_line(configure: Configure, written: Written) -> None:
    configure()
    logging.getLogger("x").warning("Started %d", 1, extra={"color_message": "Started \x1b[36m%d\x1b[0m"})
    assert {"body", "logger"} <= written.last.keys()
    assert "color_message" not in written.last


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
        pytest.param("%d", (Loud(),), "<Loud>", id="an object where a number belongs"),
        pytest.param("%s %s", ("x",), "x %s", id="too few"),
        pytest.param("%s %d", ("x", "y"), "x y", id="a text where a number belongs"),
        pytest.param("%.2f s for %s", (Decimal("1.5"), "bob"), "1.50 s for bob", id="a decimal"),
        pytest.param("%.3f for %s", (Fraction(1, 3), "bob"), "0.333 for bob", id="a fraction"),
        pytest.param("%d of %5.1f", (Whole(7), Float(1.25)), "7 of   1.2", id="subclasses of numbers"),
        pytest.param("%x, %.1f", (Counted(255), Counted(2)), "ff, 2.0", id="others' numbers"),
        pytest.param(
            "%(n).1f for %(who)s", ({"n": Decimal(2), "who": "bob"},), "2.0 for bob", id="a decimal by name"
        ),
        pytest.param("%*d|%-4s|%%", (5, 7, "x"), "    7|x   |%", id="widths"),
        pytest.param("%*.*f", (7, 2, Decimal("1.5")), "   1.50", id="a width and a precision for a decimal"),
        pytest.param(
            "%d for %s", (4111111111111111, "bob"), "[redacted:card] for bob", id="a card as a number"
        ),
        pytest.param("%(password)s", ({"password": "hunter2"},), "[redacted:key]", id="a private name"),
        pytest.param("%", ("x",), "% x", id="no template"),
        pytest.param(
            "could not pay:", (ValueError(SECRET), 7), "could not pay: <ValueError> 7", id="as for print"
        ),
        pytest.param("{} of {}", (7, Loud()), "{} of {} 7 <Loud>", id="braces"),
        pytest.param("%s and", ("x", "y"), "x and y", id="too many"),
        pytest.param("password:", ("hunter2",), "password: [redacted:pair]", id="a secret behind its name"),
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


@pytest.mark.parametrize(
    ("extra", "fields"),
    [
        pytest.param({"body": {"id": 7}}, {"extra.body": {"id": 7}}, id="body"),
        pytest.param({"logger": "mine"}, {"extra.logger": "mine"}, id="logger"),
        pytest.param({"event": "push"}, {"event": "push"}, id="event"),
        pytest.param({"fields": [1]}, {"fields": [1]}, id="fields"),
        pytest.param(
            {"event": "paid", "fields": {"amount": 3}},
            {"event": "paid", "fields": {"amount": 3}},
            id="both, as our own reports have them",
        ),
        pytest.param({"seq": 9, "name_": "x"}, {"attributes": {"seq": 9}, "name_": "x"}, id="the envelope"),
    ],
)
def test_what_comes_with_extra_takes_nothing_away(
    configure: Configure, written: Written, extra: dict[str, Any], fields: dict[str, Any]
) -> None:
    configure()
    logging.getLogger("x").warning("received %d", 1, extra=extra)
    line = written.last
    assert (line["event.name"], line["body"], line["logger"]) == ("log.record", "received 1", "x")
    assert {name: line[name] for name in fields} == fields


def test_what_is_hidden_in_a_message_is_counted(
    configure: Configure, written: Written, registry: Any
) -> None:
    with configure():
        logging.getLogger("x").warning("login of %s, %s", "bob@example.com", 4111111111111111)
    assert written.last["log.redactions"] == 2
    labels = {"service": "feed", "name": "", "rule": "email"}
    assert registry.get_sample_value("log_redactions_total", labels) == 1


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
    record = logging.makeLogRecord({"name": "quickwins", "levelno": 40, "msg": "a"})
    record.__dict__["event"], record.__dict__["fields"] = "e", {"x": Loud()}
    logging.getLogger().handle(record)
    broken = logging.makeLogRecord({"name": "x", "levelno": 40, "msg": "a", "args": Loud()})
    logging.getLogger().handle(broken)
    assert [line["event.name"] for line in written.lines] == ["e", "log.record"]
    assert SECRET.encode() not in written.raw


def test_said_leaves_the_record_as_it_was() -> None:
    record = logging.makeLogRecord(
        {"name": "quickwins", "msg": "a %s", "args": ("b",), "event": "e", "fields": {"service": 1}}
    )
    before = dict(record.__dict__)
    said(record, Walk(Scanner(Redaction.strict())))
    assert record.__dict__ == before
    assert record.__dict__["fields"] == {"service": 1}
