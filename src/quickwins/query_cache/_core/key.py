"""What an answer is found by: all that it depends on, length-prefixed, and the digest of that.

The digest finds; the material proves: it is compared at each read. Two requests share an entry only when every part is
equal. Parts that nobody may read in a shared store (whose it is, the values of headers) are pseudonyms here already.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from quickwins.core.digest import digest, framed
from quickwins.query_cache._core.plan import NO_DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_FORMAT = b"1"


def head(schema: bytes, variant: str, document: str, operation: str | None) -> bytes:
    """The part of the material that all requests with one document share.

    Args:
        schema: The schema's digest.
        variant: What else makes answers differ and is no part of a request: the view that encodes them.
        document: The text as it came.
        operation: The name of the operation, when the request names one.
    """
    named = b"" if operation is None else b"\x01" + operation.encode("utf-8", "surrogatepass")
    parts: tuple[str | bytes, ...] = (_FORMAT, schema, variant, document, named)
    return b"".join(map(framed, parts))


def variables(given: Mapping[str, Any] | None, defaults: Mapping[str, Any]) -> bytes | None:
    """The values of the operation's variables in one form, whatever their order, defaults filled in.

    What the operation does not declare is left out: no resolver sees it. `None`: a value is no JSON.
    """
    if not defaults:
        return b""
    given = given or {}
    used = {}
    for name, default in defaults.items():
        if name in given:
            used[name] = given[name]
        elif default is not NO_DEFAULT:
            used[name] = default
    return canonical(used)


def canonical(value: Any) -> bytes | None:
    """`value` as JSON in one form; `None`: it isn't JSON."""
    try:
        return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
    except (TypeError, ValueError, RecursionError):
        return None


def material(
    head: bytes, variables: bytes, extensions: bytes, owner: str, vary: Iterable[tuple[str, str | None]]
) -> bytes:
    """All that an answer depends on.

    Args:
        head: See `head`.
        variables: See `variables`.
        extensions: The request's `extensions`, canonical; empty without any.
        owner: The pseudonym of the principal; empty for what is public.
        vary: Names and pseudonyms of values; a value that is missing is none that is empty.
    """
    parts = [framed(variables), framed(extensions), framed(owner)]
    for name, value in vary:
        parts.append(framed(name))
        parts.append(framed(b"" if value is None else b"\x01" + value.encode("utf-8", "surrogatepass")))
    return head + b"".join(parts)


def key(material: bytes) -> bytes:
    """The digest of `material`: 16 bytes."""
    return digest(material)
