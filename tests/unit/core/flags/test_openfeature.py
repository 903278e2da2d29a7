"""Flags of a service, through the client of OpenFeature's own SDK."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from openfeature import api
from openfeature.evaluation_context import EvaluationContext
from openfeature.provider.in_memory_provider import InMemoryFlag, InMemoryProvider
from prometheus_client import CollectorRegistry

from quickwins.core.flags import Flags, FlagSettings, MemorySource, OpenFeatureSource, SourceError, Why
from tests.eventually import wait_until


class Feature(FlagSettings):
    """A feature."""


SECTIONS = {"feed": Feature, "logs": Feature}
FILE = {"feed": {"enabled": True, "percent": 5}, "logs": {"enabled": True}}


@pytest.fixture
def domain() -> Iterator[str]:
    yield "quickwins-test"
    api.clear_providers()


def flag(value: Any) -> InMemoryFlag[Any]:
    return InMemoryFlag("it", {"it": value})


def source(domain: str, **flags: Any) -> OpenFeatureSource:
    provider = InMemoryProvider({f"quickwins.{name}": flag(value) for name, value in flags.items()})
    api.set_provider(provider, domain)
    client = api.get_client(domain)
    wait_until(lambda: str(client.get_provider_status().value) == "READY")
    return OpenFeatureSource(client, SECTIONS)


def flags_of(*sources: Any) -> Flags:
    return Flags(SECTIONS, sources, registry=CollectorRegistry())


def test_an_object_has_a_sections_fields_and_beats_the_file(domain: str) -> None:
    flags = flags_of(source(domain, feed={"percent": 40, "salt": "x"}), MemorySource(FILE))
    assert flags.snapshot.flags["feed"].percent == 40
    assert flags.snapshot.origin("feed") == "openfeature"
    assert flags.snapshot.flags["logs"].on


def test_a_boolean_is_whether_it_is_enabled(domain: str) -> None:
    flags = flags_of(source(domain, feed=False, logs=True), MemorySource(FILE))
    assert flags.snapshot.flags["feed"].why is Why.DISABLED
    assert flags.snapshot.flags["logs"].on


def test_a_change_is_seen_at_the_next_poll(domain: str) -> None:
    flags = flags_of(source(domain, feed={"percent": 40}), MemorySource(FILE))
    assert not flags.poll()
    api.set_provider(InMemoryProvider({"quickwins.feed": flag({"killed": True})}), domain)
    wait_until(flags.poll)
    assert flags.snapshot.flags["feed"].why is Why.KILLED


@pytest.mark.parametrize("value", ["on", 3])
def test_what_is_neither_keeps_the_last_good_snapshot(value: Any, domain: str) -> None:
    with pytest.raises(SourceError, match=r"quickwins\.feed"):
        flags_of(source(domain, feed=value), MemorySource(FILE))


class Starting(InMemoryProvider):
    """A provider that takes its time."""

    def __init__(self, ready: threading.Event) -> None:
        super().__init__({"quickwins.feed": flag({"percent": 40})})
        self._ready = ready

    def initialize(self, evaluation_context: EvaluationContext) -> None:
        self._ready.wait(10)


def test_a_client_whose_provider_is_not_ready_is_no_empty_source(domain: str) -> None:
    ready = threading.Event()
    setting = threading.Thread(target=api.set_provider, args=(Starting(ready), domain))
    setting.start()
    try:
        client = api.get_client(domain)
        wait_until(lambda: str(client.get_provider_status().value) == "NOT_READY")
        with pytest.raises(SourceError, match="PROVIDER_NOT_READY"):
            OpenFeatureSource(client, SECTIONS).read()
    finally:
        ready.set()
        setting.join()
    wait_until(lambda: str(client.get_provider_status().value) == "READY")
    made = OpenFeatureSource(client, SECTIONS)
    made.read()
    assert made.layer().values == {"feed": {"percent": 40}}


class Answer:
    def __init__(self, value: Any, *, reason: str = "STATIC", error_code: str | None = None) -> None:
        self.value = value
        self.reason = reason
        self.error_code = error_code


class Client:
    """Answers as flagd's provider does, where the SDK's own one does not."""

    def __init__(self, **answers: Answer) -> None:
        self.answers = answers

    def get_object_details(self, flag_key: str, default_value: Any, /) -> Answer:
        return self.answers[flag_key.removeprefix("quickwins.")]

    def get_boolean_details(self, flag_key: str, default_value: bool, /) -> Answer:
        return self.get_object_details(flag_key, default_value)


def test_what_is_disabled_there_says_nothing() -> None:
    client = Client(feed=Answer({"percent": 90}, reason="DISABLED"), logs=Answer(True))
    flags = flags_of(OpenFeatureSource(client, SECTIONS), MemorySource(FILE))
    assert flags.snapshot.flags["feed"].percent == 5


def test_a_kill_counts_while_another_flag_can_not_be_read() -> None:
    client = Client(feed=Answer({"percent": 40}), logs=Answer(True))
    flags = flags_of(OpenFeatureSource(client, SECTIONS), MemorySource(FILE))
    client.answers = {"feed": Answer({"killed": True}), "logs": Answer({}, error_code="GENERAL")}
    assert flags.poll()
    assert flags.snapshot.flags["feed"].why is Why.KILLED
    assert flags.snapshot.flags["logs"].on


def test_a_client_that_raises_keeps_the_last_good_snapshot() -> None:
    client = Client(feed=Answer({"percent": 40}), logs=Answer(True))
    flags = flags_of(OpenFeatureSource(client, SECTIONS), MemorySource(FILE))
    client.answers = {}
    assert not flags.poll()
    assert flags.snapshot.flags["feed"].percent == 40
