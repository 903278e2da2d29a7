"""What must never be in a log line, and what stands there instead.

    configure_logging(service="feed", redaction=Redaction.strict(keys=["licence_plate"]))

By name: a field, at any depth, whose name says that its value is private (`password`, `X-Api-Key`, `userEmail`) shows
`[redacted:key]`. By value: whatever looks private inside a text shows what it was, `[redacted:email]`, and the rest of
the text stays. `RedactionRule` says what is looked for; `docs/logs.md` says what cannot be found.

Nobody can find everything: a password in the middle of a sentence looks like a word. Homoglyphs, zero-width characters
and other ways to hide a secret from a pattern are out of scope; this guards against accidents, not against a caller who
wants to write a secret. Don't log what you don't need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from quickwins.core.lazy import lazily

if TYPE_CHECKING:
    from quickwins.logs.redaction._rules import MAX_NAMES, MIN_KEY_BYTES, Redaction, RedactionRule

__all__ = [
    "MAX_NAMES",
    "MIN_KEY_BYTES",
    "Redaction",
    "RedactionRule",
]

__getattr__, __dir__ = lazily(
    __name__,
    {
        "MAX_NAMES": "_rules",
        "MIN_KEY_BYTES": "_rules",
        "Redaction": "_rules",
        "RedactionRule": "_rules",
    },
)
