"""A tap on Python's warnings: sees each one that is raised, whatever the filters say, and changes nothing.

Python asks one filter after another whether it applies to a warning. The tap is a filter that comes first, takes a note
and says no, so that the others decide as they would without it. The list of filters hides it: code that adds filters at
the front, counts them or replaces them all neither gets ahead of the tap nor sees it.

Limits: a repeated warning that Python itself no longer looks up, since its filter shows each place once, is not seen again;
code that replaces `warnings.filters` by a list of its own goes past the tap.
"""

from __future__ import annotations

import sys
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import SupportsIndex

    See = Callable[[type[Warning], str], None]


@contextmanager
def tapped(see: See) -> Iterator[None]:
    """Call `see` with the category of each warning and the place that raised it, `file:line`, in any thread.

    Filters that are set meanwhile are gone afterwards, as with `catch_warnings`. `see` must not raise: that would be
    raised where the warning is.
    """
    with warnings.catch_warnings():
        filters: Any = warnings
        filters.filters = _Filters(("ignore", None, _Nothing(see), None, 0), warnings.filters)
        yield


def recorder() -> object:
    """What takes the warnings that are shown: `catch_warnings(record=True)` puts another one in place."""
    return getattr(warnings, "_showwarnmsg_impl", None)


class _Nothing:
    """The category of the tap's filter: sees every warning, and is the class of none."""

    def __init__(self, see: See) -> None:
        self._see = see

    def __subclasscheck__(self, category: type[Warning]) -> bool:
        frame = sys._getframe(1)  # noqa: SLF001 -- what `inspect` uses, without its cost; until=never
        self._see(category, f"{frame.f_code.co_filename}:{frame.f_lineno}")
        return False


class _Filters(list[Any]):
    """Filters after a first one that only Python's own look-up, in C, can see; copies have it too."""

    def __init__(self, first: object, others: Iterable[object]) -> None:
        super().__init__((first, *others))

    def _others(self) -> list[Any]:
        return super().__getitem__(slice(1, None))

    def _become(self, others: Iterable[object]) -> None:
        super().__setitem__(slice(1, None), others)

    def copy(self) -> _Filters:
        return _Filters(super().__getitem__(0), self._others())

    def __getitem__(self, index: Any) -> Any:
        found = self._others()[index]
        return _Filters(super().__getitem__(0), found) if isinstance(index, slice) else found

    def __setitem__(self, index: Any, value: Any) -> None:
        others = self._others()
        others[index] = value
        self._become(others)

    def __delitem__(self, index: SupportsIndex | slice) -> None:
        others = self._others()
        del others[index]
        self._become(others)

    def insert(self, index: SupportsIndex, value: Any) -> None:
        others = self._others()
        others.insert(index, value)
        self._become(others)

    def pop(self, index: SupportsIndex = -1) -> Any:
        others = self._others()
        popped = others.pop(index)
        self._become(others)
        return popped

    def clear(self) -> None:
        self._become(())

    def __iter__(self) -> Iterator[Any]:
        return iter(self._others())

    def __len__(self) -> int:
        return super().__len__() - 1

    def __eq__(self, other: object) -> bool:
        return self._others() == (other._others() if isinstance(other, _Filters) else other)

    __hash__ = None
