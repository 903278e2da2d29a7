"""What the exit code of a command says."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command; scripts may rely on them."""

    OK = 0
    """Done."""
    BUG = 1
    """Our mistake: an error nobody foresaw; Python's traceback is on stderr."""
    USAGE = 2
    """The command line or the configuration is wrong; the message says what."""
    FINDING = 3
    """Done, and something was found that needs attention."""
    BLOCKED = 4
    """Not begun: something else is in the way."""
    FAILED_CLEAN = 5
    """Failed; nothing is left behind."""
    FAILED_DEBRIS = 6
    """Failed; something is left behind, and the message says what."""
    STALE = 7
    """Nothing new was found, and a list names what is gone: bring the list up to date."""
    INTERRUPTED = 130
    """Ctrl-C."""
