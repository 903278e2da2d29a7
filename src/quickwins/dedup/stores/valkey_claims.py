"""Effects outside of any database of ours: a claim on each event in Valkey or Redis, held while its effect is made.

The rules:

- Absent: nobody works on the event, and it is not known to have had its effect. In progress: somebody works on it and holds
  a lease, told by a token. Done: it had its effect, and that is remembered for `keep_seconds`.
- Only the holder of the token renews, completes or gives back. A lease that was not renewed ends, and then anybody may claim.
- So an effect is made at least once, and between two that are both made stands a crash, a lost lease or a lost Valkey. The
  sink alone can tell: by the idempotency key, which is the same each time, or by the fence, which grows each time a
  partition changes hands.
- A Valkey that comes back empty has forgotten claims, never the order of fences: a new one is above the clock, above the
  last one where that is known, and above the floor of a sink that is asked for it.
"""

from __future__ import annotations

import asyncio
import math
import secrets
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from quickwins.core.digest import digest
from quickwins.core.errors import ConfigError, needs_extra
from quickwins.core.given import between
from quickwins.dedup._core.ids import ask
from quickwins.dedup._core.scope import Scope
from quickwins.dedup.checked import Checked
from quickwins.dedup.decision import Decision
from quickwins.dedup.errors import Fenced
from quickwins.dedup.stores import _claim_scripts as scripts
from quickwins.dedup.stores._claims import (
    TOKEN_BYTES,
    Claimed,
    Hold,
    Owed,
    by_shard,
    claimed,
    claims_of,
    fence_key,
)
from quickwins.dedup.stores._leases import Leases, answer
from quickwins.dedup.stores._postgres import transient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from quickwins.dedup.identity import Identity, Record
    from quickwins.dedup.stores._base import Place
    from quickwins.dedup.stores._claims import Claim

_SCHEMES = ("redis", "rediss", "valkey", "valkeys", "unix")
_ANSWER_SECONDS = 5.0
_FENCE_SECONDS = 86_400 * 7


_MINE = Claimed(mine=True)


class _Ending:
    def __init__(self, store: ValkeyClaims, hold: Hold, claim: Claim) -> None:
        self._store = store
        self._hold = hold
        self._claim = claim

    async def done(self) -> bool:
        return await self._store.complete(self._hold, [self._claim])

    async def failed(self) -> None:
        await self._store.release(self._hold, [self._claim])


class ValkeyClaims:
    """Claims in Valkey or Redis, single or cluster. Belongs to one event loop.

    Attributes:
        lease_seconds: How long a claim holds without being renewed.
        keep_seconds: How long it is remembered that an event had its effect.
        owed: What was done and is still to be remembered.
    """

    transactional = False

    def __init__(
        self,
        url: str,
        *,
        lease_seconds: float = 30.0,
        keep_seconds: float = 86_400.0,
        floor: Callable[[str, int], Awaitable[int]] | None = None,
    ) -> None:
        """Nothing is connected to yet.

        Args:
            url: `redis://`, `rediss://` (TLS), `valkey://`, `valkeys://` or `unix://`; of any node of a cluster. A password
                belongs into the environment.
            lease_seconds: For how long nobody else may work on an event after its consumer was killed, 1 to 3,600. While it
                lives it renews its leases; one that it could not renew in time ends the handler.
            keep_seconds: From `lease_seconds` to a year. An event that is sent again later is new again.
            floor: Asked with topic and partition whenever this consumer gets one: the highest fence that the sink has seen.
                Without, fences are in order as long as the server's clock does not go back while its memory is lost.

        Raises:
            ConfigError: An argument is out of its bounds.
        """
        if urlsplit(str(url)).scheme not in _SCHEMES:
            raise ConfigError(f"ValkeyClaims takes a URL that begins with one of {', '.join(_SCHEMES)}")
        self.lease_seconds = between("lease_seconds", lease_seconds, 1, 3_600)
        self.keep_seconds = between("keep_seconds", keep_seconds, lease_seconds, 366 * 86_400)
        self._url = url
        self._floor = floor
        self._answer_seconds = min(_ANSWER_SECONDS, lease_seconds / 3)
        self._client: Any = None
        self.owed = Owed()
        self._connecting = asyncio.Lock()
        self._secret = secrets.token_bytes(TOKEN_BYTES)

    def __repr__(self) -> str:
        at = urlsplit(self._url)
        return f"<ValkeyClaims at {at.hostname or at.path}:{at.port or 6379}, lease_seconds={self.lease_seconds:g}>"

    def check(self, identity: Identity) -> None:
        """See `Store`: any identity will do."""

    async def prepare(self) -> None:
        """Connect, and find out whether it is a cluster.

        Raises:
            ConfigError: The server throws keys away when it is full.
            valkey.exceptions.ValkeyError: It cannot be reached.
            MissingExtraError: The extra `dedup` is not installed.
        """
        async with self._connecting:
            if self._client is None:
                self._client = await self._connected()

    async def close(self) -> None:
        """Close its connections; `prepare` opens them again. Any number of times."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def take(self, place: Place, identity: Identity, partitions: int) -> Leases:  # noqa: ARG002 -- as for every store: claims go by no partition; until=never
        """See `Store`.

        Raises:
            valkey.exceptions.ValkeyError: It cannot be reached.
            Exception: What `floor` raises.
        """
        return Leases(self, await self.hold(place), identity)

    async def hold(self, place: Place, *, alone: bool = False) -> Hold:
        """Begin to work on a partition, with a fence above all before.

        Args:
            place: Which one.
            alone: Not on the whole of it: others may work on it as well, and claims are told from theirs.

        Raises:
            valkey.exceptions.ValkeyError: It cannot be reached.
            Exception: What `floor` raises.
        """
        floor = 0 if self._floor is None else await self._floor(place.topic, place.partition)
        keep = _milliseconds(max(self.keep_seconds, _FENCE_SECONDS))
        (fence,) = await self._run((scripts.FENCE, [fence_key(place)], [floor, keep]))
        if alone:
            return Hold(place, fence, secrets.token_bytes(TOKEN_BYTES), alone)
        # The same for a partition each time: what this consumer had claimed before Valkey was away is its own.
        return Hold(place, fence, digest(*place[:3], b"%d" % place.partition, key=self._secret))

    async def claim(self, hold: Hold, claims: Sequence[Claim]) -> list[Claimed]:
        """Claim events, in one round trip; those that are ours already are ours for another lease.

        Raises:
            Fenced: Another consumer has taken the partition since; nothing is claimed.
            valkey.exceptions.ValkeyError: It cannot be reached. Some of them may be ours then: claim them again.
        """
        keep = _milliseconds(max(self.keep_seconds, _FENCE_SECONDS))
        shards = by_shard(hold.place, claims)
        lease = _milliseconds(self.lease_seconds)
        fence = [] if hold.alone else [(scripts.HOLD, [fence_key(hold.place)], [hold.fence, keep])]
        answers = await self._run(
            *fence,
            *((scripts.CLAIM, keys, [hold.token, lease]) for _, keys in shards),
        )
        if fence and not answers.pop(0):
            await self.release(hold, claims)
            raise Fenced(
                f"another consumer has taken {hold.place.topic}:{hold.place.partition} since: nothing was claimed"
            )
        found = [_MINE] * len(claims)
        for (numbers, _), said in zip(shards, answers, strict=True):
            for number, one in zip(numbers, said, strict=True):
                if one != 0:
                    found[number] = claimed(claims[number], one)
        return found

    async def renew(self, hold: Hold, claims: Sequence[Claim]) -> bool:
        """Hold claims for another lease; whether all are still ours.

        Raises:
            valkey.exceptions.ValkeyError: It cannot be reached.
        """
        lease = _milliseconds(self.lease_seconds)
        answers = await self._run(
            *((scripts.RENEW, keys, [hold.token, lease]) for _, keys in by_shard(hold.place, claims))
        )
        return all(map(all, answers))

    async def complete(self, hold: Hold, claims: Sequence[Claim]) -> bool:
        """Remember that the effects of claims were made; whether all were still ours.

        Those that were are remembered, whatever the others are. May be called again when its answer was lost.

        Raises:
            valkey.exceptions.ValkeyError: It cannot be reached.
        """
        keep = _milliseconds(self.keep_seconds)
        answers = await self._run(
            *(
                (
                    scripts.COMPLETE,
                    keys,
                    [
                        hold.token,
                        keep,
                        *(claims[number].payload + claims[number].at.encode() for number in numbers),
                    ],
                )
                for numbers, keys in by_shard(hold.place, claims)
            )
        )
        return all(map(all, answers))

    async def release(self, hold: Hold, claims: Sequence[Claim]) -> None:
        """Give claims back without an effect, those that are ours.

        Raises:
            valkey.exceptions.ValkeyError: It cannot be reached; their leases end by themselves.
        """
        await self._run(*((scripts.RELEASE, keys, [hold.token]) for _, keys in by_shard(hold.place, claims)))

    async def look(self, hold: Hold, claims: Sequence[Claim]) -> list[Claimed]:
        """What would become of claims; nothing changes.

        Raises:
            valkey.exceptions.ValkeyError: It cannot be reached.
        """
        found: list[Claimed] = [_MINE] * len(claims)
        shards = by_shard(hold.place, claims)
        answers = await self._run(*((scripts.LOOK, keys, [hold.token]) for _, keys in shards))
        for (numbers, _), said in zip(shards, answers, strict=True):
            for number, one in zip(numbers, said, strict=True):
                if one != 0:
                    found[number] = claimed(claims[number], one)
        return found

    async def check_one(self, place: Place, identity: Identity, record: Record, *, on: bool) -> Checked:
        """See `Deduplicator.check`."""
        scope = Scope(place.group, identity.incarnation, place.topic)
        asking = ask(identity, [record], scope=scope, next_offset=None, puts_aside=False, passed=())
        if asking.stopped is not None:
            raise asking.stopped.refused or AssertionError
        (event,), judged = asking.events, asking.judged.get(0)
        if judged is not None:
            return Checked(judged.decision, event)
        hold, claim = await self.hold(place, alone=True), claims_of(asking)[0]
        (found,) = await self.claim(hold, [claim])
        said = answer(claim, found)
        decision = said.decision if on else Decision.NEW
        if not found.mine:
            return Checked(decision, event, hold.fence, claim.id.hex(), said.wait_seconds)
        return Checked(decision, event, hold.fence, claim.id.hex(), ending=_Ending(self, hold, claim))

    def transient(self, error: BaseException) -> bool:
        """Whether `error` says that the store, or a database that the handler uses, was away or too busy."""
        from valkey import exceptions as said

        away = (said.ConnectionError, said.TimeoutError, said.ClusterDownError, said.ReadOnlyError)
        return isinstance(error, away) or transient(error)

    async def _connected(self) -> Any:
        with needs_extra("dedup"):
            from valkey.asyncio import Valkey, ValkeyCluster
            from valkey.asyncio.retry import Retry
            from valkey.backoff import NoBackoff
            from valkey.exceptions import ConnectionError as Lost
        options: dict[str, Any] = {
            "socket_timeout": self._answer_seconds,
            "socket_connect_timeout": self._answer_seconds,
            # A connection of a server that was started again meanwhile: each script may be run twice.
            "retry": Retry(NoBackoff(), 1),
            "retry_on_error": [Lost],
        }
        client: Any = Valkey.from_url(self._url, **options)
        try:
            about = await client.info("everything")
            _check_memory(about)
            if about.get("cluster_enabled"):
                await client.aclose()
                client = ValkeyCluster.from_url(self._url, **options)
                await client.initialize()
        except BaseException:
            await client.aclose()
            raise
        return client

    async def _run(self, *calls: tuple[str, list[str], list[Any]]) -> list[Any]:
        """Scripts in one round trip, of a cluster's nodes at the same time."""
        if not calls:
            return []
        from valkey import exceptions as said

        if self._client is None:
            raise ConfigError("ValkeyClaims is used inside of `attach`, or between `prepare` and `close`")
        pipeline = (
            self._client.pipeline() if _is_cluster(self._client) else self._client.pipeline(transaction=False)
        )
        async with pipeline:
            for script, keys, arguments in calls:
                pipeline.execute_command("EVAL", script, len(keys), *keys, *arguments)
            try:
                async with asyncio.timeout(3 * self._answer_seconds):
                    answers: list[Any] = await pipeline.execute()
            except said.ReadOnlyError:
                # The server is a replica since a failover: its name may stand for another one now.
                if not _is_cluster(self._client):
                    await self._client.connection_pool.disconnect()
                raise
        return answers


def _check_memory(about: dict[str, Any]) -> None:
    policy = about.get("maxmemory_policy", "noeviction")
    if about.get("maxmemory") and policy != "noeviction":
        raise ConfigError(
            f"the server throws keys away when it is full (maxmemory-policy {policy}), and claims with them: have it say "
            "noeviction"
        )


def _is_cluster(client: Any) -> bool:
    return hasattr(client, "nodes_manager")


def _milliseconds(seconds: float) -> int:
    return math.ceil(seconds * 1000)
