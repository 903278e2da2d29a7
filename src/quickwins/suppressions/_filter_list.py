"""Python's list of warning filters, with one of ours in front of it that stays there and that nobody sees."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import SupportsIndex


class FilterList(list[Any]):
    """Filters after a first one that only Python's own look-up, in C, can see; copies have it too.

    Args:
        first: That filter.
        others: The filters that everybody sees.
        added: Called with each filter that is added.
    """

    def __init__(
        self, first: object, others: Iterable[object], added: Callable[[object], None] | None = None
    ) -> None:
        super().__init__((first, *others))
        self._added = added

    @property
    def first(self) -> object:
        """The filter that nobody sees."""
        return super().__getitem__(0)

    def _others(self) -> list[Any]:
        return super().__getitem__(slice(1, None))

    def _become(self, others: Iterable[object]) -> None:
        super().__setitem__(slice(1, None), others)

    def copy(self) -> FilterList:
        return FilterList(self.first, self._others(), self._added)

    def __getitem__(self, index: Any) -> Any:
        found = self._others()[index]
        return FilterList(self.first, found, self._added) if isinstance(index, slice) else found

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
        if self._added is not None:
            self._added(value)

    def append(self, value: Any) -> None:
        super().append(value)
        if self._added is not None:
            self._added(value)

    def __reversed__(self) -> Iterator[Any]:
        return iter(self._others()[::-1])

    def __add__(self, more: Any) -> list[Any]:
        return self._others() + list(more)

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
        return self._others() == (other._others() if isinstance(other, FilterList) else other)

    __hash__ = None
