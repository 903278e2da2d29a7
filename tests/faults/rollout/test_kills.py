"""A controller's process is killed at every step of every move: the next one skips none, and repeats none."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import pytest

from quickwins.rollout import Phase, State
from tests.faults.rollout.controllers import FEATURE, TTL_SECONDS, store_at
from tests.faults.rollout.house import CONFIG, ROOT
from tests.faults.rollout.points import BACK, DOWN, UP

pytestmark = pytest.mark.no_cover


class Controllers:
    """The controllers of one ramp, one after the other."""

    def __init__(self, folder: Path, store: str) -> None:
        self._config = folder / "quickwins.toml"
        self._config.write_text(CONFIG)
        self._store = store
        # A file and no pipe: nobody reads it before the end.
        self._said = tempfile.TemporaryFile("w+")  # noqa: SIM115 -- `close` closes it; until=never
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.rollout.controllers"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._said,
            text=True,
        )

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()
        self._said.close()

    def ends(self, point: str = "", **more: object) -> int:
        """How one ends that is to die at `point`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        about = {"config": str(self._config), "store": self._store, "point": point, **more}
        self._process.stdin.write(json.dumps(about) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def said(self) -> str:
        """What they complained about."""
        self._said.seek(0)
        return self._said.read()

    def state(self) -> State | None:
        """What is kept."""

        async def read() -> State | None:
            async with store_at(self._store) as store, store.exclusive(FEATURE) as held:
                return None if held.record is None else held.record.state

        return asyncio.run(read())

    @property
    def flag(self) -> float:
        """The percentage that the file says."""
        section = tomllib.loads(self._config.read_text())[FEATURE]
        return 0.0 if section.get("killed") else float(section["percent"])

    @property
    def moves(self) -> list[float]:
        """What was written, without what was written again."""
        lines = self._config.with_suffix(".written").read_text().split()
        return [percent for percent, _ in groupby(map(float, lines))]


def passed(left_out: str, points: tuple[str, ...]) -> list[str]:
    """The points that the controllers of one ramp come by, one after the other.

    What a file was given is there at once: nobody comes by "once it is kept" any more when one has died just before.
    """
    return [point for point in points if not left_out or not point.startswith(left_out)]


@pytest.fixture(
    params=[pytest.param("postgres", marks=pytest.mark.engines("postgres")), "file, once", "file, after"]
)
def ramp(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Controllers, str]]:
    """Controllers of one ramp, and which of the points they don't all come by."""
    kind, _, left_out = request.param.partition(", ")
    path = tmp_path / "rollout.json"
    made = Controllers(
        tmp_path, str(path) if kind == "file" else request.getfixturevalue("postgres_database")
    )
    yield made, left_out
    made.close()


def killed_at_each(controllers: Controllers, points: list[str]) -> None:
    """Each point has its controller that dies there, and the next one goes on."""
    step = -1
    for point in points:
        later = TTL_SECONDS / 3 if point == "before the intent of 10 again" else 0.0
        code = controllers.ends(point, later=later)
        assert code == -signal.SIGKILL, (point, code, controllers.said())
        state = controllers.state()
        if state is not None:
            intended = state.percent if state.intent is None else state.intent.percent
            assert controllers.flag in {state.percent, intended}, point
            assert state.step in {step, step + 1}, point
            step = state.step


def test_killed_at_every_step_of_every_move_none_is_skipped_or_repeated(
    ramp: tuple[Controllers, str],
) -> None:
    controllers, left_out = ramp
    killed_at_each(controllers, passed(left_out, UP))
    assert controllers.ends() == 0, controllers.said()
    state = controllers.state()
    assert state is not None
    assert (state.phase, state.step, controllers.moves) == (Phase.DONE, 2, [0, 10, 50, 100])


def test_killed_at_every_step_of_the_way_back_it_is_off_and_stays_off(ramp: tuple[Controllers, str]) -> None:
    controllers, left_out = ramp
    assert controllers.ends("before the flag of 10") == -signal.SIGKILL, controllers.said()
    written = DOWN.index(f"after the flag of {BACK}")
    for point in passed(left_out, DOWN):
        assert controllers.ends(point, breaks=True) == -signal.SIGKILL, (point, controllers.said())
        assert controllers.flag == (0 if DOWN.index(point) >= written else 10), point
    assert controllers.ends(breaks=True) == 0, controllers.said()
    state = controllers.state()
    assert state is not None
    assert (state.phase, controllers.flag, controllers.moves) == (Phase.ROLLED_BACK, 0, [0, 10, 0])
