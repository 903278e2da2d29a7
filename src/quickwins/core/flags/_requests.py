"""Which key a request is pinned to at the door, if it has to be."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

from quickwins.core.flags.pin import PIN, pinned
from quickwins.core.given import function

if TYPE_CHECKING:
    from collections.abc import Callable

    from quickwins.core.flags.pin import Live

_R = TypeVar("_R")


class Bits(Protocol):
    """What keys are drawn with: `random`, or a `random.Random`."""

    def getrandbits(self, count: int, /) -> int:
        """`count` random bits."""
        ...


class Requests(Generic[_R]):
    """Pins requests of one kind, while some flag is on for a part of them. Any thread."""

    def __init__(
        self, flags: Live, *, key: Callable[[_R], str | None] | None = None, rng: Bits | None = None
    ) -> None:
        """Pin nothing yet.

        Args:
            flags: Whose percentages the keys are for.
            key: The key of a request. Without one (`None`), or when it raises, flags below 100 % are off for the request,
                which is counted. By default each request draws a key of its own, unless it has one already, so that 5 %
                are 5 % of the requests.
            rng: For keys that are drawn; the module `random` when `None`.
        """
        self._flags = flags
        self._key = function("key", key, of="a request")
        self._rng: Bits = random if rng is None else rng

    def __str__(self) -> str:
        return "pinning" if self._flags.snapshot.partial else "idle"

    def pin(self, request: _R, *, live: bool = False) -> pinned | None:
        """What to enter around `request`; `None`, when no flag needs a key.

        Args:
            request: What `key` is asked about.
            live: See `pinned`.
        """
        if not self._flags.snapshot.partial:
            return None
        if self._key is not None:
            return pinned(self._asked(self._key, request), live=live)
        outer = PIN.get()
        if outer is not None and outer.key is not None:
            return None
        return pinned(f"{self._rng.getrandbits(64):x}", live=live)

    def _asked(self, key: Callable[[_R], str | None], request: _R) -> str | None:
        try:
            found = key(request)
            return found if isinstance(found, str) else None  # which may ask the object
        except Exception:  # noqa: BLE001 -- whatever the function of a caller raises, no request fails of it; until=never
            return None
