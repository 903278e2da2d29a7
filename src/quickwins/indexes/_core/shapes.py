"""Which index does another one's work, and how large an index will be."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from quickwins.indexes._core.facts import Index, Shape

MAX_ALIGN = 8
TUPLE_HEADER = 8
LINE_POINTER = 4
LEAF_FILL = 0.9
"""`BTREE_DEFAULT_FILLFACTOR`: what a build fills a leaf page to."""
PAGE = 8192
POSTING_BYTES = 6
"""What one more row with the same key costs since deduplication (PostgreSQL 13)."""
MAX_POSTING = PAGE / 6
"""A posting list stays below a sixth of a page when an index is built."""


def covers(one: Shape, other: Shape) -> bool:
    """Whether `one` answers every query that `other` answers, so that `other` adds nothing.

    Its keys begin with those of `other`: the same columns, operator classes, collations and orders. A unique index is
    there to forbid something, so it is covered by no index of other keys. A predicate must be the very same, storage
    parameters too; an expression is no trap, since it is compared as the server writes it.
    """
    if one.method != other.method or one.predicate != other.predicate or one.options != other.options:
        return False
    if other.unique and not (
        one.unique and one.keys == other.keys and one.nulls_not_distinct == other.nulls_not_distinct
    ):
        return False
    if one.method != "btree":
        # Other methods may look at their columns in any order: only the same columns are surely the same.
        return one.keys == other.keys and set(other.include) <= set(one.include)
    if one.keys[: len(other.keys)] != other.keys:
        return False
    return set(other.include) <= {*one.include, *(key.text for key in one.keys)}


def covering(wanted: Shape, indexes: Iterable[Index]) -> Index | None:
    """A valid index among `indexes` that does the work of `wanted`; an equal one first."""
    found = [one for one in indexes if one.valid and one.live and covers(one.shape, wanted)]
    return min(found, key=lambda one: (one.shape != wanted, len(one.shape.keys)), default=None)


def estimated_bytes(
    rows: float, widths: Sequence[tuple[float, int]], distinct: float, null_share: float = 0.0
) -> int:
    """How large a B-tree will be when it is built.

    Args:
        rows: How many.
        widths: Of each column, its bytes on average and its alignment.
        distinct: How many different keys there are.
        null_share: How many rows have a null in a key: of several columns those tuples have a bitmap, of one they all
            have the same key.

    Returns:
        Bytes: `rows * (8 + aligned width + 4) / 0.9`, less what deduplication saves where keys come many times.
    """
    if rows <= 0:
        return PAGE
    single = len(widths) == 1
    at = TUPLE_HEADER + (0 if single else MAX_ALIGN * null_share)
    for width, alignment in widths:
        at = _aligned(at, alignment) + width
    tuple_bytes = _aligned(at, MAX_ALIGN)
    if widths and widths[-1][1] == 1:
        # Texts and numbers of varying lengths: half-way between all of the average length and all lengths alike.
        tuple_bytes = (tuple_bytes + at + (MAX_ALIGN - 1) / 2) / 2
    filled = rows * (1 - null_share) if single else rows
    each = _each(tuple_bytes, max(1.0, filled / max(1.0, distinct)))
    nulls = (rows - filled) * _each(2.0 * TUPLE_HEADER, max(1.0, rows - filled))
    return PAGE + int((filled * each + nulls) / LEAF_FILL)


def _each(tuple_bytes: float, repeats: float) -> float:
    """Bytes of one row whose key comes `repeats` times: it stands once for as many rows as fit beside it."""
    fit = max(1.0, (MAX_POSTING - tuple_bytes) / POSTING_BYTES)
    together = min(repeats, fit)
    posting = (_aligned(tuple_bytes + POSTING_BYTES * together, MAX_ALIGN) + LINE_POINTER) / together
    return min(tuple_bytes + LINE_POINTER, posting) if repeats > 1 else tuple_bytes + LINE_POINTER


def _aligned(at: float, alignment: int) -> float:
    return -(-at // alignment) * alignment
