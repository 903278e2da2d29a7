"""Secrets that are made up, and how they are found again in what a service wrote, however it was written. Pure.

The rule: a secret has leaked when `WINDOW` characters of it in a row are found, in either case, plain or reversed, or
in base64 (at any alignment, both alphabets), hexadecimal, percent-encoded or JSON-escaped.

The trap: only the random part of a secret is looked for. `Bearer`, `@example.com` and the like are in clean logs, too.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from random import Random

WINDOW = 10
"""Characters. Two of 36 letters and digits agree by accident once in 10**15 times, so no log is blamed for bad luck."""

_BASE64_WINDOW = 12  # how much of a base64 text ten bytes decide, wherever they begin
_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_DIGITS = "0123456789"
_MIXED = _LETTERS + _DIGITS + _LETTERS.upper()


class Shape(StrEnum):
    """What a secret looks like."""

    OPAQUE = "opaque"
    EMAIL = "email"
    PHONE = "phone"
    CARD = "card"
    JWT = "jwt"
    BEARER = "bearer"
    GITHUB = "github token"
    STRIPE = "stripe key"
    AWS = "aws key"
    DSN = "url with a password"
    PEM = "private key"


class Encoding(StrEnum):
    """How it was written."""

    PLAIN = "plain"
    REVERSED = "reversed"
    BASE64 = "base64"
    HEX = "hexadecimal"
    URL = "percent-encoded"
    JSON = "JSON-escaped"


@dataclass(frozen=True, slots=True)
class Canary:
    """One secret.

    Attributes:
        place: Where it is planted, such as `headers.authorization`.
        shape: What it looks like.
        text: What is planted.
        cores: The parts of it that nobody can guess: one; of a token, its signature and who it is about.
    """

    place: str
    shape: Shape
    text: str
    cores: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Leak:
    """One secret that was found. It does not contain the secret itself.

    Attributes:
        canary: Which.
        encoding: How it was written.
        line: In which line, from 1.
    """

    canary: Canary
    encoding: Encoding
    line: int

    def __str__(self) -> str:
        return f"{self.canary.place} ({self.canary.shape}), {self.encoding}, line {self.line}"


_SHAPES = {
    Shape.OPAQUE: (_MIXED, 24, "{}"),
    Shape.EMAIL: (_LETTERS + _DIGITS, 24, "{}@canary.example.com"),
    Shape.PHONE: ("123456789", 11, "+49{}"),
    Shape.CARD: (_DIGITS, 14, "{}"),
    Shape.JWT: (_MIXED, 43, "{}"),
    Shape.BEARER: (_MIXED, 24, "Bearer {}"),
    Shape.GITHUB: (_MIXED, 36, "ghp_{}"),
    Shape.STRIPE: (_MIXED, 24, "sk_live_{}"),
    Shape.AWS: (_LETTERS.upper() + "234567", 16, "AKIA{}"),
    Shape.DSN: (_MIXED, 24, "postgresql://app:{}@db.example.com:5432/app"),
    Shape.PEM: (_MIXED, 64, "-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n"),
}


def make(place: str, shape: Shape, rng: Random) -> Canary:
    """A secret of that shape that nobody has seen before."""
    alphabet, length, template = _SHAPES[shape]
    core = "".join(rng.choices(alphabet, k=length))
    if shape is Shape.CARD:
        core = _card(f"4{core}")
    if shape is not Shape.JWT:
        return Canary(place, shape, template.format(core), (core,))
    who = "".join(rng.choices(_MIXED, k=24))
    payload = base64.urlsafe_b64encode(f'{{"sub":"{who}"}}'.encode()).rstrip(b"=").decode()
    return Canary(place, shape, f"eyJhbGciOiJIUzI1NiJ9.{payload}.{core}", (core, who))  # {"alg":"HS256"}


def _card(digits: str) -> str:
    """`digits` with the one that makes them the number of a card (ISO/IEC 7812-1, annex B)."""
    doubled = [int(digit) * 2 for digit in digits[::-2]]
    total = sum(number - 9 if number > 9 else number for number in doubled) + sum(map(int, digits[-2::-2]))  # noqa: PLR2004 -- the sum of its digits; until=never
    return f"{digits}{-total % 10}"


class Finder:
    """Finds secrets in bytes. The tables are made once, some hundred entries for each secret."""

    def __init__(self, canaries: Iterable[Canary]) -> None:
        self._tables: dict[int, dict[bytes, tuple[Canary, Encoding]]] = {}
        for canary in canaries:
            for core in canary.cores:
                for encoding, piece in _pieces(core):
                    self._tables.setdefault(len(piece), {}).setdefault(piece, (canary, encoding))

    def find(self, data: bytes) -> list[Leak]:
        """Each secret once for each encoding it was found in; takes about half a second for a megabyte."""
        lowered = data.lower()
        found: dict[tuple[Canary, Encoding], int] = {}
        for length, table in self._tables.items():
            for start in range(len(lowered) - length + 1):
                piece = lowered[start : start + length]
                if piece in table:
                    found.setdefault(table[piece], start)
        return [
            Leak(canary, encoding, lowered.count(b"\n", 0, start) + 1)
            for (canary, encoding), start in found.items()
        ]


def _pieces(core: str) -> Iterator[tuple[Encoding, bytes]]:
    """What to look for in a text in lower case."""
    for start in range(len(core) - WINDOW + 1):
        window = core[start : start + WINDOW]
        yield Encoding.PLAIN, window.lower().encode()
        yield Encoding.REVERSED, window.lower()[::-1].encode()
        for text in {window, window.lower(), window.upper(), window.swapcase()}:
            yield Encoding.HEX, text.encode().hex().encode()
            yield Encoding.URL, "".join(f"%{byte:02x}" for byte in text.encode()).encode()
            yield Encoding.JSON, "".join(f"\\u{ord(letter):04x}" for letter in text).encode()
            for before in range(3):
                first = -(-before * 8 // 6)
                for encoded in (base64.b64encode, base64.urlsafe_b64encode):
                    whole = encoded(bytes(before) + text.encode())
                    yield Encoding.BASE64, whole[first : first + _BASE64_WINDOW].lower()
