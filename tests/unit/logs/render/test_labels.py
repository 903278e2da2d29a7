"""Names that are values, keys that are no plain text, numbers that are cards: none of them shows what it names."""

from __future__ import annotations

import datetime as dt
from enum import Enum, StrEnum
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

from quickwins.logs._render.values import Walk
from quickwins.logs.redaction import Redaction
from quickwins.logs.redaction._scan import Scanner

CARD = 4242424242424242


class Login(NamedTuple):
    user: str
    password: str


class Key(StrEnum):
    PASSWORD = "password"


class Other(Enum):
    PASSWORD = 1


class Quoted(str):
    __slots__ = ()


class NaT(dt.datetime):
    """As pandas has one: a datetime that is none."""


def shown(value: object) -> object:
    return Walk(Scanner(Redaction.strict())).value(value)


@pytest.mark.parametrize(
    "value",
    [
        {"name": "DB_PASSWORD", "value": "hunter2"},
        {"Name": "DB_PASSWORD", "Value": "hunter2"},
        {"ParameterKey": "DbPassword", "ParameterValue": "hunter2"},
        {"key": "api.token", "value": {"stringValue": "hunter2"}},
        {"header": "Authorization", "value": "hunter2"},
        {"loc": ("body", "password"), "input": "hunter2", "msg": "too short"},
        ["--password", "hunter2"],
        ["login", "--token", "hunter2", "-v"],
        ("authorization", "hunter2"),
        [("authorization", "hunter2")],
        [(b"authorization", "hunter2")],
        [(Key.PASSWORD, "hunter2")],
        {Key.PASSWORD: "hunter2"},
        {Other.PASSWORD: "hunter2"},
        {Quoted("password"): "hunter2"},
        {b"password": "hunter2"},
        Login("bob", "hunter2"),
        urlsplit("postgres://bob:hunter2@db/feed?token=hunter2#a=hunter2"),
    ],
    ids=str,
)
def test_the_named_value_is_hidden(value: object) -> None:
    assert "hunter2" not in repr(shown(value))


def test_what_is_beside_stays() -> None:
    assert shown(Login("bob", "hunter2")) == {"user": "bob", "password": "[redacted:key]"}
    assert shown({"loc": ("body", "age"), "input": "seven"}) == {"loc": ["body", "age"], "input": "seven"}
    assert shown({"name": "region", "value": "eu"}) == {"name": "region", "value": "eu"}
    assert shown(["token", "user_id", "created_at"]) == ["token", "user_id", "created_at"]
    assert shown(("token", "email")) == ["token", "email"]
    assert shown({"tokens": 512, "has_password": True}) == {"tokens": 512, "has_password": True}


@pytest.mark.parametrize("value", [CARD, -CARD, float(CARD)])
def test_a_number_may_be_a_card_whatever_its_type(value: float) -> None:
    assert shown(value) == "[redacted:card]"
    assert shown([value]) == ["[redacted:card]"]
    assert shown({"n": value}) == {"n": "[redacted:card]"}


@pytest.mark.parametrize("value", [CARD + 0.5, 1e300, -1.5, float(CARD + 1), 4e15])
def test_other_numbers_stay(value: float) -> None:
    assert shown(value) == value


def test_no_time_is_invented_for_what_is_none() -> None:
    assert shown(NaT(1, 1, 1)) == "<NaT>"
    assert shown(dt.datetime(2026, 11, 29, tzinfo=dt.UTC)) == "2026-11-29T00:00:00+00:00"


def test_a_line_with_more_text_than_it_can_hold_is_not_all_looked_at() -> None:
    texts = [f"{number} somebody@example.com {'x ' * 2_000}" for number in range(90)]
    walk = Walk(Scanner(Redaction.strict()))
    kept = walk.value(texts)
    assert isinstance(kept, list)
    assert len(walk.hits) < 30
    assert kept[-1] == f"<{len(texts[-1])} characters>"
    assert "somebody" not in repr(kept)
