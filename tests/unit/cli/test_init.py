"""`quickwins init`."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import pytest

from quickwins.cli.init import starter
from quickwins.core.config import load_file, resolve
from quickwins.core.flags import FlagSettings
from quickwins.core.flags.truncation import is_marked
from quickwins.facade import SECTIONS
from tests.unit.cli.conftest import CONFIG, Answer

Call = Callable[..., Answer]
FEATURES = {name for name, model in SECTIONS.items() if issubclass(model, FlagSettings)}


def test_it_writes_a_file_that_loads_and_has_every_feature_off(quickwins: Call, folder: Path) -> None:
    answer = quickwins("init")

    text = (folder / "quickwins.toml").read_text()
    settings = resolve([load_file(text, "quickwins.toml")], SECTIONS)
    assert answer.code == 0
    assert answer.out == ""
    assert settings.service == folder.name
    assert {f"{feature}.enabled" for feature in FEATURES} <= settings.origins.keys()
    assert not any(settings.section(feature, FlagSettings).enabled for feature in FEATURES)
    assert 'gate = "queue"' in text
    assert is_marked(text)
    assert quickwins("doctor").code == 0


def test_without_docstrings_it_writes_a_file_that_loads() -> None:
    program = "from quickwins.cli.init import starter; print(starter('feed', set()))"
    text = subprocess.run([sys.executable, "-OO", "-c", program], capture_output=True, text=True, check=True)
    assert resolve([load_file(text.stdout, "quickwins.toml")], SECTIONS).service == "feed"


def test_every_setting_that_it_comments_out_is_its_default() -> None:
    text = starter("feed", set())
    recommended = text.replace('gate = "queue"', "")
    uncommented, count = re.subn(r"^#(\w+ = )", r"\1", recommended, flags=re.MULTILINE)

    assert count > 20
    settings = resolve([load_file(uncommented, "quickwins.toml")], SECTIONS)
    assert settings.sections == {name: model() for name, model in SECTIONS.items()}


def test_a_feature_whose_extra_is_missing_is_named_with_what_to_install(
    quickwins: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def installed(name: str) -> str:
        if name == "orjson":
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr("quickwins.cli.doctor.version", installed)

    assert quickwins("init").code == 0

    text = (folder / "quickwins.toml").read_text()
    settings = resolve([load_file(text, "quickwins.toml")], SECTIONS)
    assert "logs.enabled" not in settings.origins
    assert "backpressure.enabled" in settings.origins
    assert "pip install 'quickwins[logs]'" in text


def test_a_file_that_is_there_is_left_alone_unless_it_shall_be_replaced(
    quickwins: Call, folder: Path
) -> None:
    path = folder / "quickwins.toml"
    path.write_text("mine")

    refused = quickwins("init")

    assert refused.code == 2
    assert refused.err == (
        "quickwins: quickwins.toml is there already: --force replaces it, --stdout prints instead\n"
    )
    assert path.read_text() == "mine"
    assert quickwins("init", "--force").code == 0
    assert is_marked(path.read_text())


def test_a_file_is_replaced_in_one_step_and_stays_as_readable_as_it_was(
    quickwins: Call, config: Path
) -> None:
    config.chmod(0o640)
    with config.open() as before:
        assert quickwins("init", "--force").code == 0
        assert before.read() == CONFIG, "whoever reads it has the old text or the new one"
    assert is_marked(config.read_text())
    assert config.stat().st_mode & 0o777 == 0o640


def test_what_running_processes_would_refuse_is_not_written(
    quickwins: Call, config: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quickwins.cli.init.COMPLETE", "# the end")

    answer = quickwins("init", "--force")

    assert answer.code == 2
    assert answer.err == (
        "quickwins: quickwins.toml: the last line '# quickwins: complete' is gone; running processes would refuse it, so "
        "nothing was written\n"
    )
    assert config.read_text() == CONFIG


def test_a_folder_whose_name_is_no_text_makes_a_file_that_loads(
    quickwins: Call, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nameless = folder / "caf\udce9"
    nameless.mkdir()
    monkeypatch.chdir(nameless)

    assert quickwins("init").code == 0

    text = (nameless / "quickwins.toml").read_text(encoding="utf-8")
    assert resolve([load_file(text, "quickwins.toml")], SECTIONS).service == "caf?"


def test_it_prints_when_asked_to_and_writes_nothing(quickwins: Call, folder: Path) -> None:
    answer = quickwins("init", "--stdout")

    assert answer.code == 0
    assert answer.out == starter(folder.name, set())
    assert not [*folder.iterdir()]


def test_it_writes_where_it_is_told_to_or_says_why_it_cannot(quickwins: Call, folder: Path) -> None:
    assert quickwins("init", "--config", "live.toml").code == 0
    assert is_marked((folder / "live.toml").read_text())

    nowhere = quickwins("init", "--config", "nowhere/live.toml")

    assert nowhere.code == 2
    assert nowhere.err == "quickwins: nowhere/live.toml: No such file or directory\n"


@pytest.mark.parametrize("name", ['it"s', "naïve shop", "back\\slash"])
def test_a_folder_of_any_name_makes_a_file_that_loads(name: str) -> None:
    assert resolve([load_file(starter(name, set()), "quickwins.toml")], SECTIONS).service == name
