"""`quickwins doctor APP`: real applications, and what is wrong with each."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from quickwins.cli._application import loaded
from quickwins.core.errors import ConfigError
from tests.unit.cli.conftest import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

Call = "Callable[..., Answer]"

HEAD = """
from prometheus_client import CollectorRegistry
from starlette.applications import Starlette
from quickwins import QuickWins
from quickwins.backpressure import Gate
from quickwins.backpressure.asgi import BackpressureMiddleware
from quickwins.logs.asgi import LogMiddleware

qw = QuickWins.load("quickwins.toml", registry=CollectorRegistry())
"""


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], str]]:
    """Writes an application, and says how to name it."""
    made: list[str] = []
    monkeypatch.setattr(sys, "path", list(sys.path))

    def write(text: str) -> str:
        name = f"shop_{len(made)}_{tmp_path.name}".replace("-", "_")
        (tmp_path / f"{name}.py").write_text(HEAD + text)
        made.append(name)
        return f"{name}:app"

    yield write
    for name in made:
        sys.modules.pop(name, None)


def said(answer: Answer, check: str) -> list[tuple[bool, str]]:
    return [(one["ok"], one["detail"]) for one in answer.document["findings"] if one["check"] == check]


@pytest.fixture
def doctor(
    quickwins: Callable[..., Answer], served: Callable[[str], str], config: Path
) -> Callable[[str], Answer]:
    config.write_text("[flags]\naudit = false\n[backpressure]\nenabled = true\n")
    return lambda text: quickwins("doctor", served(text), "--json")


def test_all_is_well_with_what_the_facade_makes(doctor: Callable[[str], Answer]) -> None:
    answer = doctor('app = qw.asgi(Starlette(), gate=qw.gate(name="http", size=5))')
    assert answer.code == 0
    ((ok, detail),) = said(answer, "application")
    assert ok
    assert detail.endswith(": PinMiddleware > LogMiddleware > BackpressureMiddleware > Starlette")
    assert said(answer, "middleware order") == [
        (True, "PinMiddleware > LogMiddleware > BackpressureMiddleware")
    ]


@pytest.mark.parametrize("called", ["", "()"])
def test_of_a_factory_it_looks_at_what_that_makes(
    called: str, quickwins: Callable[..., Answer], served: Callable[[str], str], config: Path
) -> None:
    config.write_text("[flags]\naudit = false\n[backpressure]\nenabled = true\n")
    target = served("def app(debug=False, **options):\n    return qw.asgi(Starlette())\n")
    answer = quickwins("doctor", f"{target}{called}", "--json")
    assert answer.code == 0
    ((ok, detail),) = said(answer, "application")
    assert ok
    assert detail.endswith(": PinMiddleware > LogMiddleware > BackpressureMiddleware > Starlette")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("app = 5", "names no application: a int cannot be called"),
        ("def app():\n    return None\n", "names no application: a NoneType cannot be called"),
        ("def app():\n    raise KeyError('DATABASE_URL')\n", "raised KeyError: 'DATABASE_URL'"),
    ],
)
def test_what_is_or_makes_no_application_is_said_to_be_none(
    text: str, why: str, doctor: Callable[[str], Answer]
) -> None:
    answer = doctor(text)
    assert answer.code == 3
    ((ok, detail),) = said(answer, "application")
    assert not ok
    assert detail.endswith(why)


@pytest.mark.parametrize(
    "text", ["async def app(*args): ...", "def app(scope, receive, send): ...", "def app(*args): ..."]
)
def test_a_function_that_is_an_application_is_not_called(text: str, doctor: Callable[[str], Answer]) -> None:
    ((ok, detail),) = said(doctor(text), "application")
    assert ok
    assert detail.endswith(": function")


def test_what_the_facade_makes_may_be_added_as_a_middleware(doctor: Callable[[str], Answer]) -> None:
    answer = doctor('app = Starlette()\napp.add_middleware(qw.asgi, gate=qw.gate(name="http", size=5))')
    assert answer.code == 0
    assert said(answer, "middleware order") == [
        (True, "PinMiddleware > LogMiddleware > BackpressureMiddleware")
    ]


def test_a_feature_that_is_on_without_its_middleware(doctor: Callable[[str], Answer]) -> None:
    answer = doctor("app = Starlette()")
    assert answer.code == 3
    assert said(answer, "middleware") == [
        (False, "backpressure is enabled, and BackpressureMiddleware is not there")
    ]


def test_middleware_that_the_application_has_added_itself(doctor: Callable[[str], Answer]) -> None:
    answer = doctor(
        "app = Starlette()\napp.add_middleware(LogMiddleware)\n"
        'app.add_middleware(BackpressureMiddleware, gate=Gate.queue(size=5, name="http", registry=CollectorRegistry()))'
    )
    assert said(answer, "middleware order") == [
        (
            False,
            "BackpressureMiddleware > LogMiddleware: what is refused outside of LogMiddleware has no line",
        )
    ]
    assert said(answer, "gates") == [
        (False, "the gate 'http' at the door has no flag: no file can turn it off")
    ]


def test_two_lines_for_each_request(doctor: Callable[[str], Answer]) -> None:
    answer = doctor("app = Starlette()\napp.add_middleware(LogMiddleware)\napp = qw.asgi(app)")
    assert (False, "LogMiddleware is there 2 times: each request has two lines") in said(answer, "middleware")


def test_pools_with_and_without_a_gate(doctor: Callable[[str], Answer]) -> None:
    text = (
        "from sqlalchemy.ext.asyncio import create_async_engine\n"
        'engine = create_async_engine("sqlite+aiosqlite:///x.db", pool_size=2)\n'
        "app = qw.asgi(Starlette())\n"
    )
    answer = doctor(text)
    assert said(answer, "pools") == [(False, "an AsyncEngine of SQLAlchemy has no gate")]
    answer = doctor(text + 'qw.pool(engine, name="feed")\n')
    assert said(answer, "pools") == [(True, "gated: an AsyncEngine of SQLAlchemy")]
    text = (
        "import asyncpg\nfrom psycopg_pool import AsyncConnectionPool\n"
        "import asyncio\nloop = asyncio.new_event_loop()\n"
        'pool = asyncpg.create_pool("postgresql://127.0.0.1/x", loop=loop)\nloop.close()\n'
        'other = AsyncConnectionPool("postgresql://127.0.0.1/x", open=False)\n'
        "app = qw.asgi(Starlette())\n"
    )
    answer = doctor(text)
    assert sorted(detail for _, detail in said(answer, "pools")) == [
        "a pool of asyncpg has no gate",
        "a pool of psycopg_pool has no gate",
    ]
    answer = doctor(text + 'qw.pool(pool, name="feed")\nqw.pool(other, name="search")\n')
    ((ok, detail),) = said(answer, "pools")
    assert ok, detail


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("shop.main", "names no application: module:attribute is expected"),
        ("no_such_shop:app", "importing no_such_shop raised ModuleNotFoundError"),
        ("json:no.such", "json has no no.such"),
    ],
)
def test_what_cannot_be_looked_at_is_said(quickwins: Callable[..., Answer], target: str, why: str) -> None:
    answer = quickwins("doctor", target, "--json")
    assert answer.code == 3
    ((ok, detail),) = said(answer, "application")
    assert not ok
    assert why in detail
    with pytest.raises(ConfigError, match=why):
        loaded(target)
