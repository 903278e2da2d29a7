"""A flag is written whole, comments and all, or the store stays as it is and the reason is said."""

from __future__ import annotations

import json
import os
import stat
import sys
import tomllib
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from quickwins.core.config import Section
from quickwins.core.errors import ConfigError
from quickwins.core.flags import FlagSettings, FlagsSettings
from quickwins.core.flags.text import MAX_FILE_BYTES
from quickwins.core.flags.truncation import COMPLETE, is_marked
from quickwins.core.flags.writer import FlagWriter, WriteError, WriteReason

if TYPE_CHECKING:
    from collections.abc import Callable

SECTIONS: dict[str, type[Section]] = {"flags": FlagsSettings, "one": FlagSettings, "two": FlagSettings}
TEXT = """# the feed
service = "feed"   # do not rename

[one]
# on since spring
enabled = true
percent = 10  # canary
"""

MARKED = f"{TEXT}\n{COMPLETE}\n"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "quickwins.toml"
    path.write_text(TEXT)
    return path


def test_values_change_and_everything_else_stays(path: Path) -> None:
    path.chmod(0o640)
    written = FlagWriter(path, SECTIONS).set("one", percent=50)
    assert path.read_text() == TEXT.replace("percent = 10", "percent = 50")
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert written.settings is not None
    assert written.settings.section("one", FlagSettings).percent == 50
    assert list(path.parent.iterdir()) == [path]


def test_a_section_that_is_not_there_yet_is_added_and_the_mark_stays_the_last_line(path: Path) -> None:
    path.write_text(MARKED)
    writer = FlagWriter(path, SECTIONS)
    writer.set("two", enabled=True)
    writer.set("flags", audit=False)
    text = path.read_text()
    assert tomllib.loads(text)["two"] == {"enabled": True}
    assert is_marked(text)
    assert text.count("# quickwins: complete") == 1


def test_a_file_without_the_mark_is_not_given_one_for_it_may_have_been_cut_short(path: Path) -> None:
    FlagWriter(path, SECTIONS).set("two", enabled=True)
    assert not is_marked(path.read_text())


def test_removing_a_key_from_a_file_without_the_mark_is_refused_since_services_would_not_follow(
    path: Path,
) -> None:
    with pytest.raises(
        ConfigError,
        match=r"one\.percent vanished; .*'# quickwins: complete'; running processes would refuse it",
    ):
        FlagWriter(path, SECTIONS).set("one", percent=None)
    assert path.read_text() == TEXT


def test_line_ends_and_odd_characters_in_comments_stay(path: Path) -> None:
    odd = MARKED.replace("\n", "\r\n").replace("canary", "can\u2028enabled = true\u0085ary")
    path.write_bytes(odd.encode())
    FlagWriter(path, SECTIONS).set("one", percent=50)
    assert path.read_bytes().decode() == odd.replace("percent = 10", "percent = 50")


def test_a_file_that_is_not_text_is_refused(path: Path) -> None:
    path.write_bytes(b"\xff")
    with pytest.raises(ConfigError, match="not UTF-8 at byte 0"):
        FlagWriter(path, SECTIONS).set("one", percent=50)


@pytest.mark.parametrize(("mode", "refused"), [(0o640, True), (0o600, True), (0o644, False)])
def test_a_write_never_takes_the_file_from_its_readers(
    path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, refused: bool
) -> None:
    def not_root(_file: int, owner: int, _group: int) -> None:
        if owner != -1:
            raise PermissionError

    path.chmod(mode)
    monkeypatch.setattr(os, "fchown", not_root)
    outcome = pytest.raises(WriteError, match="run as its owner") if refused else nullcontext()
    with outcome:
        FlagWriter(path, SECTIONS).set("one", percent=50)
    assert ("percent = 50" in path.read_text()) != refused
    assert list(path.parent.iterdir()) == [path]


def test_none_removes_a_key(path: Path) -> None:
    path.write_text(MARKED)
    FlagWriter(path, SECTIONS).set("one", percent=None)
    assert tomllib.loads(path.read_text())["one"] == {"enabled": True}
    FlagWriter(path, SECTIONS).set("one", percent=None)  # it has its default already
    assert tomllib.loads(path.read_text())["one"] == {"enabled": True}


def test_a_key_that_is_neither_there_nor_known_cannot_be_removed(path: Path) -> None:
    path.write_text(MARKED)
    with pytest.raises(ConfigError, match=r"one\.percnt: unknown key \(did you mean 'percent'\?\)"):
        FlagWriter(path, SECTIONS).set("one", percnt=None)
    path.write_text(MARKED.replace("percent", "percnt"))
    FlagWriter(path, SECTIONS).set("one", percnt=None)
    assert tomllib.loads(path.read_text())["one"] == {"enabled": True}


def test_bytes_that_are_no_text_are_refused_and_the_file_stays(path: Path) -> None:
    with pytest.raises(ConfigError, match="one: a key or a value is not text in this locale's encoding"):
        FlagWriter(path, SECTIONS).set("one", salt="caf\udce9")
    assert path.read_text() == TEXT


@pytest.mark.parametrize(
    ("feature", "fields", "expected"),
    [
        pytest.param("one", {"percent": 101}, r"one\.percent: 101 is not allowed: .*100", id="out of range"),
        pytest.param("one", {"percnt": 1}, r"unknown key \(did you mean 'percent'\?\)", id="misspelt"),
        pytest.param(
            "three", {"percent": 1}, r"no section 'three'; known: flags, one, two", id="unknown feature"
        ),
    ],
)
@pytest.mark.parametrize("command", [(), ("true",)])
def test_what_would_not_load_is_not_written(
    path: Path, feature: str, fields: dict[str, object], expected: str, command: tuple[str, ...]
) -> None:
    with pytest.raises(ConfigError, match=expected):
        FlagWriter(path, SECTIONS, command=command).set(feature, **fields)
    assert path.read_text() == TEXT


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("a = [", "not valid TOML", id="broken"),
        pytest.param("one = 1\n", "one is not a table", id="not a table"),
    ],
)
def test_a_file_that_is_broken_already_is_not_touched(path: Path, text: str, expected: str) -> None:
    path.write_text(text)
    with pytest.raises(ConfigError, match=expected):
        FlagWriter(path, SECTIONS).set("one", percent=1)
    assert path.read_text() == text


def test_a_link_is_followed_and_its_target_replaced(path: Path, tmp_path: Path) -> None:
    link = tmp_path / "link.toml"
    link.symlink_to(path)
    FlagWriter(link, SECTIONS).set("one", percent=50)
    assert link.is_symlink()
    assert "percent = 50" in path.read_text()


def test_a_mounted_config_map_is_refused_with_what_to_do_instead(tmp_path: Path) -> None:
    folder = tmp_path / "..2026"
    folder.mkdir()
    (folder / "quickwins.toml").write_text(TEXT)
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "quickwins.toml").symlink_to("..data/quickwins.toml")
    with pytest.raises(WriteError, match="edit the ConfigMap") as caught:
        FlagWriter(tmp_path / "quickwins.toml", SECTIONS).set("one", percent=50)
    assert caught.value.reason is WriteReason.READ_ONLY


def test_a_folder_that_cannot_be_written_is_refused_with_the_reason(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(WriteError, match="is not writable") as caught:
        FlagWriter(path, SECTIONS).set("one", percent=50)
    assert caught.value.reason is WriteReason.READ_ONLY


def test_a_full_or_read_only_file_system_leaves_the_file_as_it_was(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("tempfile.mkstemp", refuse)
    with pytest.raises(WriteError, match="Read-only file system"):
        FlagWriter(path, SECTIONS).set("one", percent=50)
    monkeypatch.undo()
    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="Read-only"):
        FlagWriter(path, SECTIONS).set("one", percent=50)
    assert path.read_text() == TEXT
    assert list(path.parent.iterdir()) == [path]


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(WriteError, match="there is no such file") as caught:
        FlagWriter(tmp_path / "quickwins.toml", SECTIONS).set("one", percent=50)
    assert caught.value.reason is WriteReason.MISSING


def test_a_kill_that_processes_would_not_read_is_not_said_to_be_one(path: Path) -> None:
    text = "#" * MAX_FILE_BYTES + f"\n{TEXT}"
    path.write_text(text)
    with pytest.raises(ConfigError, match="at the beginning of the file by hand"):
        FlagWriter(path, SECTIONS).kill("one")
    assert path.read_text() == text


def _become_a_fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _become_a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _become_a_circle(path: Path) -> None:
    path.unlink()
    path.symlink_to(path.name)


@pytest.mark.parametrize("become", [_become_a_fifo, _become_a_folder, _become_a_circle])
def test_what_is_no_file_is_refused_with_its_name_and_is_not_waited_for(
    path: Path, become: Callable[[Path], None]
) -> None:
    become(path)
    writer = FlagWriter(path, SECTIONS)
    for write in (writer.check, lambda: writer.kill("one"), lambda: writer.set("one", enabled=True)):
        with pytest.raises(WriteError, match=f"{path}: .*nothing was written") as caught:
            write()
        assert caught.value.reason is WriteReason.UNREADABLE


def test_writers_at_the_same_time_lose_no_change(path: Path) -> None:
    def write(number: int) -> None:
        FlagWriter(path, SECTIONS).set(
            ("one", "two")[number % 2], **{("salt", "percent")[number // 2]: ("x", 7)[number // 2]}
        )

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write, range(4)))
    values = tomllib.loads(path.read_text())
    assert {key: values["one"][key] for key in ("salt", "percent")} == {"salt": "x", "percent": 7}
    assert values["two"] == {"salt": "x", "percent": 7}


def test_a_command_is_given_the_changes_and_no_shell(path: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    program = "import sys; open(sys.argv[1], 'w').write(sys.argv[2] + sys.argv[3])"
    command = (sys.executable, "-c", program, str(out), "{feature}", "{changes}")
    written = FlagWriter(path, SECTIONS, command=command).set("one", percent=50, salt="$(id)")
    assert out.read_text()[:3] == "one"
    assert json.loads(out.read_text()[3:]) == {"percent": 50, "salt": "$(id)"}
    assert (written.settings, written.where) == (None, sys.executable)
    assert path.read_text() == TEXT


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        pytest.param(
            (sys.executable, "-c", "import sys; sys.exit('no rights')"), "ended with 1: no rights", id="fails"
        ),
        pytest.param(("/no/such/program",), "No such file", id="missing"),
    ],
)
def test_a_command_that_fails_is_an_error_with_what_it_said(
    path: Path, command: tuple[str, ...], expected: str
) -> None:
    with pytest.raises(WriteError, match=expected) as caught:
        FlagWriter(path, SECTIONS, command=command).set("one", percent=50)
    assert caught.value.reason is WriteReason.COMMAND_FAILED
