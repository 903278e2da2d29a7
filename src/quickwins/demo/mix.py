"""What clients of a feed ask for: a fixed mix of queries and mutations, by users and for things that are drawn by Zipf's law."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

EXPONENT = 1.1
"""Of Zipf's law: how much more often the first is asked for than the second, and so on."""


class Kind(StrEnum):
    """What is asked for, or changed."""

    FEED = "feed"
    PROFILE = "profile"
    POST = "post"
    SEARCH = "search"
    RENAME = "rename"
    WRITE = "write"


SHARES = {
    Kind.FEED: 0.40,
    Kind.PROFILE: 0.15,
    Kind.POST: 0.25,
    Kind.SEARCH: 0.17,
    Kind.RENAME: 0.01,
    Kind.WRITE: 0.02,
}
"""Of all requests. Written down before anything was measured, and not changed since."""

MUTATIONS = frozenset({Kind.RENAME, Kind.WRITE})
SEARCHES = 50
"""How many different words are searched for."""


@dataclass(frozen=True, slots=True)
class Request:
    """One request.

    Attributes:
        kind: What for.
        user: Who asks.
        thing: Which: a post's number or a word's; for the others it is the user.
    """

    kind: Kind
    user: int
    thing: int


def requests(count: int, *, users: int, posts: int, seed: int) -> Iterator[Request]:
    """So many requests; the same for the same arguments."""
    rng = Random(seed)  # noqa: S311 -- a load to repeat, not a secret; until=never
    kinds, shares = list(SHARES), list(SHARES.values())
    by_user, by_post, by_word = (_cumulated(many) for many in (users, posts, SEARCHES))
    for kind in rng.choices(kinds, shares, k=count):
        user = 1 + rng.choices(range(users), cum_weights=by_user)[0]
        thing = user
        if kind is Kind.POST:
            thing = 1 + rng.choices(range(posts), cum_weights=by_post)[0]
        elif kind is Kind.SEARCH:
            thing = rng.choices(range(SEARCHES), cum_weights=by_word)[0]
        yield Request(kind, user, thing)


def _cumulated(count: int) -> list[float]:
    return list(accumulate(1.0 / (number + 1) ** EXPONENT for number in range(count)))
