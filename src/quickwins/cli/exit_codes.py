"""What the exit code of a command means."""

from __future__ import annotations

from enum import IntEnum


class ExitCode(IntEnum):
    """The exit codes of every command; scripts may rely on them."""

    OK = 0
    """Done."""
    BUG = 1
    """A bug of ours: an error that nobody foresaw; the traceback is on stderr."""
    USAGE = 2
    """The command line or the configuration is wrong; the message says what."""
    FINDING = 3
    """Done, and something was found that needs attention."""
    BLOCKED = 4
    """Not started: something else is in the way."""
    FAILED_CLEAN = 5
    """Failed; nothing is left behind."""
    FAILED_DEBRIS = 6
    """Failed; something is left behind, and the message says what."""
    STALE = 7
    """Nothing new was found, but a list has entries that are gone: bring it up to date."""
    INTERRUPTED = 130
    """Ctrl-C."""
