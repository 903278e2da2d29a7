"""loguru, which has outputs of its own: through a handler its records are lines, and its own recipe goes on working."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from loguru import logger

from quickwins.logs import get_logger
from tests.unit.logs.conftest import Configure, Written
from tests.unit.logs.takeover.conftest import SECRET


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    logger.remove()
    yield
    logger.remove()


def test_through_a_handler_its_records_are_lines_without_a_traceback_in_the_text(
    configure: Configure, written: Written
) -> None:
    logger.add(logging.StreamHandler(), format=lambda _: "{message}")
    configure()
    logger.bind(tenant="t1", password=SECRET).warning("password={}", SECRET)
    try:
        int(SECRET)  # says what it was given
    except ValueError:
        logger.exception("failed")
    said, failed = written.lines
    assert (said["body"], said["extra"]["tenant"]) == ("password=[redacted:pair]", "t1")
    assert (failed["body"], failed["exception.type"]) == ("failed", "ValueError")
    assert SECRET.encode() not in written.raw


def test_its_recipe_for_the_standard_library_gets_everything_and_ends(
    configure: Configure, written: Written
) -> None:
    texts: list[str] = []

    class Intercept(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            logger.opt(exception=record.exc_info).log(record.levelname, record.getMessage())

    class Propagate(logging.Handler):  # the other recipe, at the same time
        def emit(self, record: logging.LogRecord) -> None:
            logging.getLogger(record.name).handle(record)

    def sink(message: Any) -> None:
        texts.append(str(message).rstrip())

    logger.add(sink, format="{message}")
    logger.add(Propagate(), format="{message}", catch=True)
    logging.getLogger().handlers[:] = [Intercept()]
    configure()
    logging.getLogger("app").warning("theirs")
    get_logger().warning("ours")
    assert {"theirs", "ours"} <= set(texts)
    assert "theirs" in [line.get("body") for line in written.lines]
    assert "ours" in [line["event.name"] for line in written.lines]
