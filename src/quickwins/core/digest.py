"""The one digest: length-prefixed, optionally keyed BLAKE2b over a sequence of parts.

Used for flag buckets, cache keys, event identities, fingerprints and pseudonyms. Each part is preceded by its
length, so ("ab", "c") and ("a", "bc") never meet. Standard library only, and stable: independent of hash seed,
interpreter and machine; `tests/unit/core/test_digest.py` holds the golden vectors.
"""

from __future__ import annotations

from hashlib import blake2b
from struct import Struct

_length = Struct(">I").pack
BUCKETS = 10_000
"""How many buckets a flag divides its keys into: one is 0.01 %."""


def framed(part: str | bytes) -> bytes:
    """`part` as UTF-8 (lone surrogates kept apart, never an error), behind its length in four bytes."""
    data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
    return _length(len(data)) + data


def digest(*parts: str | bytes, key: bytes = b"", size_bytes: int = 16) -> bytes:
    """The digest of `parts` in order.

    Args:
        parts: Text (as UTF-8) or bytes; each is length-prefixed.
        key: Up to 64 bytes of secret; with one, the digest is a MAC and a pseudonym cannot be guessed.
        size_bytes: Length of the result, 1 to 64.
    """
    pieces: list[bytes] = []
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        pieces += (_length(len(data)), data)
    return blake2b(b"".join(pieces), key=key, digest_size=size_bytes).digest()


_SHORT_LENGTHS = tuple(length.to_bytes(4, "big") for length in range(256))


class Dice:
    """Draws keys into buckets: the same key always into the same one, another salt elsewhere.

    `draw` runs on every keyed evaluation of a flag. So the salt is hashed once and its state copied, the length of a
    short key comes from a table, and callers compare the drawn bytes with `below(limit)` instead of making a number
    of them: an evaluation stays below two bare digests of the same bytes (`benchmarks/flags`). Immutable; any thread.
    """

    __slots__ = ("_start",)

    def __init__(self, salt: str) -> None:
        self._start = blake2b(framed(salt), digest_size=8)

    def draw(self, key: str) -> bytes:
        """Eight bytes, uniform over all keys: `digest(salt, key, size_bytes=8)`."""
        data = key.encode("utf-8", "surrogatepass")
        length = len(data)
        state = self._start.copy()
        state.update((_SHORT_LENGTHS[length] if length < 256 else length.to_bytes(4, "big")) + data)  # noqa: PLR2004 -- the size of the table above; until=never
        return state.digest()

    def bucket(self, key: str) -> int:
        """The bucket of `key`, 0 to 9,999."""
        return int.from_bytes(self.draw(key), "big") * BUCKETS >> 64


def below(limit: int) -> bytes:
    """What a draw is smaller than exactly when its bucket is below `limit`, 0 to 10,000."""
    if limit >= BUCKETS:
        return b"\xff" * 9  # longer than any draw, and so above all of them
    return (-(-(limit << 64) // BUCKETS)).to_bytes(8, "big")
