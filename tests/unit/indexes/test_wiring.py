"""The part of migrations in `QuickWins`."""

from __future__ import annotations

from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from quickwins import QuickWins
from quickwins.core.errors import ConfigError
from quickwins.indexes import Blocked, Migration, Plan, Precondition

ROOT = Path(__file__).parents[3]


def loaded(folder: Path, section: str, env: dict[str, str] | None = None) -> QuickWins:
    (folder / "quickwins.toml").write_text(f"service = 'feed'\n[indexes]\n{section}\n")
    return QuickWins.load(folder / "quickwins.toml", env=env or {}, registry=CollectorRegistry())


async def applied(qw: QuickWins) -> None:
    plan = Plan(Migration.load(ROOT / "migrations" / "091_demo_feed_indexes.sql"), rollback=False, actions=())
    async for _ in qw.index_runner("postgresql://127.0.0.1:1/x").apply(plan):
        pass


@pytest.mark.asyncio
@pytest.mark.parametrize("section", ["", "enabled = false", "enabled = true\nkilled = true"])
async def test_a_services_runner_applies_nothing_while_its_flag_is_off(tmp_path: Path, section: str) -> None:
    with pytest.raises(Blocked, match="switched off") as blocked:
        await applied(loaded(tmp_path, section))
    assert blocked.value.reason is Precondition.FLAG


def test_it_goes_where_the_environment_says(tmp_path: Path) -> None:
    qw = loaded(tmp_path, "enabled = true", {"QUICKWINS_INDEXES__DSN": "postgresql://u:hidden@db:5/feed"})
    assert repr(qw.index_runner()) == "<Runner for db:5/feed>"


@pytest.mark.parametrize(
    "section", ['window = "2-4"', "max_wait_seconds = -1", 'dsn = "postgresql://u:p@h/x"']
)
def test_what_is_not_allowed_in_the_file_is_refused_with_its_key(tmp_path: Path, section: str) -> None:
    with pytest.raises(ConfigError, match=section.split(" ", maxsplit=1)[0]):
        loaded(tmp_path, section)
