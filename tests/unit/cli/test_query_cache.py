"""`quickwins query-cache lint`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.cli.conftest import Answer

APP = """
import strawberry
from quickwins.query_cache import CacheControl, Policy, QueryCache

cache = QueryCache(policies={"OWN": Policy(ttl_seconds=1)})

@strawberry.type
class Query:
    menu: int = strawberry.field(default=0, directives=[CacheControl(policy="OWN")])
    me: int = strawberry.field(default=0, directives=[CacheControl(policy="OWN")])

@strawberry.type
class Clean:
    menu: int = strawberry.field(default=0, directives=[CacheControl(policy="PUBLIC")])

schema = strawberry.Schema(Query)
clean = strawberry.Schema(Clean)
"""


@pytest.fixture
def module(folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(sys, "path", [*sys.path])
    (folder / "linted_app.py").write_text(APP)
    monkeypatch.delitem(sys.modules, "linted_app", raising=False)
    return "linted_app"


def test_lint_fails_on_a_finding(quickwins: Callable[..., Answer], module: str) -> None:
    answer = quickwins("query-cache", "lint", f"{module}:schema", "--cache", f"{module}:cache")
    assert answer.code == 3
    assert answer.out.startswith("Query.me: PUBLIC, and by its name")
    assert "1 finding" in answer.err


def test_lint_is_content_with_a_clean_schema(quickwins: Callable[..., Answer], module: str) -> None:
    answer = quickwins("query-cache", "lint", f"{module}.clean")
    assert (answer.code, answer.out) == (0, "")


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("schema", "module:name"),
        ("nowhere_at_all:schema", "there is no module 'nowhere_at_all'"),
        ("linted_app:nothing", "linted_app has no 'nothing'"),
        ("linted_app:cache", "is no Strawberry schema"),
        ("linted_app:schema", "there is no policy 'OWN'"),
    ],
)
def test_lint_says_what_is_wrong_with_its_arguments(
    quickwins: Callable[..., Answer], module: str, place: str, says: str
) -> None:
    answer = quickwins("query-cache", "lint", place)
    assert answer.code == 2
    assert says in answer.err
    assert module


def test_json_is_one_document_of_findings(quickwins: Callable[..., Answer], module: str) -> None:
    answer = quickwins("query-cache", "lint", f"{module}:schema", "--cache", f"{module}:cache", "--json")

    assert answer.code == 3
    assert [one["coordinate"] for one in answer.document] == ["Query.me"]
