from importlib.resources import files

from hypothesis import given
from hypothesis import strategies as st

from quickwins.demo.service.database import RowCounts, seed_statements


@given(st.integers(1, 10_000_000))
def test_every_table_gets_rows_in_the_proportions_of_the_feed(rows: int) -> None:
    counts = RowCounts.for_posts(rows)
    assert counts.posts == rows
    assert counts.users == max(10, rows // 10)
    assert counts.follows == 10 * counts.users
    assert counts.messages >= 1


@given(st.integers(1, 10_000_000))
def test_the_same_number_of_rows_gives_the_same_statements(rows: int) -> None:
    counts = RowCounts.for_posts(rows)
    assert seed_statements(counts) == seed_statements(RowCounts.for_posts(rows))
    assert list(seed_statements(counts)) == ["users", "posts", "follows", "messages"]


def test_the_schema_has_primary_keys_and_no_index() -> None:
    schema = files("quickwins.demo.service").joinpath("schema.sql").read_text().lower()
    assert schema.count("primary key,") == 4
    for word in ("create index", "unique", "references", "primary key ("):
        assert word not in schema
