"""Core as the author of a room writes it."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_type

from prometheus_client import CollectorRegistry, Counter

from quickwins.core.dsn import clean, password_of, place
from quickwins.core.events import DOOR_QUESTION_FAILED, METRICS_FILE_UNREADABLE
from quickwins.core.feature import Feature, Features, OnePerProcess, close_together, sections_of
from quickwins.core.flags import FlagSettings
from quickwins.core.metrics import (
    BASE_LABELS,
    OTHER,
    Kind,
    Metric,
    Metrics,
    MetricsServer,
    MetricsSettings,
    Reading,
    Tallies,
    Tally,
    exposed_registry,
    metrics_app,
)

if TYPE_CHECKING:
    from quickwins.core.asgi import App
    from quickwins.core.flags import Flags, Snapshot

ASKED = Metric("mine_asked_total", Kind.COUNTER, "Questions.", ("kind",), max_values=10)
TOOK = Metric("mine_seconds", Kind.HISTOGRAM, "How long answers took.", buckets=(0.1, 1.0))
TOLD = METRICS_FILE_UNREADABLE.fields + DOOR_QUESTION_FAILED.fields


class Mine:
    """A feature."""

    section = "mine"
    model = FlagSettings

    def __init__(self) -> None:
        self.asked = 0
        self.took = Tally(TOOK)
        self.line = OnePerProcess()

    def begin(self) -> None:
        self.took.observe(0.5)

    def end(self) -> None: ...

    def apply(self, snapshot: Snapshot) -> None:
        self.line.follow(self, snapshot)

    async def close(self) -> None:
        self.line.leave(self)
        await close_together("mine", [self.close()])


async def features(flags: Flags) -> str:
    mine: Feature = Mine()
    async with Features(flags) as followed:
        assert_type(followed, Features)
        mine.apply(followed.flags.snapshot)
        return followed.settings.section("mine", sections_of(Mine)["mine"]).__class__.__name__


def metrics(settings: MetricsSettings) -> App:
    registry = CollectorRegistry()
    mine = Mine()

    def asked(mine: Mine) -> dict[tuple[str, ...], float | Tally]:
        return {(OTHER,): mine.asked}

    assert_type(Tallies(mine, [Reading(ASKED, asked)], registry=registry, service="feed").flush(), None)
    made = Metrics(registry=registry, service="feed", name=BASE_LABELS[1])
    assert_type(made.counter(ASKED, kind="one"), Counter)
    with MetricsServer(registry=registry, token=settings.token) as server:
        assert_type(server.port, int)
    return metrics_app(exposed_registry(registry))


def addresses(dsn: str | None) -> None:
    """A database's address without its password."""
    assert_type(place(dsn), str)
    assert_type(clean("no answer", dsn), str)
    assert_type(password_of(dsn), str)
