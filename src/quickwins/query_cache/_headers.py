"""What an answer says of itself in HTTP: `Cache-Control`, `Age`, `Vary`, `ETag` (RFC 9110 and 9111)."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import blake2b
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from quickwins.query_cache._store import Entry
    from quickwins.query_cache.policy import Scope

NO_STORE = "no-store"


@dataclass(frozen=True, slots=True)
class Said:
    """What a response says of how long it lasts.

    Attributes:
        ttl_seconds: From when it was made.
        age_seconds: How long ago that was; `None`: just now.
        scope: Whose it is.
        vary: What it varied on.
        stale_while_revalidate_seconds: As in a policy.
        stale_if_error_seconds: As in a policy.
        etag: Of its content; `None` for a batch.
    """

    ttl_seconds: int
    age_seconds: int | None
    scope: Scope
    vary: tuple[str, ...]
    stale_while_revalidate_seconds: int
    stale_if_error_seconds: int
    etag: str | None

    @classmethod
    def of(cls, entry: Entry, now: float, *, is_new: bool) -> Said:
        """What `entry` says at `now`."""
        return cls(
            int(entry.ttl_seconds),
            None if is_new else max(0, int(now - entry.stored_at)),
            entry.scope,
            entry.vary,
            int(entry.stale_while_revalidate_seconds),
            int(entry.stale_if_error_seconds),
            entry.etag,
        )

    @classmethod
    def together(cls, all_said: Iterable[Said]) -> Said:
        """What several say that are one response: what is left of the first to end, for the narrowest scope."""
        found = list(all_said)
        left = min(one.ttl_seconds - (one.age_seconds or 0) for one in found)
        return cls(
            max(0, left),
            None,
            "PRIVATE" if any(one.scope == "PRIVATE" for one in found) else "PUBLIC",
            tuple(sorted({name for one in found for name in one.vary})),
            min(one.stale_while_revalidate_seconds for one in found),
            min(one.stale_if_error_seconds for one in found),
            found[0].etag if len(found) == 1 else None,
        )

    def headers(self) -> list[tuple[str, str]]:
        """Names in lower case, and values."""
        control = f"max-age={self.ttl_seconds}, {self.scope.lower()}"
        if self.stale_while_revalidate_seconds:
            control += f", stale-while-revalidate={self.stale_while_revalidate_seconds}"
        if self.stale_if_error_seconds:
            control += f", stale-if-error={self.stale_if_error_seconds}"
        found = [("cache-control", control)]
        if self.age_seconds is not None:
            found.append(("age", str(self.age_seconds)))
        if self.etag is not None:
            found.append(("etag", self.etag))
        names = {"cookie" if name.startswith("cookie:") else name for name in self.vary}
        if self.scope == "PRIVATE":
            # A browser keeps what is private when its user logs out and another one in.
            names |= {"authorization", "cookie"}
        if names:
            found.append(("vary", ", ".join(sorted(names))))
        return found


def etag_of(body: bytes, owner: str) -> str:
    """The weak entity tag of `body` for one principal: two principals' equal answers have different ones."""
    return f'W/"{blake2b(body, digest_size=12, key=owner.encode()[:64]).hexdigest()}"'


def matches(etag: str, if_none_match: str) -> bool:
    """Whether a client has it already, by the weak comparison (RFC 9110, 13.1.2)."""
    if if_none_match.strip() == "*":
        return True
    plain = etag.removeprefix("W/")
    return any(one.strip().removeprefix("W/") == plain for one in if_none_match.split(","))
