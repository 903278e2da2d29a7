"""The load: many independent clients asking the gateway for feeds, some users' much more often than others'."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING

from quickwins.core.errors import Rejected
from quickwins.demo.client import Answer
from quickwins.demo.protocol.graphql import PATH, TIMED_OUT_CODE
from quickwins.rig import Outcome, ZipfKeys, open_loop, poisson_arrivals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from quickwins.demo.client import HttpClient
    from quickwins.rig import LoadReport

QUERY = "query Feed($userId: Int!) { feed(userId: $userId) { id author body createdAt } }"
_POPULARITY_EXPONENT = 1.0


@dataclass(frozen=True, slots=True)
class Ending:
    """How one request ended.

    Attributes:
        due_seconds: When it was due, from the start of the load.
        ended_seconds: When its answer came or its client gave up, from the start of the load.
        outcome: How it ended.
    """

    due_seconds: float
    ended_seconds: float
    outcome: Outcome

    @property
    def latency_seconds(self) -> float:
        """From when it was due, so that a late load generator counts too."""
        return self.ended_seconds - self.due_seconds


@dataclass(frozen=True, slots=True)
class Load:
    """What is offered: when each request arrives, and whose feed it asks for."""

    arrivals: Sequence[float]
    user_ids: Sequence[int]

    @classmethod
    def drawn(cls, *, rate_per_second: float, duration_seconds: float, users: int, seed: int) -> Load:
        """Poisson arrivals, for users drawn by Zipf's law; the same seed gives the same load."""
        arrivals = poisson_arrivals(
            rate_per_second=rate_per_second,
            duration_seconds=duration_seconds,
            rng=Random(seed),  # noqa: S311 -- a load to repeat, not a secret; until=never
        )
        keys = ZipfKeys(users, _POPULARITY_EXPONENT, Random(f"users of {seed}"))  # noqa: S311 -- a load to repeat, not a secret; until=never
        return cls(arrivals, [keys.draw() + 1 for _ in arrivals])


@dataclass(frozen=True, slots=True)
class Offered:
    """What became of a load: the rig's report, and each ending, for figures of parts of it."""

    report: LoadReport
    endings: Sequence[Ending] = field(repr=False)


def request_body(user_id: int) -> bytes:
    """The GraphQL request for one user's feed."""
    return json.dumps({"query": QUERY, "variables": {"userId": user_id}}).encode()


def outcome_of(answer: object) -> Outcome:
    """What the gateway's answer, or the exception instead of one, counts as.

    Only the service itself can say that it refused or that a deadline passed; anything else that is not a feed failed.
    """
    if isinstance(answer, Answer) and answer.status == 200:  # noqa: PLR2004 -- HTTP's OK; until=never
        errors = json.loads(answer.body).get("errors")
        if not errors:
            return Outcome.OK
        code = errors[0].get("extensions", {}).get("code")
        if code == Rejected.graphql_code:
            return Outcome.REJECTED
        if code == TIMED_OUT_CODE:
            return Outcome.TIMED_OUT
    return Outcome.FAILED


async def offer(
    client: HttpClient, load: Load, *, timeout_seconds: float, duration_seconds: float
) -> Offered:
    """Send the whole load, whether or not anything answers.

    Args:
        client: Connected to the gateway.
        load: What to send.
        timeout_seconds: When a client gives up.
        duration_seconds: How long the load lasts, for the rates in the report.
    """
    endings: list[Ending] = []
    arrivals = load.arrivals

    def ended(index: int, outcome: Outcome, latency_seconds: float) -> None:
        due = arrivals[index]
        endings.append(Ending(due, due + latency_seconds, outcome))

    report = await open_loop(
        lambda index: client.request("POST", PATH, request_body(load.user_ids[index])),
        arrivals,
        timeout_seconds=timeout_seconds,
        duration_seconds=duration_seconds,
        classify=outcome_of,
        on_outcome=ended,
    )
    return Offered(report, endings)
