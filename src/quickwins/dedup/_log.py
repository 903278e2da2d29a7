"""Where a partition's log begins: it may have been cut, or be another one of its name."""

from __future__ import annotations

from typing import Any, NoReturn

from quickwins.dedup.errors import PartitionQuarantined


async def first_of(consumer: Any, at: Any) -> int:
    """The offset of the first record of `at`, a `TopicPartition`, as its broker says."""
    found: int = (await consumer.beginning_offsets([at]))[at]
    return found


async def bounds_if_cut(consumer: Any, at: Any, expected: int) -> tuple[int, int] | None:
    """Where the log of `at` begins and ends, if it ends before `expected`."""
    end: int = (await consumer.end_offsets([at]))[at]
    return None if end >= expected else (await first_of(consumer, at), end)


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
    """Stop a partition whose log is another one: its topic was made anew, or a broker that was behind became its leader.

    Raises:
        PartitionQuarantined: Always.
    """
    raise PartitionQuarantined(
        f"{at.topic}:{at.partition} was deleted and created again, or cut by an unclean election of its leader: {why}. Read it from its "
        "beginning under another group, or give its cluster another name"
    )
