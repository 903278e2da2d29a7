"""How commands print at a terminal; off a terminal every other test shows it."""

from __future__ import annotations

import io

import pytest

from quickwins.cli.output import assignments, note, plain, print_rows, print_table, printable, working


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at_terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    made = Terminal()  # in the test itself: pytest changes the streams between a fixture and the test
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("sys.stdout", made)
    monkeypatch.setattr("sys.stderr", made)
    return made


def test_a_terminal_gets_a_table_in_which_nothing_is_cut_off_or_taken_for_markup(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = at_terminal(monkeypatch)
    print_table(("what", "value"), [("salt", "[bold]x"), ("long", "y" * 100)])

    text = terminal.getvalue()
    assert "[bold]x" in text
    assert text.count("y") == 100
    assert "\t" not in text


def test_a_table_that_would_break_its_words_into_pieces_is_a_block_for_each_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = at_terminal(monkeypatch)
    names = [f"column_{number}" for number in range(6)]
    print_table(names, [["a_long_word"] * 6, ["-"] * 6])

    assert terminal.getvalue().splitlines() == [
        *(f"{name}  a_long_word" for name in names),
        "",
        *(f"{name}  -" for name in names),
        "",
    ]


def test_rows_at_a_terminal_stand_below_each_other_and_their_last_cell_is_in_one_piece(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    terminal = at_terminal(monkeypatch)
    print_rows(("what", "value"), [("salt", "[bold]x"), ("\u65e5\u672c\u8a9e", "y" * 100), ("", "\x1b[2J")])

    assert terminal.getvalue().splitlines() == [
        "what    value",
        "salt    [bold]x",
        "\u65e5\u672c\u8a9e  " + "y" * 100,
        "-       \\x1b[2J",
    ]


def test_a_terminal_sees_that_something_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = at_terminal(monkeypatch)
    with working("starting [x]"):
        pass

    assert "starting [x]" in terminal.getvalue()
    assert "quickwins:" not in terminal.getvalue()


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "-"),
        ("", "-"),
        (True, "true"),
        (10.0, "10.0"),
        ("a\tb\n", "a\\tb\\n"),
        ("é", "é"),
        ({"a": 1}, '{"a": 1}'),
    ],
)
def test_a_cell_is_one_piece_of_text_on_one_line(value: object, text: str) -> None:
    assert plain(value) == text


def test_changes_are_written_as_set_takes_them() -> None:
    assert assignments({"percent": 10, "enabled": True, "salt": None}) == "percent=10 enabled=true salt="
    assert assignments(None) == ""


def test_a_note_cannot_move_the_cursor(capsys: pytest.CaptureFixture[str]) -> None:
    note("one\x1b[2J\ntwo")

    assert capsys.readouterr().err == "quickwins: one\\x1b[2J\nquickwins: two\n"
    assert printable("plain text") == "plain text"
