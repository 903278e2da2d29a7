"""A partition under `ValkeyClaims`: its events are claimed, its leases renewed while the handler works, then completed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from quickwins.dedup._core.ids import NEW, Answer, Progress, settle
from quickwins.dedup._core.scope import Scope
from quickwins.dedup.decision import Decision, Explanation
from quickwins.dedup.errors import Fenced
from quickwins.dedup.stores._base import ById, Work
from quickwins.dedup.stores._claims import claims_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping, Sequence

    from quickwins.dedup._core.batch import Batch
    from quickwins.dedup.identity import Identity, Record
    from quickwins.dedup.stores._base import Place
    from quickwins.dedup.stores._claims import Claim, Claimed, Claims, Hold

RENEWALS = 3
"""How often a lease is renewed in its time: two may fail."""


class Leases(ById):
    """One partition. One batch at a time."""

    def __init__(self, store: Claims, hold: Hold, identity: Identity) -> None:
        self.hold = hold
        self._store = store
        self._progress = Progress(identity, Scope(hold.place.group, identity.incarnation, hold.place.topic))

    @property
    def place(self) -> Place:
        """See `stores.Held`."""
        return self.hold.place

    @asynccontextmanager
    async def batch(
        self, records: Sequence[Record], *, on: bool, puts_aside: bool, passed: Mapping[int, BaseException]
    ) -> AsyncIterator[Work]:
        """See `stores.Held`."""
        store, hold = self._store, self.hold
        asking = self._progress.ask(records, puts_aside=puts_aside, passed=passed)
        claims = claims_of(asking)
        lease = _Lease(store, hold)
        found = await store.claim(hold, [*claims.values()])
        answers = {
            number: answer(claims[number], one)
            for number, one in zip(claims, found, strict=True)
            if not one.mine
        }
        owed = self._owed(claims, answers)
        settled = settle(asking, answers, on=on)
        await store.release(hold, [claims[number] for number in settled.spare])
        mine = {records[number].offset: claims[number] for number in settled.mine}
        made = [claims[number] for number in owed if number < settled.ended]
        try:
            async with lease.over([*mine.values()]):
                yield Work(settled.batch, None, hold.fence)
        except BaseException:
            await self._leave(settled.batch, mine)
            raise
        undone = settled.batch.undone
        made += [claim for offset, claim in mine.items() if offset not in undone]
        try:
            await lease.complete(made)
        except BaseException:
            store.owed.add(hold, made)
            raise
        store.owed.paid(hold, made)
        await self._give_back([mine[offset] for offset in undone if offset in mine])
        self._progress.move(settled)

    def _owed(self, claims: Mapping[int, Claim], answers: dict[int, Answer]) -> list[int]:
        """What is ours, and had its effect when Valkey was away: it is remembered now, and no effect is made again."""
        owed = [
            number
            for number, claim in claims.items()
            if number not in answers and self._store.owed.has(self.hold, claim)
        ]
        answers.update(dict.fromkeys(owed, Answer(Decision.DUP_OFFSET)))
        return owed

    async def _leave(self, batch: Batch, mine: Mapping[int, Claim]) -> None:
        """Remember what is known to have been done when a batch ends amid it, and give the rest back."""
        made = [claim for offset, claim in mine.items() if batch.singly and offset not in batch.undone]
        try:
            await self._store.complete(self.hold, made)
        except Exception:  # noqa: BLE001 -- this process knows, as long as it lives; until=never
            self._store.owed.add(self.hold, made)
        await self._give_back([claim for claim in mine.values() if claim not in made])

    async def _give_back(self, claims: Sequence[Claim]) -> None:
        try:
            await self._store.release(self.hold, claims)
        except Exception:  # noqa: BLE001 -- their leases end by themselves, and what comes next tells how the store is; until=never
            return

    async def explain(self, record: Record) -> Explanation:
        """See `stores.Held`."""
        asking = self._progress.ask_about(record)
        judged = asking.judged.get(0)
        if judged is not None and judged.refused is not None:
            return Explanation(judged.decision, str(judged.refused), {"reason": str(judged.refused.reason)})
        if judged is not None:
            why = (
                "its offset is below that of the next record"
                if judged.decision is Decision.DUP_OFFSET
                else "a policy leaves records of its kind out"
            )
            return Explanation(judged.decision, why)
        claim = claims_of(asking)[0]
        (found,) = await self._store.look(self.hold, [claim])
        evidence = {"id": claim.id.hex(), "first_at": found.done_at}
        decision = answer(claim, found).decision
        if decision is Decision.IN_PROGRESS:
            return Explanation(
                decision, f"another consumer holds a lease on it for {found.wait_seconds:.1f} s", evidence
            )
        if decision is Decision.NEW:
            return Explanation(decision, "nobody is known to have had its effect", evidence)
        return Explanation(decision, f"it had its effect, and came from {found.done_at}", evidence)


def answer(claim: Claim, found: Claimed) -> Answer:
    """What became of a claim, as a decision."""
    if found.done_at is not None:
        same = found.done_at == claim.at
        return Answer(Decision.DUP_OFFSET if same else Decision.DUP_SOURCE, found.altered)
    if found.mine:
        return NEW
    return Answer(Decision.IN_PROGRESS, wait_seconds=found.wait_seconds)


class _Lease:
    """Of some claims, from just before they were made."""

    def __init__(self, store: Claims, hold: Hold) -> None:
        self._store = store
        self._hold = hold
        self._loop = asyncio.get_running_loop()
        self._ends_at = self._loop.time() + store.lease_seconds
        self._lost = False

    @asynccontextmanager
    async def over(self, claims: Sequence[Claim]) -> AsyncIterator[None]:
        """Renew `claims` while the block works; one that is lost ends it.

        Raises:
            Fenced: Somebody else may work on them: a lease was lost, or could not be renewed in time.
        """
        if not claims:
            yield
            return
        try:
            async with asyncio.timeout_at(self._ends_at) as limit:
                renewing = asyncio.create_task(self._renew(claims, limit))
                try:
                    yield
                finally:
                    renewing.cancel()
                    await asyncio.gather(renewing, return_exceptions=True)
        except TimeoutError as error:
            if not limit.expired():
                raise
            why = "was lost to another consumer" if self._lost else "could not be renewed in time"
            raise Fenced(f"a lease on events of {self._where} {why}: the handler was ended") from error

    @property
    def _where(self) -> str:
        return f"{self._hold.place.topic}:{self._hold.place.partition}"

    async def _renew(self, claims: Sequence[Claim], limit: asyncio.Timeout) -> None:
        pause = self._store.lease_seconds / RENEWALS
        while True:
            await asyncio.sleep(pause)
            ends_at = self._loop.time() + self._store.lease_seconds
            try:
                still = await self._store.renew(self._hold, claims)
            except Exception:  # noqa: BLE001 -- it is tried again until the lease has ended; until=never
                pause = self._store.lease_seconds / RENEWALS / 4
                continue
            if not still:
                self._lost = True
                limit.reschedule(self._loop.time())
                return
            pause = self._store.lease_seconds / RENEWALS
            self._ends_at = ends_at
            limit.reschedule(ends_at)

    async def complete(self, claims: Sequence[Claim]) -> None:
        """Remember that effects were made; tried until the lease has ended.

        Raises:
            Fenced: Somebody else works on one of them, or has.
            Exception: What the store says, when it is away for longer than the lease.
        """
        while claims:
            try:
                ours = await self._store.complete(self._hold, claims)
            except Exception:
                pause = self._store.lease_seconds / RENEWALS / 4
                if self._loop.time() + pause >= self._ends_at:
                    raise
                await asyncio.sleep(pause)
                continue
            if ours:
                return
            raise Fenced(
                f"a lease on events of {self._where} was lost to another consumer before their effects were remembered"
            )
