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

from quickwins.suppressions._filter_list import FilterList

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    See = Callable[[type[Warning], str], None]


@contextmanager
def tapped(see: See) -> Iterator[None]:
    """Call `see` with the category of each warning and the place that raised it, `file:line`, in any thread.

    Filters that are set meanwhile are gone afterwards, as with `catch_warnings`. `see` must not raise: that would be
    raised where the warning is.
    """
    with warnings.catch_warnings():
        module: Any = warnings
        module.filters = FilterList(("ignore", None, _Nothing(see), None, 0), warnings.filters)
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
