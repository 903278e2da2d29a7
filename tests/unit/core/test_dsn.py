"""What is said of a database never has its password in it."""

from __future__ import annotations

import pytest

from quickwins.core.dsn import clean, password_of, place


@pytest.mark.parametrize(
    ("dsn", "password"),
    [
        ("postgresql://u:p%40ss@h/db", "p@ss"),
        ("postgresql://h/db?user=u&password=p%40ss", "p@ss"),
        ("postgresql://u@h/db", ""),
        ("postgresql://u:p@ss@[broken/db", "p@ss"),
        (None, ""),
    ],
)
def test_the_password_is_found_wherever_a_dsn_has_it(dsn: str | None, password: str) -> None:
    assert password_of(dsn) == password


def test_it_is_taken_out_however_it_is_spelled() -> None:
    dsn = "postgresql://u:p%2F%40ss@h/db"
    assert clean("p/@ss p/%40ss p%2F%40ss", dsn) == "*** *** ***"
    assert clean("p/@ss", "postgresql://h/db") == "p/@ss"


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://u:secret@h:5432/db", "h:5432/db"),
        ("postgresql:///db?host=/run&password=secret", "/run/db"),
        (None, "the server that the PG* variables name"),
        ("postgresql://u:secret@[broken/db", "the server"),
    ],
)
def test_where_is_shown_and_not_who(dsn: str | None, shown: str) -> None:
    assert place(dsn) == shown
