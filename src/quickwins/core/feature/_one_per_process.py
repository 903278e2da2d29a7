"""What a process has only one of, such as its logging, shared by several that want it.

The first that wants it has it, and when it no longer does, the next one begins: there are never two at a time, and it is
there as long as somebody wants it.
"""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING, Protocol

from quickwins.core.events import CONFIG_UNUSED, Reporter

if TYPE_CHECKING:
    from quickwins.core.flags.snapshot import Snapshot


class User(Protocol):
    """Somebody who may have it.

    Attributes:
        section: The section of `quickwins.toml` that says how.
    """

    section: str

    def begin(self) -> None:
        """Have it, as the configuration says now. Idempotent."""
        ...

    def end(self) -> None:
        """Have it no longer. Idempotent."""
        ...


class OnePerProcess:
    """The line of those that want it. Any thread; `begin` and `end` are called one at a time."""

    def __init__(self) -> None:
        self._line: list[User] = []
        self._lock = threading.RLock()
        self._pid = os.getpid()

    def follow(self, user: User, snapshot: Snapshot) -> None:
        """Have `user` in line while its flag is on.

        At the head of the line it begins, and again at each change. Elsewhere one event says that its section is not
        used. Off, it leaves.
        """
        self._leave_behind(user)
        if not snapshot.flags[user.section].on:
            self.leave(user)
            return
        with self._lock:
            new = user not in self._line
            if new:
                self._line.append(user)
            if self._line[0] is user:
                user.begin()
                return
        if new:
            Reporter(service=snapshot.settings.service).report(
                CONFIG_UNUSED, key=user.section, reason="another configuration of this process has it"
            )

    def leave(self, user: User) -> None:
        """`user` wants it no longer: it ends, and then the next one begins."""
        self._leave_behind(user)
        with self._lock:
            had = self._line[:1] == [user]
            if user in self._line:
                self._line.remove(user)
            try:
                user.end()
            finally:
                if had and self._line:
                    self._line[0].begin()

    def _leave_behind(self, user: User) -> None:
        """In a fork's child, end those of its parent but `user`: here nobody follows a configuration for them."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        self._lock = threading.RLock()  # a thread that is gone here may have held it
        line, self._line = self._line, []
        for one in line:
            if one is not user:
                one.end()
