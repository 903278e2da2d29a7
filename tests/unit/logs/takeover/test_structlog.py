"""structlog's loggers, taken over and given back."""

from __future__ import annotations

import asyncio
from typing import Any

import structlog

from quickwins.logs import get_logger
from tests.unit.logs.conftest import Configure, Written
from tests.unit.logs.takeover.conftest import SECRET, Loud


def test_structlogs_loggers_are_ours_and_come_back_as_they_were(
    configure: Configure, written: Written
) -> None:
    seen: list[Any] = []

    def keep(_: object, __: str, event: Any) -> Any:
        seen.append(event["event"])
        return event

    def drop(*_: object) -> Any:
        raise structlog.DropEvent

    structlog.configure(processors=[keep, structlog.processors.JSONRenderer()])
    try:
        pipeline = configure()
        log = structlog.get_logger("app").bind(shard=1)
        log.info("hello %s and %s", "you", Loud(), password=SECRET)
        log.warning("x")
        asyncio.run(log.aerror("y"))
        first = written.lines[0]
        assert (first["event.name"], first["shard"]) == ("hello you and <Loud>", 1)
        assert [line["severity_text"] for line in written.lines] == ["INFO", "WARN", "ERROR"]
        assert SECRET.encode() not in written.raw
        assert seen[1:] == ["x", "y"], "processors go on working"
        pipeline.close()
        structlog.configure(processors=[keep, drop])
        structlog.get_logger("app").info("a", b=1)
        get_logger("app").info("c", d=2)
        assert seen[3:] == ["a", "c"], "ours goes where structlog's does"
        assert len(written.lines) == 3
    finally:
        structlog.reset_defaults()


def test_where_structlog_was_not_configured_it_is_not_afterwards(configure: Configure) -> None:
    configure().close()
    assert not structlog.is_configured()
