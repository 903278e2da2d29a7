"""Seeded records of every shape, secrets planted in them. None raises, each is one valid line, none leaks."""

from __future__ import annotations

import json
import string
from random import Random
from typing import Any

import pytest

from quickwins.logs import Redaction
from quickwins.logs._context import Context
from quickwins.logs._levels import LEVELS
from quickwins.logs._render.line import Renderer
from quickwins.logs._render.values import UNSAFE
from quickwins.logs.redaction._scan import Scanner
from tests.soak import times

VOLUME = times(100_000, soak=1_000_000)
SEED = 20_260
WORDS = [
    "feed",
    "served",
    "from",
    "shard",
    "7",
    "in",
    "ms",
    "größe",
    "価格",
    "ok",
    "retry",
    "v1.2.3",
    "2026-01-02",
    "/feed",
]
ODD = [
    "\n",
    "\r\n",
    "\u2028",
    "\x85",
    "\x1b[2J",
    "\x7f",
    "\x00",
    "\u202e",
    "\ud800",
    '"',
    "\\",
    "}",
    "{",
    "\t",
    "😀",
]
KEYS = [
    "posts",
    "shard",
    "note",
    "kind",
    "ref",
    "timestamp",
    "seq",
    "event.name",
    "attributes",
    "hit",
    "detail",
]
SENSITIVE = [
    "password",
    "Api-Key",
    "ACCESS_TOKEN",
    "client secret",
    "Authorization",
    "set.cookie",
    "creditCardNumber",
]


class Object:
    """What an application hands over by mistake: what it says of itself is private."""

    def __init__(self, secret: str) -> None:
        self.secret = secret

    def __repr__(self) -> str:
        return self.secret

    __str__ = __repr__


class Fuzz:
    """Makes records, and remembers the secrets in the one at hand."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.secrets: list[str] = []

    def token(self, length: int = 24) -> str:
        return "".join(self.rng.choices(string.ascii_letters + string.digits, k=length))

    def card(self) -> str:
        digits = [4, *(self.rng.randrange(10) for _ in range(14))]
        total = sum(sum(divmod(one * 2, 10)) if place % 2 == 0 else one for place, one in enumerate(digits))
        return "".join(map(str, [*digits, -total % 10]))

    def shaped(self) -> str:
        """A secret that its looks give away, in text; what must not be shown of it is noted."""
        rng, token = self.rng, self.token()
        match rng.randrange(10):
            case 0:
                secret, text = f"{token[:10]}@{token[10:16]}.example", None
            case 1:
                secret, text = token, f"Bearer {token}"
            case 2:
                secret = self.card()
                text = (
                    secret if rng.random() < 0.5 else " ".join(secret[at : at + 4] for at in range(0, 16, 4))
                )
                secret = text
            case 3:
                secret, text = token, f"eyJ{self.token(12)}.eyJ{token}.{self.token(20)}"
            case 4:
                secret, text = token, f"https://user:{token}@db.example/feed"
            case 5:
                secret, text = token, f"/feed?first=10&after={token}#top"
            case 6:
                secret, text = "+1202555" + f"{rng.randrange(10_000):04}", None
            case 7:
                secret, text = token + token[:12], "gh" + "p_" + token + token[:12]
            case 8:
                secret, text = (
                    token * 3,
                    f"-----BEGIN PRIVATE KEY-----\n{token * 3}\n-----END PRIVATE KEY-----",
                )
            case _:
                secret, text = token, f"password={token}"
        self.secrets.append(secret)
        return secret if text is None else text

    def text(self) -> str:
        rng = self.rng
        parts = rng.choices(WORDS, k=rng.randrange(6))
        if rng.random() < 0.3:
            parts.insert(rng.randrange(len(parts) + 1), rng.choice(ODD))
        if rng.random() < 0.4:
            parts.insert(rng.randrange(len(parts) + 1), self.shaped())
        return " ".join(parts)

    def hidden(self) -> str:
        self.secrets.append(self.token())
        return self.secrets[-1]

    def value(self, depth: int = 0) -> Any:  # noqa: PLR0911 -- one return for each kind of value; until=never
        rng = self.rng
        match rng.randrange(14 if depth < 4 else 9):
            case 0 | 1 | 2:
                return self.text()
            case 3:
                return rng.randrange(-(1 << 40), 1 << 40) if rng.random() < 0.8 else rng.getrandbits(70)
            case 4:
                return rng.choice([None, True, False, 1.5, float("inf")])
            case 5:
                return Object(self.hidden())
            case 6:
                return self.hidden().encode()
            case 7:
                return ValueError(self.hidden())
            case 8:
                card = self.card()
                self.secrets.append(card)
                return int(card)
            case 9 | 10:
                return [self.value(depth + 1) for _ in range(rng.randrange(4))]
            case 11:
                return tuple(self.value(depth + 1) for _ in range(rng.randrange(4)))
            case _:
                return self.mapping(depth + 1)

    def mapping(self, depth: int = 0) -> dict[Any, Any]:
        rng = self.rng
        made: dict[Any, Any] = {}
        for _ in range(rng.randrange(5)):
            if rng.random() < 0.15:
                made[rng.choice(SENSITIVE)] = self.hidden() if rng.random() < 0.7 else [self.hidden()]
            elif depth and rng.random() < 0.1:
                made[rng.choice([1, None, 2.5, (1,), self.text()])] = self.value(depth)
            else:
                made[rng.choice(KEYS)] = self.value(depth)
        return made


@pytest.mark.no_cover  # tracing takes longer than the records
@pytest.mark.parametrize("records", [2_000, pytest.param(VOLUME, marks=pytest.mark.volume)])
def test_no_record_raises_breaks_a_line_or_leaks(records: int) -> None:
    fuzz = Fuzz(Random(SEED))
    renderer = Renderer(
        Scanner(Redaction.strict()), service="feed", declared={"cache.access": ("cache", "hit")}
    )
    problems: list[str] = []
    for number in range(records):
        fuzz.secrets.clear()
        context = Context(fuzz.mapping() if number % 4 == 0 else {})
        event = fuzz.text() if number % 8 == 0 else "cache.access" if number % 2 else "feed.served"
        fields = fuzz.mapping()
        if number % 16 == 0:
            fields["exc_info"] = ValueError(fuzz.hidden())
        line = renderer.line(LEVELS[number % 5], event, fields, context) + b"}"
        shown = line.decode()
        told = json.loads(line)
        if UNSAFE.search(shown) or type(told) is not dict:
            problems.append(f"{number}: not one line: {line!r}")
        if told.get("log.error", "a line").startswith("a line") is False:
            problems.append(f"{number}: {told}")
        leaked = [secret for secret in fuzz.secrets if secret in shown]
        if leaked:
            problems.append(f"{number}: leaks {leaked}: {line!r}")
        if len(problems) > 10:
            break
    assert problems == []


def test_the_fuzz_finds_a_renderer_that_leaks() -> None:
    fuzz = Fuzz(Random(SEED))
    leaky = Renderer(Scanner(Redaction.none()), service="feed", declared={})
    leaks = 0
    for _ in range(200):
        fuzz.secrets.clear()
        line = leaky.line(LEVELS[1], "x", fuzz.mapping(), Context({}))
        leaks += any(secret.encode() in line for secret in fuzz.secrets)
    assert leaks > 20
