"""The context as resolvers get it: the same, but what is read of it is noted; see `_observed.py`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickwins.core.given import several
from quickwins.query_cache._watched import WatchedContext, note_key

if TYPE_CHECKING:
    from collections.abc import Collection

    from quickwins.query_cache._execution import Reads

_NOTES = "_quickwins_reads"
MOST_CLASSES = 1_000
"""How many classes of contexts there may be; those past it are not watched."""


class Contexts:
    """Watches one cache's contexts."""

    def __init__(self, shared: Collection[str]) -> None:
        """Nothing is watched yet.

        Args:
            shared: Names of what a context holds that is the same for everybody.
        """
        self._shared = frozenset(several("shared_context", shared))
        self._classes: dict[type, type] = {}

    def observed(self, context: Any, reads: Reads) -> Any:
        """`context`, whose reads are noted in `reads`.

        A plain dictionary is copied; an object gets a class of its own that is a subclass of its class. What cannot be
        watched counts as read.
        """
        if context is None:
            return None
        if type(context) is dict:
            return WatchedContext(context, reads, self._shared)
        try:
            attributes = object.__getattribute__(context, "__dict__")
            if _NOTES in attributes or isinstance(context, dict):
                raise TypeError  # noqa: TRY301 -- one that several requests share, or whose items are no attributes; until=never
            watched = self._class_of(type(context))
            object.__setattr__(context, "__class__", watched)
            attributes[_NOTES] = (reads, self._shared)
        except Exception:  # noqa: BLE001 -- of a class that is not ours and may refuse to be inherited from; until=never
            reads.context = True
            if _may_hold_a_response(context):
                reads.refusal = "unwatched"
        return context

    def _class_of(self, kind: type) -> type:
        made = self._classes.get(kind)
        if made is None:
            if len(self._classes) >= MOST_CLASSES:
                raise TypeError
            body = {"__slots__": (), "__getattribute__": _noting(kind), "__module__": kind.__module__}
            make: Any = type.__new__  # a metaclass's own may want to know more
            made = self._classes[kind] = make(type(kind), kind.__name__, (kind,), body)
        return made


def _may_hold_a_response(context: Any) -> bool:
    try:
        return getattr(context, "response", None) is not None or (
            isinstance(context, dict) and context.get("response") is not None
        )
    except Exception:  # noqa: BLE001 -- of an object that is not ours; until=never
        return True


def _noting(kind: type) -> Any:
    inherited: Any = kind.__getattribute__

    def __getattribute__(self: Any, name: str) -> Any:  # noqa: N807 -- it becomes one; until=never
        if name == "__dict__" or not name.startswith("__"):
            notes = object.__getattribute__(self, "__dict__").get(_NOTES)
            if notes is not None:
                reads, shared = notes
                note_key(reads, shared, name)
                if name == "__dict__":
                    reads.refuse("response")
        return inherited(self, name)

    return __getattribute__
