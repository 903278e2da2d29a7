"""What the audit looks for, by number, and what to do about each."""

from __future__ import annotations

from enum import StrEnum

IDENTITY_VERSION = 2
"""In the first line of every baseline. Raise it when the same code would get another identity."""


class Check(StrEnum):
    """The checks; a number never changes its meaning."""

    UNPARSEABLE = "SUP000"
    BARE_NOQA = "SUP001"
    MALFORMED_NOQA = "SUP002"
    WHOLE_FILE = "SUP003"
    BARE_TYPE_IGNORE = "SUP004"
    WHOLE_FILE_TYPES = "SUP005"
    PYLINT_ALL = "SUP006"
    NO_COVER = "SUP007"
    BROAD_FILTER = "SUP008"
    FILTER_AT_IMPORT = "SUP009"
    SWALLOWED = "SUP010"
    CONFIGURED = "SUP011"
    COMMAND_LINE = "SUP012"
    UNREASONED = "SUP013"
    EXPIRED = "SUP014"
    SCANNER = "SUP015"
    CAPTURED = "SUP016"
    MISREAD = "SUP017"

    @property
    def summary(self) -> str:
        """What was found, in a few words."""
        return _WORDS[self][0]

    @property
    def remedy(self) -> str:
        """What to do about it, in a sentence."""
        return _WORDS[self][1]


_REASONED = "add a comment behind it: `# -- reason; until=YYYY-MM-DD`"
_WORDS = {
    Check.UNPARSEABLE: (
        "file that cannot be read",
        "a file that cannot be analysed is not clean: correct it or exclude it",
    ),
    Check.BARE_NOQA: (
        "noqa without codes",
        "name the codes: `# noqa: F401`, or fix what the linter reports",
    ),
    Check.MALFORMED_NOQA: (
        "malformed noqa that hides everything",
        "write `# noqa: F401`: a colon without a space before it, then codes",
    ),
    Check.WHOLE_FILE: ("whole file hidden from a linter", "move it to the lines that need it, with codes"),
    Check.BARE_TYPE_IGNORE: (
        "type checker silenced without codes",
        "name the code: `# type: ignore[attr-defined]`",
    ),
    Check.WHOLE_FILE_TYPES: (
        "whole file hidden from a type checker",
        "move it to the lines that need it, with codes",
    ),
    Check.PYLINT_ALL: ("pylint turned off", "name the messages to disable"),
    Check.NO_COVER: ("line excluded from coverage", f"test it, or {_REASONED}"),
    Check.BROAD_FILTER: (
        "warnings ignored too broadly",
        "give a category and a module or message, inside `with warnings.catch_warnings()`",
    ),
    Check.FILTER_AT_IMPORT: (
        "warnings ignored for the whole process by an import",
        "move it into `with warnings.catch_warnings()` around the call that needs it",
    ),
    Check.SWALLOWED: ("exception swallowed", "catch only what you can handle, or log it"),
    Check.CONFIGURED: (
        "ignored in the configuration",
        "remove it, or write on the line above: `# -- reason; until=YYYY-MM-DD`",
    ),
    Check.COMMAND_LINE: ("warnings ignored by a command line or the environment", "remove it there"),
    Check.UNREASONED: ("no reason or no date", _REASONED),
    Check.EXPIRED: ("reason past its date", "fix what it hides, or decide again and give a later date"),
    Check.SCANNER: ("security scanner silenced", f"name the check if the scanner has names, and {_REASONED}"),
    Check.CAPTURED: (
        "warnings captured into logs that nobody reads",
        "give the logger `py.warnings` a handler, or install quickwins.suppressions.bridge",
    ),
    Check.MISREAD: (
        "reason that its tool reads as something else",
        "give it a comment of its own: `# pylint: disable=x  # -- reason; until=YYYY-MM-DD`, or in an INI file the line above",
    ),
}
