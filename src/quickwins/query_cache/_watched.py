"""Headers, cookies, parameters and contexts that note which of their items are read."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import needs_extra
from quickwins.query_cache._execution import ALL_HEADERS, BODY, Reads

with needs_extra("query-cache"):
    from starlette.datastructures import Headers, QueryParams

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from quickwins.core.asgi import Scope

_OF_GRAPHQL = {"query", "variables", "operationName", "extensions"}


class WatchedHeaders(Headers):
    """Headers that note which of them are read."""

    def __init__(self, scope: Scope, reads: Reads) -> None:
        super().__init__(scope=scope)
        self._reads = reads

    def __getitem__(self, key: str) -> str:
        self._reads.note(key.lower())
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._reads.note(str(key).lower())
        return super().__contains__(key)

    def getlist(self, key: str) -> list[str]:
        self._reads.note(key.lower())
        return super().getlist(key)

    def _all(self) -> None:
        self._reads.note(ALL_HEADERS)

    @property
    def raw(self) -> list[tuple[bytes, bytes]]:
        self._all()
        return super().raw

    def keys(self) -> list[str]:  # type: ignore[override]  # -- as Starlette has it; until=never
        self._all()
        return super().keys()

    def values(self) -> list[str]:  # type: ignore[override]  # -- as Starlette has it; until=never
        self._all()
        return super().values()

    def items(self) -> list[tuple[str, str]]:  # type: ignore[override]  # -- as Starlette has it; until=never
        self._all()
        return super().items()

    def __iter__(self) -> Iterator[Any]:
        self._all()
        return super().__iter__()

    def __len__(self) -> int:
        self._all()
        return super().__len__()

    def __eq__(self, other: object) -> bool:
        self._all()
        return super().__eq__(other)

    __hash__ = None  # type: ignore[assignment]  # -- as Starlette has it; until=never

    def mutablecopy(self) -> Any:
        self._all()
        return super().mutablecopy()


class _Watched(dict[Any, Any]):
    """A dictionary that notes which of its keys are read."""

    @abstractmethod
    def _one(self, key: object) -> None:
        """`key` is read."""

    @abstractmethod
    def _all(self) -> None:
        """All keys are."""

    def __getitem__(self, key: Any) -> Any:
        self._one(key)
        return super().__getitem__(key)

    def __contains__(self, key: object) -> bool:
        self._one(key)
        return super().__contains__(key)

    def get(self, key: Any, default: Any = None) -> Any:
        self._one(key)
        return super().get(key, default)

    def pop(self, key: Any, *default: Any) -> Any:
        self._one(key)
        return super().pop(key, *default)

    def setdefault(self, key: Any, default: Any = None) -> Any:
        self._one(key)
        return super().setdefault(key, default)

    def popitem(self) -> tuple[Any, Any]:
        self._all()
        return super().popitem()

    def keys(self) -> Any:
        self._all()
        return super().keys()

    def values(self) -> Any:
        self._all()
        return super().values()

    def items(self) -> Any:
        self._all()
        return super().items()

    def copy(self) -> dict[Any, Any]:
        self._all()
        return super().copy()

    def __iter__(self) -> Iterator[Any]:
        self._all()
        return super().__iter__()

    def __reversed__(self) -> Iterator[Any]:
        self._all()
        return super().__reversed__()

    def __len__(self) -> int:
        self._all()
        return super().__len__()

    def __bool__(self) -> bool:
        self._all()
        return super().__len__() > 0

    def __or__(self, other: Any) -> Any:
        self._all()
        return super().__or__(other)

    def __ror__(self, other: Any) -> Any:
        self._all()
        return super().__ror__(other)

    def __eq__(self, other: object) -> bool:
        self._all()
        return super().__eq__(other)

    __hash__ = None

    def __repr__(self) -> str:
        self._all()
        return super().__repr__()


class WatchedCookies(_Watched):
    """Cookies by name."""

    def __init__(self, cookies: dict[str, str], reads: Reads) -> None:
        super().__init__(cookies)
        self._reads = reads

    def _one(self, key: object) -> None:
        self._reads.note(f"cookie:{key}")

    def _all(self) -> None:
        self._reads.note("cookie")


class WatchedParameters(_Watched):
    """Parameters of a path or a query."""

    def __init__(self, found: dict[str, Any], several: QueryParams, reads: Reads) -> None:
        super().__init__(found)
        self._several = several
        self._reads = reads

    def _one(self, key: object) -> None:
        if key not in _OF_GRAPHQL:
            self._reads.note(BODY)

    def _all(self) -> None:
        self._reads.note(BODY)

    def getlist(self, key: str) -> list[str]:
        """See Starlette."""
        self._one(key)
        return self._several.getlist(key)

    def multi_items(self) -> list[tuple[str, str]]:
        """See Starlette."""
        self._all()
        return self._several.multi_items()


class WatchedContext(_Watched):
    """A context that is a dictionary."""

    def __init__(self, context: dict[Any, Any], reads: Reads, shared: Collection[str]) -> None:
        super().__init__(context)
        self._reads = reads
        self._shared = shared

    def _one(self, key: object) -> None:
        note_key(self._reads, self._shared, key)

    def _all(self) -> None:
        self._reads.note_context()
        self._reads.refuse("response")


def note_key(reads: Reads, shared: Collection[str], key: object) -> None:
    """`key` of a context was read: the request watches itself, and touching the response makes an answer its own."""
    if key in {"response", "background_tasks"}:
        reads.refuse("response")
    elif key == "request":
        if not reads.watches_request:
            reads.refuse("unwatched")
    elif key not in shared:
        reads.note_context()
