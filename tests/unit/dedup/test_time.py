"""When an event happened, by its source: the same however often it is sent, or a refusal."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from quickwins.core.errors import ConfigError
from quickwins.dedup import DebeziumPostgres, EventRefused, HeaderId, KeyId, RefusedBecause
from tests.unit.dedup.records import Record, real_records, record

if TYPE_CHECKING:
    from collections.abc import Callable

IDENTITY = DebeziumPostgres(incarnation="pg1")


def test_is_the_sources_own_time_and_not_that_of_the_envelope() -> None:
    event = IDENTITY.read(record(ts_ms=1_795_425_618_182))
    assert IDENTITY.happened_at(event) == 1_795_425_618.182


def test_is_the_same_for_real_events_that_were_sent_again() -> None:
    times: dict[object, set[float]] = {}
    for one in real_records():
        if one.value is not None and (event := IDENTITY.read(one)).identity is not None:
            times.setdefault((one.topic, repr(event.identity), event.op), set()).add(
                IDENTITY.happened_at(event)
            )
    assert len(times) > 500
    assert all(len(found) == 1 for found in times.values())


def test_without_one_an_event_is_refused() -> None:
    with pytest.raises(EventRefused) as refused:
        IDENTITY.happened_at(IDENTITY.read(record()))
    assert refused.value.reason is RefusedBecause.NO_TIME


def _fails(_: object) -> float:
    raise LookupError("no such header: hunter2")


@pytest.mark.parametrize(
    "time",
    [
        pytest.param(_fails, id="it raises"),
        pytest.param(lambda _: "yesterday", id="no number"),
        pytest.param(lambda _: 1_795_425_618_182, id="milliseconds"),
        pytest.param(lambda _: -1.0, id="before 1970"),
        pytest.param(None, id="none was given"),
    ],
)
def test_a_function_that_gives_no_time_refuses_the_record(time: Callable[[Any], Any] | None) -> None:
    identity = HeaderId("id", time=time)
    event = identity.read(Record(value=b"x", headers=(("id", b"1"),)))
    with pytest.raises(EventRefused) as refused:
        identity.happened_at(event)
    assert refused.value.reason is RefusedBecause.NO_TIME
    assert "hunter2" not in str(refused.value)


def test_a_function_of_the_record_gives_it() -> None:
    identity = KeyId(lambda one: one.key, time=lambda one: float(one.value))
    assert identity.dated
    assert identity.happened_at(identity.read(Record(value=b"1000.5"))) == 1_000.5


def test_what_is_no_function_is_refused() -> None:
    with pytest.raises(ConfigError, match="time takes a function"):
        HeaderId("id", time=1.0)  # type: ignore[arg-type]  # -- a mistake; until=never
