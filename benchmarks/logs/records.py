"""What is logged in the benchmarks: seeded, and many different records of each kind."""

from __future__ import annotations

import base64
import json
from random import Random

MANY = 4_000


def clean(rng: Random) -> dict[str, object]:
    """Five fields as requests have them; few different strings."""
    return {
        "hit": rng.random() < 0.5,
        "posts": rng.randrange(100),
        "duration_ms": round(rng.random() * 100, 3),
        "policy": rng.choice(["public", "user", "search"]),
        "route": f"/feed/{{shard{rng.randrange(20)}}}",
    }


def unseen(rng: Random) -> dict[str, object]:
    """The same, and an id that comes once."""
    return {**clean(rng), "job": f"{rng.getrandbits(64):016x}-{rng.getrandbits(32):08x}"}


def nested(rng: Random) -> dict[str, object]:
    """A dictionary in a dictionary, and a list."""
    return {
        "hit": rng.random() < 0.5,
        "query": {
            "name": rng.choice(["Feed", "Search", "Profile"]),
            "cost": {"fields": rng.randrange(50), "depth": rng.randrange(8)},
            "types": ["Post", "User"],
        },
    }


def secret(rng: Random) -> dict[str, object]:
    """Four secrets: an address, a web token, an authorization, a card; half of them within a sentence. All made up here."""
    head = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').decode().rstrip("=")
    body = base64.urlsafe_b64encode(json.dumps({"sub": rng.getrandbits(60)}).encode()).decode().rstrip("=")
    signature = base64.urlsafe_b64encode(rng.randbytes(32)).decode().rstrip("=")
    digits = [4, *(rng.randrange(10) for _ in range(14))]
    total = sum(sum(divmod(digit * 2, 10)) if place % 2 == 0 else digit for place, digit in enumerate(digits))
    card = "".join(map(str, [*digits, -total % 10]))
    fields = {
        "who": f"user{rng.randrange(10_000)}@example.com",
        "sent": f"{head}.{body}.{signature}",
        "with": f"Bearer {rng.randbytes(20).hex()}",
        "paid": f"{card[:4]} {card[4:8]} {card[8:12]} {card[12:]}",
    }
    return {name: f"it was {text} this time" if rng.random() < 0.5 else text for name, text in fields.items()}


def made(kind: str) -> list[dict[str, object]]:
    """Many records of a kind: clean, unseen, nested or secret."""
    rng = Random(f"{kind}-1")
    make = {"clean": clean, "unseen": unseen, "nested": nested, "secret": secret}[kind]
    return [make(rng) for _ in range(MANY if kind != "unseen" else 10 * MANY)]
