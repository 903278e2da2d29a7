"""A function of others' that asks us first, while ours is on."""

from __future__ import annotations

from typing import Any


class Patch:
    """One function in a class or module, replaced and put back.

    Others patch the same ones. What was there before is `before`, to be called by ours. Where someone has patched over ours,
    it stays in their chain when it is to go, and has to do nothing then but call `before`; it is never put in twice.
    """

    def __init__(self, owner: Any, name: str, ours: Any) -> None:
        """Nothing is replaced yet.

        Args:
            owner: The class or module.
            name: Of its function.
            ours: What comes into its place.
        """
        self._owner = owner
        self._name = name
        self._ours = ours
        self._in = False
        self.before: Any = getattr(owner, name)

    def put(self) -> None:
        """Replace it."""
        if not self._in:
            self.before = getattr(self._owner, self._name)
            setattr(self._owner, self._name, self._ours)
            self._in = True

    def take_out(self) -> None:
        """Put back what was there, if ours is still in its place."""
        if self._in and getattr(self._owner, self._name) is self._ours:
            setattr(self._owner, self._name, self.before)
            self._in = False
