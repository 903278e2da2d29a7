"""What a person sees of an object: its name and its state, and nothing that is secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from pydantic import SecretStr

from quickwins.core.audit import AuditLog
from quickwins.core.clock import FakeClock, SystemClock
from quickwins.core.config import Section
from quickwins.core.events import Reporter
from quickwins.core.flags import EnvironmentSource, FileSource, Flags, FlagSettings, MemorySource, pinned
from quickwins.core.flags.asgi import PinMiddleware
from quickwins.core.flags.grpc import PinInterceptor
from quickwins.core.flags.writer import FlagWriter
from quickwins.core.metrics import Kind, Metric, Metrics, Tallies, Tally, metrics_app


class SecretSettings(Section):
    token: SecretStr | None = None


SECTIONS: dict[str, type[Section]] = {"one": FlagSettings, "two": FlagSettings, "secret": SecretSettings}
VALUES = {"one": {"enabled": True, "percent": 50}}
ENV = {"QUICKWINS_SECRET__TOKEN": "s3cret", "QUICKWINS_ONE__PERCENT": "5"}


def flags() -> Flags:
    return Flags(SECTIONS, [MemorySource(VALUES)], registry=CollectorRegistry(), clock=FakeClock())


def tally() -> Tally:
    made = Tally(Metric("waits_seconds", Kind.HISTOGRAM, "Waits.", buckets=(1.0, 5.0)))
    made.observe(0.5)
    made.observe(5.0)
    return made


@pytest.mark.parametrize(
    ("thing", "shown"),
    [
        pytest.param(
            flags(), "<Flags version 1, not polled: one 50% (percent), two 0% (disabled)>", id="all flags"
        ),
        pytest.param(flags().flag("one"), "<Flag one 50% (percent)>", id="a flag"),
        pytest.param(pinned("user-7"), "<pinned with a key>", id="a pin tells nobody's key"),
        pytest.param(pinned(), "<pinned without a key>", id="a pin without a key"),
        pytest.param(FileSource(Path("a.toml")), "FileSource('a.toml')", id="a file"),
        pytest.param(MemorySource(VALUES), "<MemorySource of one>", id="values"),
        pytest.param(MemorySource(), "<MemorySource of nothing>", id="no values"),
        pytest.param(EnvironmentSource(ENV, SECTIONS), "<EnvironmentSource of one, secret>", id="an environment"),
        pytest.param(FlagWriter(Path("a.toml"), SECTIONS), "<FlagWriter to a.toml>", id="writes to a file"),
        pytest.param(
            FlagWriter(Path("a.toml"), SECTIONS, command=["put", "{feature}", "--token=s3cret"]),
            "<FlagWriter to put>",
            id="writes through a command",
        ),
        pytest.param(AuditLog(Path("a.jsonl"), max_bytes=9), "AuditLog('a.jsonl', max_bytes=9)", id="an audit file"),
        pytest.param(Metrics(service="feed", name="main"), "<Metrics service='feed' name='main'>", id="metrics"),
        pytest.param(tally(), "<Tally of 2, total 5.5>", id="a tally"),
        pytest.param(
            Tallies(object(), [], registry=CollectorRegistry()), "<Tallies of nothing>", id="no tallies"
        ),
        pytest.param(Reporter(service="feed", name="main"), "<Reporter service='feed' name='main'>", id="a reporter"),
        pytest.param(SystemClock(), "SystemClock()", id="a clock"),
        pytest.param(PinInterceptor(flags()), "<PinInterceptor pinning>", id="keys for calls"),
        pytest.param(PinInterceptor(Flags({}, [])), "<PinInterceptor idle>", id="no keys for calls"),
        pytest.param(
            PinMiddleware(metrics_app(), flags()), "<PinMiddleware pinning around function>", id="keys for requests"
        ),
        pytest.param(FakeClock(), "FakeClock(now=1000.0, wall_now=1700000000.0)", id="a fake clock"),
    ],
)  # fmt: skip
def test_an_object_is_shown_by_its_name_and_its_state(thing: object, shown: str) -> None:
    assert repr(thing) == shown


def test_a_layer_shows_none_of_its_values() -> None:
    assert "s3cret" not in repr(EnvironmentSource(ENV, SECTIONS).layer())


def test_an_entered_pin_says_so() -> None:
    with pinned("user-7") as pin:
        assert repr(pin) == "<pinned with a key, entered>"


@pytest.mark.asyncio
async def test_flags_say_whether_they_are_polled() -> None:
    async with flags() as live:
        assert repr(live).startswith("<Flags version 1, polled: ")
    assert repr(live).startswith("<Flags version 1, not polled: ")
