from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from quickwins.core.clock import FakeClock
from quickwins.logs import Pipeline, Sink, configure_logging

Configure = Callable[..., Pipeline]


class Written:
    """What a pipeline has written into a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def raw(self) -> bytes:
        return self.path.read_bytes() if self.path.exists() else b""

    @property
    def lines(self) -> list[dict[str, Any]]:
        text = self.raw
        assert text == b"" or text.endswith(b"\n")
        return [json.loads(line) for line in text.splitlines()]

    @property
    def last(self) -> dict[str, Any]:
        return self.lines[-1]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    return Written(tmp_path / "log.jsonl")


@pytest.fixture
def registry() -> CollectorRegistry:
    return CollectorRegistry()


@pytest.fixture
def configure(written: Written, registry: CollectorRegistry) -> Iterator[Configure]:
    """`configure_logging` into `written`, at a fixed time; closed at the end, and handlers that a test left are gone."""
    made: list[Pipeline] = []
    before = logging.root.handlers[:]

    def configured(**options: Any) -> Pipeline:
        root = (
            logging.getLogger()
        )  # pytest's handlers would have each line too, and fail where a record is broken
        root.handlers[:] = [one for one in root.handlers if type(one).__module__ != "_pytest.logging"]
        options = {
            "service": "feed",
            "instance": "web-1:17",
            "sink": Sink.file(written.path, inline=True),
            "registry": registry,
            "clock": FakeClock(wall_now=1_700_000_000.123456),
            **options,
        }
        made.append(configure_logging(**options))
        return made[-1]

    yield configured
    for pipeline in made:
        pipeline.close()
    logging.root.handlers[:] = before
