"""What every store does: take partitions, and open batches that have their effect as a whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from quickwins.dedup._core.batch import Batch
    from quickwins.dedup._core.ids import Progress
    from quickwins.dedup.checked import Checked
    from quickwins.dedup.decision import Explanation
    from quickwins.dedup.identity import Identity, Record


class Place(NamedTuple):
    """Which partition, and for whom."""

    group: str
    cluster: str
    topic: str
    partition: int


class Work(NamedTuple):
    """A batch that was begun.

    Attributes:
        batch: What became of its records. Where the store has no transaction, what its `undone` names at the end is not
            remembered, and `Held.next_offset` stays before the first of them.
        tx: An asyncpg connection in the transaction of the effects; `None` where the store has none.
        fence: See `Context.fence`; 0 where the store has none.
    """

    batch: Batch
    tx: Any = None
    fence: int = 0


class Held(Protocol):
    """A partition that this consumer has taken."""

    @property
    def place(self) -> Place:
        """Which one."""
        ...

    @property
    def next_offset(self) -> int | None:
        """Below it everything has had its effect; `None`: as far as Kafka's own offset says."""
        ...

    @property
    def seek_to(self) -> int | None:
        """Where to read on; `None`: where the consumer is."""
        ...

    def batch(
        self, records: Sequence[Record], *, on: bool, puts_aside: bool, passed: Mapping[int, BaseException]
    ) -> AbstractAsyncContextManager[Work]:
        """Decide about `records`, and remember them as done when the block ends without an error.

        When the block or the store raises, nothing is remembered: they are decided about again.

        Args:
            records: The next ones, in the order of their offsets.
            on: Whether duplicates are told from events. If not, each event is new, and is remembered all the same.
            puts_aside: Whether there is somewhere to put a record aside. If not, the batch stops at such a one.
            passed: Offsets given up: passed by, for the caller puts them aside.

        Raises:
            Fenced: Another consumer has taken the partition over.
            PartitionQuarantined: It cannot be told any more what had its effect.
        """
        ...

    async def explain(self, record: Record) -> Explanation:
        """What would become of `record`, if it came next; nothing changes."""
        ...


class ById:
    """Where a partition stands whose store goes by ids: it knows no more of offsets than what it has seen of them."""

    __slots__ = ("_progress",)
    _progress: Progress

    @property
    def next_offset(self) -> int | None:
        """See `Held`."""
        return self._progress.next_offset

    @property
    def seek_to(self) -> int | None:
        """See `Held`."""
        return self._progress.next_offset


@runtime_checkable
class Forgets(Protocol):
    """A partition whose store forgets by how far Kafka was told that it was read."""

    async def told(self, next_offset: int, ends: Callable[[], Awaitable[Mapping[int, int]]]) -> None:
        """Kafka was told that everything below `next_offset` has had its effect.

        Args:
            next_offset: As told.
            ends: Gives each partition of the topic that has records, with the offset behind its last one.
        """
        ...


@runtime_checkable
class Store(Protocol):
    """Where it is remembered what had its effect. Belongs to one event loop."""

    @property
    def transactional(self) -> bool:
        """Whether effects are made in a transaction, `ctx.tx`, so that a part of a batch can be taken back."""
        ...

    def check(self, identity: Identity) -> None:
        """Look whether the store can go by `identity`.

        Raises:
            ConfigError: It cannot.
        """
        ...

    async def prepare(self) -> None:
        """Make what is missing.

        Raises:
            ConfigError: It is not allowed to; the message says what to do.
        """
        ...

    async def take(self, place: Place, identity: Identity, partitions: int) -> Held:
        """Take a partition over.

        Args:
            place: Which one.
            identity: Reads its records.
            partitions: How many the topic has.

        Raises:
            PartitionQuarantined: It cannot be told any more what had its effect.
        """
        ...

    async def close(self) -> None:
        """Give back what `prepare` has taken."""
        ...

    def transient(self, error: BaseException) -> bool:
        """Whether `error`, raised in a batch, says that the store was away or in conflict, which no event is to blame for."""
        ...


@runtime_checkable
class Sized(Protocol):
    """A store in memory, which says how large it is."""

    @property
    def entries(self) -> int:
        """How many ids it knows."""
        ...

    @property
    def table_bytes(self) -> int:
        """The size of its tables."""
        ...


@runtime_checkable
class Checks(Protocol):
    """A store that can be asked for one record alone."""

    async def prepare(self) -> None:
        """See `Store`."""
        ...

    async def check_one(self, place: Place, identity: Identity, record: Record, *, on: bool) -> Checked:
        """Claim one record.

        Raises:
            EventRefused: It is no event that could be told from its duplicates.
        """
        ...
