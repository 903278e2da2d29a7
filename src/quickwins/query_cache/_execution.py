"""What is observed of a request and of one execution, and decides whether the answer may be stored, and for whom."""

from __future__ import annotations

import math
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from quickwins.query_cache._core.fences import Invalidation, entity, of_type, unsure

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MOST_ENTITIES = 1_000
"""How many entities of one type in one answer are remembered by their ids; with more, any entity of the type voids it."""
ALL_HEADERS = "*headers"
"""What was read is more than one header or cookie, here and below: no key can be made of it."""
CLIENT, SCOPE, SESSION, USER, BODY = "*client", "*scope", "*session", "*user", "*body"
_OF_PRINCIPAL = {SCOPE, SESSION, USER}
"""What authentication reads, and a principal stands for."""


class Reads:
    """What was read of one request: while its context was made (at the door), and while it was executed.

    Attributes:
        door: Names of headers and cookies (`cookie:theme`), and the names above, read before the execution.
        direct: Those read by resolvers.
        context: Whether resolvers have read what was made at the door.
        executing: How many operations are under way.
        watches_request: Whether the request in the context notes what is read of it.
        is_open: Whether the context is still made.
        refusal: Why the answer can't be stored.
    """

    __slots__ = ("context", "direct", "door", "executing", "is_open", "refusal", "watches_request")

    def __init__(self) -> None:
        self.door: set[str] = set()
        self.direct: set[str] = set()
        self.context = False
        self.executing = 0
        self.is_open = True
        self.watches_request = True
        self.refusal: str | None = None

    @contextmanager
    def unnoted(self) -> Iterator[None]:
        """Within this block nothing that is read at the door is noted: the framework reads."""
        was, self.is_open = self.is_open, False
        try:
            yield
        finally:
            self.is_open = was

    def note(self, name: str) -> None:
        """`name` was read just now."""
        if self.is_open:
            self.door.add(name)
        elif self.executing:
            self.direct.add(name)

    def note_context(self) -> None:
        """Something that was made at the door was read."""
        if self.executing:
            self.context = True

    def refuse(self, reason: str) -> None:
        """What was done makes an answer of its own of it."""
        if self.executing:
            self.refusal = reason

    def all(self) -> set[str]:
        """What the answer depends on."""
        return self.direct | self.door if self.context else self.direct

    def unkeyed(self, *, private: bool) -> str | None:
        """What no key can be made of; `None`: there is nothing of that kind."""
        names = {name for name in self.direct if name.startswith("*")} - ({USER} if private else set())
        if self.context:
            door = {name for name in self.door if name.startswith("*")}
            names |= door - (_OF_PRINCIPAL if private else set())
        return min(names) if names else None


class Execution:
    """One operation under way.

    Attributes:
        ttl_seconds: The least time that a resolver has asked for.
        private: Whether a resolver has made it private.
        refusal: Why the answer must not be stored.
        voided: What a mutation has declared.
        parsed: The text of its document, and that parsed, where it is known.
        passed: The sets of rules that found nothing against it, to add to.
    """

    __slots__ = (
        "_ids",
        "_tags",
        "_unknown",
        "_unsure",
        "parsed",
        "passed",
        "private",
        "refusal",
        "ttl_seconds",
        "voided",
    )  # fmt: skip

    def __init__(self) -> None:
        self.ttl_seconds = math.inf
        self.private = False
        self.parsed: tuple[str, Any] | None = None
        self.passed: set[tuple[Any, ...]] | None = None
        self.refusal: str | None = None
        self.voided: list[Invalidation] = []
        self._ids: dict[str, set[str]] = {}
        self._unsure: set[str] = set()
        self._unknown: set[str] = set()
        self._tags: set[str] = set()

    def of_type(self, type_name: str) -> set[str]:
        """The ids of the entities of a type that the answer has in it, to add to."""
        ids = self._ids.get(type_name)
        if ids is None:
            ids = self._ids[type_name] = set()
        elif len(ids) >= MOST_ENTITIES:
            self._unknown.add(type_name)
            ids.clear()
        return ids

    def saw_nothing(self, type_names: Iterable[str]) -> None:
        """There is nothing where one of these could be."""
        self._unsure.update(type_names)

    def saw_without_id(self, type_names: Iterable[str]) -> None:
        """The answer has something of these types in it, and nobody can tell which."""
        self._unknown.update(type_names)

    def tag(self, mark: str) -> None:
        """The answer has this tag."""
        self._tags.add(mark)

    def marks(self) -> tuple[str, ...]:
        """What the answer depends on besides what its plan says."""
        return (*self._entities(), *map(unsure, self._unsure | self._unknown), *self._tags)

    def _entities(self) -> list[str]:
        return [
            entity(name, identity)
            for name, ids in self._ids.items()
            if name not in self._unknown
            for identity in ids
        ]

    def invalidation(self) -> Invalidation:
        """What a mutation has changed: the entities in its answer, and what it declares."""
        marks = {*self._entities(), *map(unsure, self._ids), *map(of_type, self._unknown)}
        prefixes: list[str] = []
        for one in self.voided:
            marks |= one.marks
            prefixes.extend(one.tag_prefixes)
        return Invalidation(frozenset(marks), tuple(prefixes))


EXECUTION: ContextVar[Execution | None] = ContextVar("quickwins_query_cache_execution", default=None)
"""The operation that resolvers belong to; `None`: nobody watches."""
