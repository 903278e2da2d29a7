"""The bridge behind its flag, through `QuickWins`."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from quickwins import QuickWins
from quickwins.suppressions import bridge
from tests.eventually import eventually

CONFIG = 'service = "feed"\n\n[flags]\naudit = false\npoll_interval_seconds = 0.05\n\n[suppressions]\nenabled = true\n'


@pytest.fixture(autouse=True)
def filters() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.resetwarnings()
        yield
        bridge.uninstall()


def written(folder: Path, text: str) -> Path:
    file = folder / "quickwins.toml"
    file.write_text(text)
    return file


@pytest.mark.asyncio
async def test_it_comes_and_goes_with_the_flag_and_with_the_object(tmp_path: Path) -> None:
    before = warnings.showwarning
    registry = CollectorRegistry()
    qw = QuickWins.load(written(tmp_path, CONFIG), env={}, registry=registry)
    assert bridge.installed() is None, "nothing happens before it is entered"
    async with qw:
        assert bridge.installed() is not None
        warnings.warn_explicit("old", DeprecationWarning, __file__, 1)
        labels = {
            "service": "feed",
            "name": "",
            "category": "DeprecationWarning",
            "origin": "first_party",
            "package": "",
        }
        assert registry.get_sample_value("python_warnings_total", labels) == 1
        written(tmp_path, CONFIG.replace("true", "false"))
        await eventually(lambda: bridge.installed() is None)
        assert warnings.showwarning is before, "off is as if it were not there"
        written(tmp_path, CONFIG)
        await eventually(bridge.installed)
    assert bridge.installed() is None
    assert warnings.showwarning is before


@pytest.mark.asyncio
async def test_by_default_it_is_off(tmp_path: Path) -> None:
    file = written(tmp_path, "[flags]\naudit = false\n")
    async with QuickWins.load(file, env={}, registry=CollectorRegistry()):
        assert bridge.installed() is None


@pytest.mark.asyncio
async def test_a_kill_uninstalls_it(tmp_path: Path) -> None:
    file = written(tmp_path, CONFIG)
    env = {"QUICKWINS_SUPPRESSIONS__KILLED": "true"}
    async with QuickWins.load(file, env=env, registry=CollectorRegistry()):
        assert bridge.installed() is None
