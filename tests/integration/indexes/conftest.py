from __future__ import annotations

from pathlib import Path

import pytest

from tests.index_database import TABLE, Database


@pytest.fixture
def database(postgres_database: str, tmp_path: Path) -> Database:
    made = Database(postgres_database, tmp_path)
    made.run(TABLE)
    return made
