"""What every identity does."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from quickwins.core.errors import ConfigError
from quickwins.dedup.errors import EventRefused, RefusedBecause, refuse

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quickwins.dedup.event import Event, Op


class Policy(StrEnum):
    """What becomes of events of one kind."""

    APPLY = "apply"
    """The handler gets them."""
    SKIP = "skip"
    """The cursor moves on; the handler never sees them."""
    QUARANTINE = "quarantine"
    """They go where records go that nobody knows how to apply."""


class Record(Protocol):
    """What is read of a consumer's record: `aiokafka.ConsumerRecord` has it all."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def key(self) -> Any: ...
    @property
    def value(self) -> Any: ...
    @property
    def headers(self) -> Sequence[tuple[str, bytes | None]]: ...


class Identity(Protocol):
    """Reads records as events. Pure; any thread."""

    @property
    def incarnation(self) -> str:
        """Which history positions are of; another one makes all positions known so far void."""
        ...

    @property
    def policies(self) -> Mapping[Op, Policy]:
        """What becomes of events of each kind; a kind that is not in it is applied."""
        ...

    @property
    def dated(self) -> bool:
        """Whether `happened_at` can be asked."""
        ...

    def happened_at(self, event: Event) -> float:
        """When `event` happened at its source, in seconds since 1970: the same however often it is sent.

        Raises:
            EventRefused: It cannot be told.
        """
        ...

    def read(self, record: Record) -> Event:
        """The record as an event.

        Raises:
            EventRefused: It isn't one, with the reason.
        """
        ...


@runtime_checkable
class ReadsMany(Protocol):
    """An identity that reads many records at a time for less than one after the other."""

    def read_all(self, records: Sequence[Record], *, rows: bool) -> list[Event | EventRefused]:
        """Each of `records` as an event, or why it isn't one.

        Args:
            records: Of one partition.
            rows: Whether to decode the new rows now, which costs less than decoding each when it is asked for.
        """
        ...


def read_each(identity: Identity, records: Sequence[Record]) -> list[Event | EventRefused]:
    """Each of `records` as an event, or why it isn't one.

    Raises:
        Exception: What an identity of the service's own raises besides `EventRefused`.
    """
    read = identity.read
    readings: list[Event | EventRefused] = []
    for record in records:
        try:
            readings.append(read(record))
        except EventRefused as error:
            readings.append(error.with_traceback(None))
    return readings


def checked_time(seconds: object) -> float:
    """`seconds`, when they are a time of these two centuries.

    Raises:
        EventRefused: They are none.
    """
    if not isinstance(seconds, (int, float)) or not 0 <= seconds < _YEAR_2100:
        refuse(RefusedBecause.NO_TIME, "its time is no number of seconds since 1970; is it in milliseconds?")
    return seconds


_YEAR_2100 = 4_102_444_800


def checked_name(what: str, name: object, *, longest: int) -> str:
    """`name`, when it is one.

    Raises:
        ConfigError: It is no text of 1 to `longest` characters.
    """
    if isinstance(name, str) and 1 <= len(name) <= longest:
        return name
    raise ConfigError(f"{what} takes a name of 1 to {longest:,} characters")
