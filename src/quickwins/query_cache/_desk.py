"""What the views, the middleware and the extension share: whose a request is, and what is known of its document."""

from __future__ import annotations

import asyncio
import inspect
import math
import secrets
from typing import TYPE_CHECKING, Any

from quickwins.core.digest import digest
from quickwins.core.events import CACHE_INVALIDATION_UNTOLD, CACHE_PRINCIPAL_FAILED, QUIET_SECONDS
from quickwins.core.given import a_flag
from quickwins.query_cache._contexts import Contexts
from quickwins.query_cache._core import key as keys
from quickwins.query_cache._core.fences import Invalidation
from quickwins.query_cache._serving import Asked, Serving

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection
    from typing import TypeAlias

    from quickwins.core.clock import Clock
    from quickwins.core.events import Reporter
    from quickwins.core.flags import Flag, FlagState
    from quickwins.query_cache._execution import Reads
    from quickwins.query_cache._known import Documents, Known

    Principal: TypeAlias = Callable[[Any], str | int | Awaitable[str | int | None] | None]


class Owner:
    """Whose a request is.

    Attributes:
        pseudonym: `None`: nobody's.
        key: What the flag's percentage is drawn on.
        failed: Nobody could tell: nothing is read or stored.
    """

    __slots__ = ("failed", "key", "pseudonym")

    def __init__(self, pseudonym: str | None, key: str | None, *, failed: bool = False) -> None:
        self.pseudonym = pseudonym
        self.key = key
        self.failed = failed


_NOBODY = Owner(None, None)


class Desk:
    """One cache's, on one event loop.

    Attributes:
        serving: What answers.
        now: Monotonic seconds.
        contexts: Watches what is read of them.
    """

    def __init__(
        self,
        serving: Serving,
        documents: Documents,
        *,
        principal: Principal | None,
        shared_context: Collection[str],
        flag: Flag | None,
        secret: str | None,
        clock: Clock,
        reporter: Reporter,
    ) -> None:
        """See `QueryCache`."""
        self.serving = serving
        self.contexts = Contexts(shared_context)
        self._documents = documents
        self._principal = principal
        self._flag = a_flag(flag)
        self._state: FlagState | None = None if flag is None else flag.state
        self._key = digest(secret or secrets.token_hex(32), size_bytes=32)
        self.now = clock.monotonic
        self._reporter = reporter
        self._failures = 0
        self._quiet_until = -math.inf
        self._untold = 0
        self._untold_quiet_until = -math.inf

    def attach(self, schema: Any) -> None:
        """See `QueryCache`."""
        self._documents.attach(schema)

    async def void(self, invalidation: Invalidation) -> None:
        """Void what is named: here at once, and elsewhere even when the caller leaves before that is done."""
        self.serving.void(invalidation)
        self.tell_soon()
        await self.serving.tell()

    def tell_soon(self) -> None:
        """Have the others know what was voided here, whether or not anybody can wait for it."""
        if self.serving.shared is None:
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._untold += 1
            now = self.now()
            if now >= self._untold_quiet_until:
                self._untold_quiet_until = now + QUIET_SECONDS
                self._reporter.report(CACHE_INVALIDATION_UNTOLD, reason="no loop", count=self._untold)
                self._untold = 0
        else:
            self.serving.tell_soon()

    def possible(self) -> bool:
        """Whether the flag is on for anybody. What was stored before it was off is void: nobody saw the writes since."""
        flag = self._flag
        if flag is None:
            return True
        state = flag.state
        if state is not self._state:
            was, self._state = self._state, state
            if was is not None and bool(was.limit) != bool(state.limit):
                self.serving.void(Invalidation(everything=True))
        return state.limit > 0

    def serves(self, owner: Owner) -> bool:
        """Whether the flag is on for a request of `owner`."""
        flag = self._flag
        if owner.failed:
            return False
        if flag is None:
            return True
        return flag.active() if owner.key is None else flag.active_for(owner.key)

    async def owner(self, context: Any) -> Owner:
        """Whose a request is, by its context."""
        return _NOBODY if self._principal is None else await self.owner_by(self._principal, context)

    async def owner_by(self, principal: Principal, of: Any) -> Owner:
        """Whose a request is, as `principal` says. What that raises is reported, and nothing is served."""
        try:
            found = principal(of)
            return self._owner(await found if inspect.isawaitable(found) else found)
        except Exception as error:  # noqa: BLE001 -- of a function that is not ours; until=never
            return self._nobody(error)

    def owner_now(self, context: Any) -> Owner:
        """The same for those that cannot wait: with an async `principal` nothing is served."""
        if self._principal is None:
            return _NOBODY
        try:
            found = self._principal(context)
            if not inspect.isawaitable(found):
                return self._owner(found)
        except Exception as error:  # noqa: BLE001 -- of a function that is not ours; until=never
            return self._nobody(error)
        if inspect.iscoroutine(found):
            found.close()
        return Owner(None, None, failed=True)

    def _owner(self, principal: object) -> Owner:
        if principal is None:
            return _NOBODY
        if isinstance(principal, bool) or not isinstance(principal, (str, int)):
            raise TypeError(f"a principal is text or a number, not {type(principal).__name__}")
        name = str.__str__(principal) if isinstance(principal, str) else int.__repr__(principal)
        return Owner(self.pseudonym(name), name)

    def _nobody(self, error: Exception) -> Owner:
        self._failures += 1
        now = self.now()
        if now >= self._quiet_until:
            self._quiet_until = now + QUIET_SECONDS
            self._reporter.report(CACHE_PRINCIPAL_FAILED, error=type(error).__name__, count=self._failures)
            self._failures = 0
        return Owner(None, None, failed=True)

    def pseudonym(self, text: str) -> str:
        """What stands for `text` in keys: nobody can tell it from that without the secret."""
        return digest(text, key=self._key).hex()

    def known(self, schema: Any, text: object, operation: object, variant: str) -> Known | None:
        """What is known of a document; see `Documents`."""
        return self._documents.known(schema, text, operation, variant)

    def asked(
        self,
        known: Known,
        variables: Any,
        extensions: Any,
        owner: Owner,
        value_of: Callable[[str], str | None],
        reads: Reads,
    ) -> Asked | None:
        """A request for `known`; `None`: its variables or `extensions` are no JSON."""
        values = keys.variables(variables, known.plan.defaults)
        more = b"" if extensions is None else keys.canonical(extensions)
        if values is None or more is None:
            return None

        def hidden(name: str) -> str | None:
            value = value_of(name)
            return None if value is None else self.pseudonym(value)

        return Asked(known, values, more, owner.pseudonym, hidden, reads)
