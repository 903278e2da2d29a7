"""Ids that producers give: a header's, a field's."""

from __future__ import annotations

from typing import Any

import pytest

from quickwins.core.errors import ConfigError
from quickwins.dedup.errors import EventRefused, RefusedBecause
from quickwins.dedup.event import Op
from quickwins.dedup.identity import HeaderId, KeyId
from tests.unit.dedup.records import Record


def _fails(_: object) -> bytes:
    raise LookupError("no such field: hunter2")


class TestHeader:
    def test_is_the_id(self) -> None:
        event = HeaderId("id").read(Record(value=b"x", headers=(("other", b"1"), ("id", b"e-7"))))
        assert (event.identity, event.op, event.after) == (b"e-7", Op.MESSAGE, b"x")

    def test_the_last_of_several_counts(self) -> None:
        assert HeaderId("id").read(Record(value=b"x", headers=(("id", b"1"), ("id", b"2")))).identity == b"2"

    @pytest.mark.parametrize(
        ("headers", "reason"),
        [
            pytest.param((), RefusedBecause.NO_ID, id="none"),
            pytest.param(None, RefusedBecause.NO_ID, id="no headers"),
            pytest.param((("ID", b"1"),), RefusedBecause.NO_ID, id="another name"),
            pytest.param((("id", None),), RefusedBecause.NO_ID, id="null"),
            pytest.param((("id", b""),), RefusedBecause.NO_ID, id="empty"),
            pytest.param((("id", b"x" * 1_025),), RefusedBecause.OVERSIZED_ID, id="oversized"),
        ],
    )
    def test_what_is_no_id_is_refused(self, headers: Any, reason: RefusedBecause) -> None:
        with pytest.raises(EventRefused) as raised:
            HeaderId("id").read(Record(value=b"x", headers=headers))
        assert raised.value.reason is reason

    def test_needs_a_name(self) -> None:
        with pytest.raises(ConfigError, match="takes a name of 1 to"):
            HeaderId("")


class TestFunction:
    def test_gives_the_id(self) -> None:
        event = KeyId(lambda record: record.key.decode()).read(Record(key="é".encode(), value=None))
        assert (event.identity, event.op) == ("é".encode(), Op.TOMBSTONE)

    @pytest.mark.parametrize("function", [_fails, lambda _: 7, lambda _: None, lambda _: ""])
    def test_what_is_no_id_is_refused_and_not_repeated(self, function: Any) -> None:
        with pytest.raises(EventRefused) as raised:
            KeyId(function).read(Record(value=b"x"))
        assert raised.value.reason is RefusedBecause.NO_ID
        assert "hunter2" not in str(raised.value)

    def test_an_empty_record_is_refused(self) -> None:
        with pytest.raises(EventRefused) as raised:
            KeyId(lambda _: "1").read(Record(key=None, value=None))
        assert raised.value.reason is RefusedBecause.EMPTY

    def test_must_be_a_function(self) -> None:
        with pytest.raises(ConfigError, match="function of the record"):
            KeyId("id")  # type: ignore[arg-type]  # -- what is tried; until=never
