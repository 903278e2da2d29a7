"""What is said of a connection never has its password in it."""

from __future__ import annotations

from typing import Any

import pytest

from quickwins.core.errors import ConfigError
from quickwins.indexes import Runner


def test_a_runner_shows_where_and_not_who() -> None:
    assert "h:5432/db" in repr(Runner("postgresql://u:secret@h:5432/db"))
    assert "secret" not in repr(Runner("postgresql://u:secret@h:5432/db"))


@pytest.mark.parametrize("dsn", [5, object(), {"host": "h"}])
def test_what_is_no_address_is_refused_where_the_runner_is_made(dsn: Any) -> None:
    with pytest.raises(ConfigError, match="an address is needed"):
        Runner(dsn)


@pytest.mark.asyncio
async def test_an_address_of_sqlalchemys_is_told_what_to_leave_out() -> None:
    with pytest.raises(ConfigError, match="leave 'asyncpg' and the") as refused:
        await Runner("postgresql+asyncpg://u:secret@h/db").audit()
    assert "secret" not in str(refused.value)
