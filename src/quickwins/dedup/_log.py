"""Where a partition's log begins: it may have been cut, or be another one of its name."""

from __future__ import annotations

from typing import Any, NoReturn

from quickwins.dedup.errors import PartitionQuarantined


async def first_of(consumer: Any, at: Any) -> int:
    """The offset of the first record of `at`, a `TopicPartition`, as its broker says."""
    found: int = (await consumer.beginning_offsets([at]))[at]
    return found


def check_first(at: Any, first: int, expected: int | None) -> None:
    """Look whether what comes next is still there; `None`: it is not known what comes next.

    Raises:
        PartitionQuarantined: It was deleted.
    """
    if expected is not None and first > expected:
        raise PartitionQuarantined(
            f"{at.topic}:{at.partition} begins at offset {first}: what was at {expected} was deleted before it had its effect"
        )


def made_anew(at: Any, why: str) -> NoReturn:
    """Stop a partition whose log is another one.

    Raises:
        PartitionQuarantined: Always.
    """
    raise PartitionQuarantined(
        f"{at.topic}:{at.partition} was made anew: {why}. Read it from its beginning under another group, or give its "
        "cluster another name"
    )
