"""What is said of a connection never has its password in it."""

from __future__ import annotations

from quickwins.indexes import Runner


def test_a_runner_shows_where_and_not_who() -> None:
    assert "h:5432/db" in repr(Runner("postgresql://u:secret@h:5432/db"))
    assert "secret" not in repr(Runner("postgresql://u:secret@h:5432/db"))
