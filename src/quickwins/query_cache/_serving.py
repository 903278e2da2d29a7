"""Answers requests: from memory, from the shared store, from another's flight, or by executing and storing.

The order of events is explained in `_core/fences.py`. Everything between reading the fence and putting an entry may be
overtaken by an invalidation at any await; the fence is what notices.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

from quickwins.core.contexts import leave
from quickwins.query_cache._core import key as keys
from quickwins.query_cache._core.fences import of_principal
from quickwins.query_cache._core.memory import Memory
from quickwins.query_cache._counts import Counts
from quickwins.query_cache._execution import EXECUTION, Execution
from quickwins.query_cache._flights import Flights
from quickwins.query_cache._headers import Said, etag_of
from quickwins.query_cache._shared import Shared
from quickwins.query_cache._store import Entry

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from quickwins.core.clock import Chance, Clock
    from quickwins.query_cache._core.fences import Fence, Invalidation
    from quickwins.query_cache._core.memory import Slot
    from quickwins.query_cache._execution import Reads
    from quickwins.query_cache._flights import Flight
    from quickwins.query_cache._known import Known
    from quickwins.query_cache._store import Store
    from quickwins.query_cache.l1 import L1

MOST_ROUNDS = 4
"""How often a request waits for a flight whose answer turns out to be for others only; then it executes by itself."""
JITTER = 0.1
"""By how much of its time an answer ends earlier than its policy says, at most: what was stored together does not end so."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for an answer that may be stored.

    Attributes:
        known: Its document's operation.
        variables: Its variables, canonical.
        extensions: Its `extensions`, canonical.
        owner: Its principal's pseudonym; `None`: it has none.
        value_of: What it has for a header or a cookie, as a pseudonym.
        reads: What is read of it.
    """

    known: Known
    variables: bytes
    extensions: bytes
    owner: str | None
    value_of: Callable[[str], str | None]
    reads: Reads


@dataclass(frozen=True, slots=True)
class Executed:
    """What an execution has come to.

    Attributes:
        result: As the framework has it.
        body: The answer's bytes; `None`: it may not be stored.
        refusal: Why it may not; `error` for one with errors.
    """

    result: Any
    body: bytes | None
    refusal: str | None


@dataclass(frozen=True, slots=True)
class Served:
    """What a request is answered with.

    Attributes:
        slot: What is stored; `None`: nothing.
        result: What was executed for this request, or for one that is the same; `None`: what is stored.
        is_shared: Whether others that ask for the same may get it.
    """

    slot: Slot | None
    result: Any = None
    is_shared: bool = True


class Looked(NamedTuple):
    """What a request was looked for by: its key and material, and what was known then of its document."""

    key: bytes
    material: bytes
    vary: tuple[str, ...]
    private: bool


class Serving:
    """The answers of one cache. One event loop."""

    def __init__(self, bounds: L1, store: Store | None, *, clock: Clock, rng: Chance) -> None:
        """Nothing is stored yet.

        Args:
            bounds: Of this process's memory.
            store: What processes share.
            clock: For times.
            rng: For jitter, and for the names of epochs.
        """
        self._clock = clock
        self._rng = rng
        self.memory = Memory(bounds, self._epoch(), clock.monotonic)
        self._flights: Flights[Served] = Flights()
        self.shared = None if store is None else Shared(store, self._told, self._lost)
        self._telling: asyncio.Task[None] | None = None
        self.counts = Counts(
            self.memory,
            flights=self._flights.__len__,
            joined=lambda: self._flights.joined,
            breaker=lambda: None if store is None else store.state,
        )

    async def serve(self, asked: Asked, execute: Callable[[], Awaitable[Executed]]) -> Served:
        """Answer `asked`; `execute` runs it for this request, and is called once at most for each round."""
        for _ in range(MOST_ROUNDS):
            served = await self._round(asked, execute)
            if served is not None:
                return served
        return await self._alone(asked, execute, "contended")

    async def _round(self, asked: Asked, execute: Callable[[], Awaitable[Executed]]) -> Served | None:
        """What is there, or comes of a flight; `None`: the flight's answer was for others, or it ended with its request."""
        found = None if asked.known.never else self.key_of(asked)
        if found is None:
            return await self._alone(asked, execute, "varies" if asked.known.never else "no_principal")
        key, material = found.key, found.material
        policy = asked.known.plan.policy
        slot = self.memory.get(key)
        if slot is not None and slot.entry.material != material:
            slot = None
        if slot is not None and self.is_fresh(slot.entry):
            self.counts.hits[policy, "l1"] += 1
            return Served(slot)
        fence = self.memory.fence
        flight = self._flights.get((key, fence))
        if flight is None:
            return await self._flights.lead(
                (key, fence), lambda: self._fill(asked, execute, found, fence, slot)
            )
        if slot is not None and self._within(slot.entry, slot.entry.stale_while_revalidate_seconds):
            self.counts.hits[policy, "stale"] += 1
            return Served(slot)
        served = await self._joined(flight)
        if served is not None:
            self.counts.hits[policy, "flight"] += 1
        return served

    async def _joined(self, flight: Flight[Served]) -> Served | None:
        try:
            served = await self._flights.join(flight)
        except asyncio.CancelledError:
            if not flight.task.cancelled() or _is_cancelled():
                raise
            return None
        except Exception:
            if flight.orphaned:  # it used what its own request had, which is over
                return None
            raise
        return served if served.is_shared and not (flight.orphaned and served.slot is None) else None

    def peek(self, asked: Asked) -> Slot | None:
        """What this process has for `asked`, fresh; for those that cannot wait."""
        found = None if asked.known.never else self.key_of(asked)
        if found is None:
            return None
        slot = self.memory.get(found.key)
        if slot is None or slot.entry.material != found.material or not self.is_fresh(slot.entry):
            return None
        self.counts.hits[asked.known.plan.policy, "l1"] += 1
        return slot

    def key_of(self, asked: Asked) -> Looked | None:
        """What `asked` is found by, as far as its document is known; `None`: it is private and nobody's."""
        known = asked.known
        owner = ""
        if known.private:
            if asked.owner is None:
                return None
            owner = asked.owner
        vary = ((name, asked.value_of(name)) for name in known.vary)
        made = keys.material(known.head, asked.variables, asked.extensions, owner, vary)
        return Looked(keys.key(made), made, known.vary, known.private)

    def is_fresh(self, entry: Entry) -> bool:
        """Whether `entry` is within its time."""
        return self._clock.monotonic() - entry.stored_at < entry.ttl_seconds

    def said(self, slot: Slot, *, is_new: bool) -> Said:
        """What a response with `slot` says of itself now; `is_new`: it was executed for this request."""
        return Said.of(slot.entry, self._clock.monotonic(), is_new=is_new)

    def _within(self, entry: Entry, seconds: float) -> bool:
        return self._clock.monotonic() - entry.stored_at < entry.ttl_seconds + seconds

    async def _alone(self, asked: Asked, execute: Callable[[], Awaitable[Executed]], reason: str) -> Served:
        """Execute for this request and nobody else."""
        self.counts.misses[asked.known.plan.policy, reason] += 1
        token = EXECUTION.set(_execution_of(asked))
        try:
            executed = await execute()
        finally:
            leave(EXECUTION, token)
        return Served(None, executed.result, is_shared=False)

    async def _fill(
        self,
        asked: Asked,
        execute: Callable[[], Awaitable[Executed]],
        looked: Looked,
        fence: Fence,
        stale: Slot | None,
    ) -> Served:
        """Look into the shared store, else execute and store. Runs in a task of its own."""
        plan = asked.known.plan
        shared_fence = None
        if self.shared is not None:
            found = await self.shared.get(looked.key)
            shared_fence = found.fence
            entry = found.entry
            if entry is not None and entry.material == looked.material and self.is_fresh(entry):
                slot = self.memory.put(replace(entry, fence=fence))
                if slot is not None:
                    self.counts.hits[plan.policy, "l2"] += 1
                    return Served(slot)
        execution = _execution_of(asked)
        EXECUTION.set(execution)
        began = self._clock.monotonic()
        try:
            executed = await execute()
        except Exception:
            if stale is not None and self._serves_on_error(stale):
                self.counts.hits[plan.policy, "stale"] += 1
                return Served(stale)
            self.counts.misses[plan.policy, "error"] += 1
            raise
        self.counts.fills.observe(self._clock.monotonic() - began)
        if executed.refusal == "error" and stale is not None and self._serves_on_error(stale):
            self.counts.hits[plan.policy, "stale"] += 1
            return Served(stale)
        served, reason = self.settle(asked, execution, executed, fence, looked)
        self.counts.misses[plan.policy, reason] += 1
        if served.slot is not None and self.shared is not None and shared_fence is not None:
            self.shared.put_soon(replace(served.slot.entry, fence=shared_fence), self._refused_there)
        return served

    def _serves_on_error(self, stale: Slot) -> bool:
        return self.memory.holds(stale) and self._within(stale.entry, stale.entry.stale_if_error_seconds)

    def _refused_there(self) -> None:
        self.counts.refused["l2"] += 1

    def settle(
        self,
        asked: Asked,
        execution: Execution,
        executed: Executed,
        fence: Fence,
        looked: Looked | None,
    ) -> tuple[Served, str]:
        """Store what was executed, if it may be; with the reason for `misses`."""
        reads, known = asked.reads, asked.known
        private = known.private or execution.private
        own = execution.refusal or reads.refusal or executed.refusal
        if reads.unkeyed(private=private):
            own = own or "undeclared"
        new = {name for name in reads.all() if not name.startswith("*")} - set(known.vary)
        if new or private != known.private:
            known.learn(new, private=private)
        # Not what was known before this: another execution may have learned it while this one was under way.
        alike = looked is not None and (looked.vary, looked.private) == (known.vary, known.private)
        if own is not None or executed.body is None:
            return Served(None, executed.result, is_shared=alike and own == "error"), own or "error"
        ttl = min(known.plan.ttl_seconds, execution.ttl_seconds)
        found = None if known.never else looked if alike else self.key_of(asked)
        if found is None or ttl <= 0:
            reason = "no_time" if ttl <= 0 else "varies" if known.never else "no_principal"
            return Served(None, executed.result, is_shared=False), reason
        if self.shared is not None and not self.shared.hears:
            # Others may void it, and this process would not be told. Whoever began then and ends later has an old epoch.
            return Served(None, executed.result, is_shared=alike), "unheard"
        owner = (asked.owner or "") if private else ""
        entry = Entry(
            key=found.key,
            material=found.material,
            body=executed.body,
            content_type="application/json",
            etag=etag_of(executed.body, owner),
            policy=known.plan.policy,
            scope="PRIVATE" if private else "PUBLIC",
            vary=known.vary,
            marks=(*known.plan.marks, *execution.marks(), *([of_principal(owner)] if private else [])),
            fence=fence,
            stored_at=self._clock.monotonic(),
            ttl_seconds=ttl * (1.0 - JITTER * self._rng.random()),
            stale_while_revalidate_seconds=known.plan.stale_while_revalidate_seconds,
            stale_if_error_seconds=known.plan.stale_if_error_seconds,
        )
        slot = self.memory.put(entry)
        if slot is not None:
            return Served(slot, executed.result, is_shared=alike), "absent"
        if self.memory.order.voids(entry.marks, fence):
            self.counts.refused["l1"] += 1
            return Served(None, executed.result, is_shared=alike), "fence"
        return Served(None, executed.result, is_shared=alike), "too_large"

    def void(self, invalidation: Invalidation) -> None:
        """Void it in this process, at once; the others are told by `tell`."""
        if not invalidation:
            return
        self.memory.invalidate(invalidation, self._epoch())
        if self.shared is not None:
            self.shared.owe(invalidation)
        for mark in invalidation.marks:
            self.counts.invalidated[mark.partition(":")[0]] += 1
        self.counts.invalidated["tag_prefix"] += len(invalidation.tag_prefixes)
        self.counts.invalidated["everything"] += invalidation.everything

    async def tell(self) -> None:
        """Have the others know what was voided here; returns when the shared store has it, or is not there."""
        if self.shared is not None:
            for one in await self.shared.pay():
                # A read between the two may have brought back what the shared store still had.
                self.memory.invalidate(one, self._epoch())

    def tell_soon(self) -> None:
        """Tell the others, even when the one who asked for it no longer waits. Needs a running loop."""
        if self.shared is not None and (self._telling is None or self._telling.done()):
            self._telling = asyncio.create_task(self._tell_all(self.shared))

    async def _tell_all(self, shared: Shared) -> None:
        while shared.owes:
            await self.tell()

    def _told(self, invalidation: Invalidation) -> None:
        self.memory.invalidate(invalidation, self._epoch())

    def _lost(self) -> None:
        self.memory.clear(self._epoch())

    def _epoch(self) -> str:
        return f"{int(self._rng.random() * 2**53):014x}"

    async def close(self) -> None:
        """End all flights, tell what is still to be told, and end the shared store."""
        await self._flights.close()
        if self.shared is not None:
            await self._tell_all(self.shared)
            if self._telling is not None:
                await asyncio.wait((self._telling,))
            await self.shared.close()
        self.memory.clear(self._epoch())


def _execution_of(asked: Asked) -> Execution:
    execution = Execution()
    execution.parsed = asked.known.text, asked.known.document
    execution.passed = asked.known.passed
    return execution


def _is_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
