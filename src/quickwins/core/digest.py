"""The one digest: length-prefixed, optionally keyed BLAKE2b over a sequence of parts.

Used for flag buckets, cache keys, event identities, fingerprints and pseudonyms. Each part is preceded by its
length, so ("ab", "c") and ("a", "bc") never meet. Standard library only, and stable: independent of hash seed,
interpreter and machine; `tests/unit/core/test_digest.py` holds the golden vectors.
"""

from __future__ import annotations

from hashlib import blake2b

BUCKETS = 10_000
"""How many buckets a flag divides its keys into: one is 0.01 %."""


def framed(part: str | bytes) -> bytes:
    """`part` as UTF-8 (lone surrogates kept apart, never an error), behind its length in four bytes."""
    data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
    return len(data).to_bytes(4, "big") + data


def digest(*parts: str | bytes, key: bytes = b"", size_bytes: int = 16) -> bytes:
    """The digest of `parts` in order.

    Args:
        parts: Text (as UTF-8) or bytes; each is length-prefixed.
        key: Up to 64 bytes of secret; with one, the digest is a MAC and a pseudonym cannot be guessed.
        size_bytes: Length of the result, 1 to 64.
    """
    return blake2b(b"".join(map(framed, parts)), key=key, digest_size=size_bytes).digest()


def bucket(prefix: bytes, key: str) -> int:
    """The bucket, 0 to 9,999, of `key` under `prefix`, which is `framed(salt)`.

    Written out instead of calling `digest`, since it runs on every keyed evaluation of a flag: the prefix is framed
    once per flag, the hash is one shot. 2**64 is so much larger than 10,000 that the modulo's bias is below 1e-15.
    """
    data = key.encode("utf-8", "surrogatepass")
    value = blake2b(prefix + len(data).to_bytes(4, "big") + data, digest_size=8).digest()
    return int.from_bytes(value, "big") % BUCKETS
