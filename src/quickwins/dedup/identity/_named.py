"""Events whose producers give each an id: the outbox pattern, or a field of the record.

An id counts within its topic and its group.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from quickwins.core.errors import ConfigError
from quickwins.dedup.errors import RefusedBecause, refuse
from quickwins.dedup.event import UNREAD, Event, Op
from quickwins.dedup.identity._base import checked_name, checked_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from quickwins.dedup.identity._base import Policy, Record

MAX_ID_BYTES = 1_024


class _Given:
    """What both have: ids that count for all time, no kinds of events, and a function that dates them."""

    __slots__ = ("_time",)
    incarnation = ""
    policies: Mapping[Op, Policy] = MappingProxyType({})

    def __init__(self, time: Callable[[Record], float] | None) -> None:
        if time is not None and not callable(time):
            raise ConfigError("time takes a function of the record that returns seconds since 1970")
        self._time = time

    @property
    def dated(self) -> bool:
        """See `Identity`."""
        return self._time is not None

    def happened_at(self, event: Event) -> float:
        """See `Identity`."""
        if self._time is None:
            refuse(RefusedBecause.NO_TIME, f"{self!r} was given no `time`")
        try:
            found = self._time(event.record)
        except Exception as error:  # noqa: BLE001 -- the service's own function may raise anything; until=never
            refuse(RefusedBecause.NO_TIME, f"its time could not be read: {type(error).__name__}", error)
        return checked_time(found)


class HeaderId(_Given):
    """A header has the id, as in the outbox pattern. Of several headers of that name the last one counts.

    Attributes:
        name: The header's name, exactly.
    """

    __slots__ = ("name",)

    def __init__(self, name: str, *, time: Callable[[Record], float] | None = None) -> None:
        """Nothing is read yet.

        Args:
            name: Of the header.
            time: When the event happened, in seconds since 1970, from the record: the same each time the event is sent. For
                `PostgresInbox`, which forgets by it.

        Raises:
            ConfigError: An argument isn't one of these.
        """
        super().__init__(time)
        self.name = checked_name("HeaderId", name, longest=1_024)

    def __repr__(self) -> str:
        return f"HeaderId({self.name!r})"

    def read(self, record: Record) -> Event:
        """See `Identity`."""
        found = [value for name, value in record.headers or () if name == self.name]
        if not found:
            refuse(RefusedBecause.NO_ID, f"it has no header {self.name!r}")
        return _event(record, found[-1])


class KeyId(_Given):
    """A function of the record gives the id.

    Attributes:
        function: Gets the consumer's record, returns bytes or text. What it raises refuses the record.
    """

    __slots__ = ("function",)

    def __init__(
        self,
        function: Callable[[Record], bytes | str],
        *,
        time: Callable[[Record], float] | None = None,
    ) -> None:
        """Nothing is read yet.

        Args:
            function: Returns the id.
            time: See `HeaderId`.

        Raises:
            ConfigError: It is no function.
        """
        super().__init__(time)
        if not callable(function):
            raise ConfigError("KeyId takes a function of the record that returns its id")
        self.function = function

    def __repr__(self) -> str:
        return f"KeyId({getattr(self.function, '__qualname__', '?')})"

    def read(self, record: Record) -> Event:
        """See `Identity`."""
        try:
            found = self.function(record)
        except Exception as error:  # noqa: BLE001 -- the service's own function may raise anything; until=never
            refuse(RefusedBecause.NO_ID, f"its id could not be read: {type(error).__name__}", error)
        return _event(record, found)


class _Content(msgspec.Struct, gc=False):
    after: Any
    before: Any = None
    table: str = ""


def _event(record: Record, identity: object) -> Event:
    if record.value is None and record.key is None:
        refuse(RefusedBecause.EMPTY, "it has neither a key nor a value")
    op = Op.TOMBSTONE if record.value is None else Op.MESSAGE
    return Event(record, op, _checked(identity), _Content(record.value), UNREAD)


def _checked(found: object) -> bytes:
    if isinstance(found, str):
        found = found.encode("utf-8", "surrogatepass")
    if not isinstance(found, bytes):
        refuse(RefusedBecause.NO_ID, f"its id is a {type(found).__name__}; it must be bytes or text")
    if not found:
        refuse(RefusedBecause.NO_ID, "its id is empty")
    if len(found) > MAX_ID_BYTES:
        refuse(RefusedBecause.OVERSIZED_ID, f"its id has {len(found):,} bytes; {MAX_ID_BYTES:,} are allowed")
    return found
