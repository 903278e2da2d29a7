"""What a process has only one of, such as its logging, shared by several that want it.

The first that wants it has it. When it no longer does, the next one begins: there is never more than one, and never
none while somebody wants it.
"""

from __future__ import annotations

import threading
from typing import Protocol


class User(Protocol):
    """Somebody who may have it."""

    def begin(self) -> None:
        """Have it from now on."""
        ...

    def end(self) -> None:
        """Have it no longer. Idempotent."""
        ...


class OnePerProcess:
    """The line of those that want it. Any thread; `begin` and `end` are called one at a time."""

    def __init__(self) -> None:
        self._line: list[User] = []
        self._lock = threading.RLock()

    def want(self, user: User) -> bool:
        """Whether `user` has it; if not, it begins when all that came before have left."""
        with self._lock:
            if user not in self._line:
                self._line.append(user)
                if self._line[0] is user:
                    user.begin()
            return self._line[0] is user

    def leave(self, user: User) -> None:
        """`user` ends, whether or not it had it, and the next one begins."""
        with self._lock:
            had = self._line[:1] == [user]
            if user in self._line:
                self._line.remove(user)
            try:
                user.end()
            finally:
                if had and self._line:
                    self._line[0].begin()
