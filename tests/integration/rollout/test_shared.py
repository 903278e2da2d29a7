"""Commands on several machines about one ramp, which is kept in PostgreSQL."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

from quickwins.cli.app import run
from quickwins.core.dsn import password_of

pytestmark = pytest.mark.engines("postgres")

CONFIG = """\
service = "feed"
[backpressure]
enabled = true
percent = 0
{more}
# quickwins: complete
"""
PLAN = """\
[backpressure]
steps = [{ percent = 10 }]
targets = ["http://127.0.0.1:9/metrics"]
"""


class Machine:
    """A folder with a configuration, and the commands in it."""

    def __init__(self, folder: Path, capsys: pytest.CaptureFixture[str], more: str = "") -> None:
        folder.mkdir()
        self.config = folder / "quickwins.toml"
        self.config.write_text(CONFIG.format(more=more))
        (folder / "rollout.toml").write_text(PLAN)
        self._capsys = capsys

    def says(self, what: str) -> tuple[int, str]:
        """What `quickwins rollout WHAT` ends with, and what it shows."""
        self._capsys.readouterr()
        code = run(["rollout", what, "backpressure", "--config", str(self.config), "--json"])
        return code, self._capsys.readouterr().out


@pytest.mark.parametrize("by", ["file", "environment"])
def test_one_machine_begins_and_another_one_aborts(
    by: str,
    postgres_database: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    more = ""
    if by == "file":
        # A file may not have one; a server that trusts everybody has none.
        password = password_of(postgres_database)
        monkeypatch.setenv("PGPASSWORD", password)
        more = f'[rollout]\nstore = "{postgres_database.replace(f":{password}@", "@")}"'
    else:
        monkeypatch.setenv("QUICKWINS_ROLLOUT__STORE", postgres_database)
    here, there = (Machine(tmp_path / name, capsys, more) for name in ("here", "there"))
    assert here.says("start")[0] == 0
    assert there.says("start") == (4, "")
    code, shown = there.says("status")
    assert (code, json.loads(shown)["phase"]) == (0, "observing")
    assert there.says("abort")[0] == 0
    assert tomllib.loads(there.config.read_text())["backpressure"]["killed"] is True
    assert json.loads(here.says("status")[1])["phase"] == "rolling_back"
    assert not list(tmp_path.glob("*/*.rollout.json"))
