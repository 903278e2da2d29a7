"""Streams of records, made up at random."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.unit.dedup.records import Record, record


@st.composite
def streams(draw: st.DrawFn) -> list[Record]:
    """What a partition may bring, likely or not: each kind of record, at positions that grow, stay, or go back."""
    made: list[Record] = []
    for offset in range(draw(st.integers(1, 12))):
        key = draw(st.sampled_from((b"1", b"2")))
        op = draw(st.sampled_from("ccccuuddrtm0!"))
        if op == "0":
            made.append(Record(offset=offset, key=key))
        elif op == "!":
            made.append(Record(offset=offset, value=b"no JSON"))
        else:
            commit, transaction = draw(st.sampled_from(((100, 1), (100, 2), (200, 3), (300, 4))))
            lsn, order = commit + draw(st.integers(0, 2)), draw(st.integers(1, 2))
            made.append(
                record(
                    op,
                    offset=offset,
                    key=key,
                    commit=commit,
                    lsn=lsn,
                    transaction=transaction,
                    order=order,
                )
            )
    return made
