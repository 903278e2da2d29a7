"""Pins a request to one snapshot and one key, from its start to its end."""

from __future__ import annotations

from contextvars import ContextVar
from typing import TYPE_CHECKING, Protocol

from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from contextvars import Token
    from types import TracebackType
    from typing import Self

    from quickwins.core.flags.snapshot import Snapshot


class Live(Protocol):
    """What a pin remembers a snapshot of: `Flags`."""

    @property
    def snapshot(self) -> Snapshot:
        """The newest."""
        ...


PIN: ContextVar[pinned | None] = ContextVar("quickwins_pin", default=None)


class pinned:  # noqa: N801 -- used as a context manager, like a function; until=never
    """Within this block every flag answers from one snapshot, for one key.

    The snapshot is taken when the first flag is asked. Tasks started inside the block inherit the pin; those that
    outlive it keep the key and see the newest snapshot, so that no background task misses a kill. An inner block has
    its own snapshot and key, and the outer one returns afterwards. Costs half a microsecond (`benchmarks/flags`).

    Args:
        key: What percentages are drawn on: a user, a tenant, a request. `None`: only flags at 100 % are on.
        live: Pin the key alone: flags answer as they are at each question, for what lasts, such as a WebSocket.

    Raises:
        ConfigError: The key is not text, or one object is entered while it is entered.
    """

    __slots__ = ("_live", "_snapshots", "_token", "key")

    def __init__(self, key: str | None = None, *, live: bool = False) -> None:
        if key is not None and not isinstance(key, str):
            raise ConfigError(
                f"a request is pinned to text, not to {type(key).__name__}"
            )  # or the first 50 % raises
        self.key = key
        self._live = live
        self._snapshots: dict[Live, Snapshot] | None = None
        self._token: Token[pinned | None] | None = None

    def __repr__(self) -> str:
        # Whose key it is, is for nobody's log.
        key = "without a key" if self.key is None else "with a key"
        return f"<pinned {key}>" if self._token is None else f"<pinned {key}, entered>"

    def snapshot(self, flags: Live) -> Snapshot:
        """The snapshot of `flags` that this request sees; the newest once the block has ended."""
        snapshots = self._snapshots
        if snapshots is None:
            return flags.snapshot
        found = snapshots.get(flags)
        # setdefault is atomic: threads that share the context agree on one snapshot
        return snapshots.setdefault(flags, flags.snapshot) if found is None else found

    def __enter__(self) -> Self:
        if self._token is not None:
            raise ConfigError("this pin is entered already: make one for each request")
        self._snapshots = None if self._live else {}
        self._token = PIN.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._snapshots = None
        if self._token is not None:
            try:  # noqa: SIM105 -- a call, of `contexts.leave` as well, is a tenth of what a pin costs; until=never
                PIN.reset(self._token)
            except ValueError:
                pass
            self._token = None
