"""A process takes a kill out of any text: valid or not, whatever its encoding, however `true` is spelt."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from quickwins.core.config import Section
from quickwins.core.flags import FileSource, Flags, FlagSettings, FlagsSettings, MemorySource
from quickwins.core.flags._edit import killed
from quickwins.core.flags.text import MAX_FILE_BYTES, kills_of

SECTIONS: dict[str, type[Section]] = {"flags": FlagsSettings, "one": FlagSettings, "two": FlagSettings}
GOOD = "[one]\nenabled = true\npercent = 10\n[two]\nenabled = true\n# quickwins: complete\n"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"[one]\nkilled = true\n[two]\nenabeld = true\n", id="a typo elsewhere"),
        pytest.param(b"[one]\nkilled = true\npercent =\n", id="a value left out"),
        pytest.param(b"[one\nkilled = true\n", id="a broken header"),
        pytest.param(b"[one]\nkilled = True\n", id="as Python spells it"),
        pytest.param(b'[one]\nkilled = "true"\n', id="as text"),
        pytest.param(b"[one]\nkilled = 1\n", id="as a number"),
        pytest.param(b"[one]\r\nkilled = true   # now\r\nx\r\n", id="line ends of Windows"),
        pytest.param(b"one.killed = true\nx\n", id="a dotted key"),
        pytest.param(b"one = {killed = true}\nnonsense = 1\n", id="an inline table"),
        pytest.param(b'["one"]\nkilled = true\n[one]\n', id="a table given twice"),
        pytest.param(b"\xef\xbb\xbf[one]\nkilled = true\n", id="a byte order mark"),
        pytest.param(b"\xef\xbb\xbf[one]\nkilled = true\nx\n", id="a byte order mark, and no TOML"),
        pytest.param(b"# M\xfcnchen\n[one]\nkilled = true\n", id="not UTF-8"),
        pytest.param(b"[one]\nkilled = true\n# quickwins: complete\n[two]\n", id="the mark in the middle"),
        pytest.param(b'[one]\n"killed" = true\nx\n', id="a quoted key"),
        pytest.param(b"'one'.killed = true\nx\n", id="a quoted dotted key"),
        pytest.param(b"one = {percent = 10, killed = true}\nx\n", id="an inline table, and no TOML"),
        pytest.param(b"[one]\nkilled = 1\nx\n", id="as a number, and no TOML"),
        pytest.param(b"[one]\nkilled = yes\n", id="as YAML spells it"),
        pytest.param(b"[one]\nkilled: true\n", id="as YAML has it"),
        pytest.param(b"[One]\nKilled = true\n", id="with capitals"),
        pytest.param(b"[ONE]\nKILLED = TRUE\n", id="with capitals, and no TOML"),
        pytest.param(b"[one]\rkilled = true\rx\r", id="line ends of another age"),
        pytest.param("[one]\nkilled = true\n".encode("utf-16"), id="UTF-16, as PowerShell writes it"),
        pytest.param(b"[one]\nkilled = true\n#" + b"x" * MAX_FILE_BYTES, id="too large to be read whole"),
    ],
)
def test_a_kill_by_hand_is_seen_whatever_stands_beside_it(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "quickwins.toml"
    path.write_text(GOOD)
    flags = Flags(SECTIONS, [FileSource(path)], registry=CollectorRegistry())
    path.write_bytes(text)
    assert flags.poll()
    assert [str(flags.flag(name).state) for name in ("one", "two")] == ["0% (killed)", "100% (on)"]
    assert flags.snapshot.origin("one") == "file"
    path.write_text(GOOD)
    assert flags.poll()
    assert str(flags.flag("one").state) == "10% (percent)"


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(b"[one]\n# killed = true\nx\n", id="a comment"),
        pytest.param(b"[one]\nkilled = false\nx\n", id="said to live"),
        pytest.param(b"[one]\nkilled = tru", id="cut"),
        pytest.param(b"[one.names.a]\nkilled = true\nx\n", id="the table of an instance"),
        pytest.param(b"killed = true\nx\n", id="no section"),
        pytest.param(b'one = {names = {}, salt = "killed"}\nx\n', id="a value"),
        pytest.param(b"[one]\nkilled = not yet\nx\n", id="a sentence"),
    ],
)
def test_what_is_no_kill_kills_nothing(text: bytes) -> None:
    assert "one" not in kills_of(text, "quickwins.toml")


def test_a_byte_order_mark_is_no_part_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "quickwins.toml"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    flags = Flags(SECTIONS, [FileSource(path)], registry=CollectorRegistry())
    assert flags.flag("one").state.percent == 10
    path.write_bytes(GOOD.encode())
    assert not flags.poll(), "it says the same"
    path.write_bytes(b"\xef\xbb\xbf" + GOOD.replace("10", "50").encode())
    assert flags.poll()
    assert flags.flag("one").state.percent == 50


def test_a_source_that_spells_true_as_text_kills_beside_a_mistake() -> None:
    source = MemorySource({"one": {"enabled": True}})
    flags = Flags(SECTIONS, [source], registry=CollectorRegistry())
    source.set("one", killed="true", percent=400)
    assert flags.poll()
    assert flags.flag("one").state.why == "killed"


LINES = st.sampled_from(
    [
        "[one]", "[two]", "[one.names.a]", "[[one]]", "[one", "killed = true", "killed = false", "killed =", "percent = 10",
        'salt = """', '"""', "x = [", "]", "# quickwins: complete", "# killed = true", "one = 1", "two.killed = true", "", "\r", "killed: yes",
        "[ONE]", '"killed" = true', "two = {killed = true}",
    ]
)  # fmt: skip


@example("\r")
@example('salt = """\n# quickwins: complete\n[one]\nsalt = """')
@example('salt = """\n[one]\nsalt = """\n[[one]]')
@example('salt = """\n[one]\nsalt = """\none = 1')
@given(st.lists(LINES, max_size=12).map("\n".join))
def test_a_kill_can_be_written_into_any_text_and_takes_nothing_from_another(text: str) -> None:
    before = kills_of(text.encode(), "x")
    after = kills_of(killed(text, "one").encode(), "x")
    assert after >= before | {"one"}
