"""The server's half: scripts that judge, store and void in one step each. `lua/order.lua` says what they keep, and where."""

from __future__ import annotations

from functools import cache
from hashlib import sha1
from importlib.resources import files
from typing import NamedTuple

# What is only a few bytes is written on a full server as well: an invalidation above all.
_WRITES_ALWAYS = "#!lua flags=allow-oom\n"
_HEADS = {
    "connect": _WRITES_ALWAYS,
    "get": _WRITES_ALWAYS,
    "invalidate": _WRITES_ALWAYS,
    "put": "#!lua\n",
}


class Script(NamedTuple):
    """A script.

    Attributes:
        text: To be loaded.
        name: What the server calls it then.
    """

    text: bytes
    name: bytes


@cache
def script(name: str) -> Script:
    """The script `connect`, `get`, `put` or `invalidate`."""
    folder = files(__package__) / "lua"
    parts = [_HEADS[name], *((folder / f"{part}.lua").read_text("utf-8") for part in ("order", name))]
    text = "\n".join(parts).encode()
    return Script(text, sha1(text, usedforsecurity=False).hexdigest().encode())


def scripts() -> list[Script]:
    """All of them."""
    return [script(name) for name in _HEADS]
