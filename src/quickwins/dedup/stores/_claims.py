"""What a claim is, and the keys that claims have in Valkey."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

from quickwins.core.digest import digest
from quickwins.dedup._core.scope import PAYLOAD_BYTES, payload_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickwins.dedup._core.ids import Asking
    from quickwins.dedup.stores._base import Place

SHARDS = 16
"""Into how many slots of a cluster the claims of a group fall: a batch is one call for each, all in one round trip."""
TOKEN_BYTES = 16
MOST_OWED = 100_000


class Claim(NamedTuple):
    """What is claimed of one event.

    Attributes:
        id: 16 bytes that tell it from all others.
        payload: 8 bytes that tell its content, by which an id that was given twice is noticed; all zeros: not compared.
        at: Where it came from, `partition:offset`; by which an event that Kafka delivers again is told from one sent again.
    """

    id: bytes
    payload: bytes
    at: str


class Claimed(NamedTuple):
    """What became of one claim.

    Attributes:
        mine: It is ours, to make its effect.
        done_at: It had its effect, and came from there.
        altered: It had its effect with another payload.
        wait_seconds: Somebody else works on it, for so long at most.
    """

    mine: bool = False
    done_at: str | None = None
    altered: bool = False
    wait_seconds: float = 0.0


class Hold(NamedTuple):
    """A partition that this consumer works on.

    Attributes:
        place: Which.
        fence: Above those of all that had it before.
        token: Tells its claims from those of others.
        alone: It is of one event alone, whatever fences others have.
    """

    place: Place
    fence: int
    token: bytes
    alone: bool = False


class Owed:
    """Claims whose effects were made when Valkey was away, and could not be remembered: while this process lives, they count."""

    def __init__(self) -> None:
        self._claims: dict[tuple[bytes, bytes], None] = {}

    def add(self, hold: Hold, claims: Sequence[Claim]) -> None:
        """Their effects were made."""
        for claim in claims:
            self._claims[hold.token, claim.id] = None
        while len(self._claims) > MOST_OWED:
            del self._claims[next(iter(self._claims))]

    def has(self, hold: Hold, claim: Claim) -> bool:
        """Whether its effect was made, and is still to be remembered."""
        return (hold.token, claim.id) in self._claims

    def paid(self, hold: Hold, claims: Sequence[Claim]) -> None:
        """They are remembered."""
        if self._claims:
            for claim in claims:
                self._claims.pop((hold.token, claim.id), None)


class Claims(Protocol):
    """What a partition's batches ask of `ValkeyClaims`; explained there."""

    lease_seconds: float
    owed: Owed

    async def claim(self, hold: Hold, claims: Sequence[Claim]) -> list[Claimed]: ...
    async def look(self, hold: Hold, claims: Sequence[Claim]) -> list[Claimed]: ...
    async def renew(self, hold: Hold, claims: Sequence[Claim]) -> bool: ...
    async def complete(self, hold: Hold, claims: Sequence[Claim]) -> bool: ...
    async def release(self, hold: Hold, claims: Sequence[Claim]) -> None: ...


def claims_of(asking: Asking) -> dict[int, Claim]:
    """What to claim of the records that are wanted, by number."""
    claims = {}
    for number, one in asking.wanted.items():
        event = asking.event(number)
        claims[number] = Claim(one, payload_of(event), f"{event.record.partition}:{event.record.offset}")
    return claims


def _scope(place: Place) -> str:
    return digest(place.group, place.cluster, size_bytes=6).hex()


def fence_key(place: Place) -> str:
    at = digest(place.topic, b"%d" % place.partition, size_bytes=8).hex()
    return f"quickwins:fence:{{{_scope(place)}:{at}}}"


def by_shard(place: Place, claims: Sequence[Claim]) -> list[tuple[list[int], list[str]]]:
    """The numbers and keys of claims, by the slot that they fall into."""
    scope = _scope(place)
    shards: dict[int, tuple[list[int], list[str]]] = {}
    for number, claim in enumerate(claims):
        shard = claim.id[0] % SHARDS
        numbers, keys = shards.setdefault(shard, ([], []))
        numbers.append(number)
        keys.append(f"quickwins:claim:{{{scope}:{shard:x}}}:{claim.id.hex()}")
    return list(shards.values())


def claimed(claim: Claim, said: int | bytes) -> Claimed:
    if isinstance(said, int):
        return Claimed(wait_seconds=said / 1000)
    payload = said[1 + TOKEN_BYTES : 1 + TOKEN_BYTES + PAYLOAD_BYTES]
    at = said[1 + TOKEN_BYTES + PAYLOAD_BYTES :].decode()
    return Claimed(done_at=at, altered=payload != claim.payload)
