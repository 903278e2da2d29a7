"""What a cache knows of the documents it has seen: their plans, and what their resolvers were seen to read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from quickwins.core.digest import digest
from quickwins.core.errors import needs_extra
from quickwins.query_cache._collect import collect_from
from quickwins.query_cache._core import key
from quickwins.query_cache._core.hints import Hints
from quickwins.query_cache._core.plan import Plan, plan

with needs_extra("query-cache"):
    from cachetools import LRUCache
    from graphql import GraphQLError, parse

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    from graphql import DocumentNode

    from quickwins.query_cache.policy import Policy

    _Which: TypeAlias = tuple[bytes, str, str, str | None]

MOST_BYTES = 32 << 20
"""What all known documents take."""
_BYTES_PER_LETTER = 100
"""What a parsed document takes, its tokens and their places with it."""
MOST_TEXT = 100_000
"""The longest document, in characters: a longer one is executed and not looked at."""
MOST_TOKENS = 20_000
"""The same in tokens."""
MOST_VARY = 16
"""How many headers and cookies an answer may vary on; one that reads more is never stored."""


class Known:
    """One document's operation.

    Attributes:
        plan: Its plan.
        text: The document's.
        document: The same, parsed.
        passed: The sets of rules that found nothing against it.
        head: What all keys of it begin with.
        vary: What it varies on, as its plan says and as it was seen.
        private: Whether its answers are a principal's, as its plan says or as a resolver once did.
        never: Whether it varies on too much to be stored.
        version: Another one whenever more is known of it, and when it makes room for others: what is learned then is learned
            by another `Known` of the same document.
    """

    __slots__ = ("document", "head", "never", "passed", "plan", "private", "text", "vary", "version")

    def __init__(self, plan: Plan, head: bytes, text: str = "", document: DocumentNode | None = None) -> None:
        self.plan = plan
        self.text = text
        self.document = document
        self.passed: set[tuple[Any, ...]] = set()
        self.head = head
        self.vary = plan.vary
        self.private = plan.scope == "PRIVATE"
        self.never = False
        self.version = 0

    def learn(self, names: Iterable[str], *, private: bool) -> None:
        """Its resolvers were seen to read these, so that its answers vary on them from now on; `private`: or to be private.

        What was stored before stays right: it was made by an execution that read nothing but what its own key has, and
        with these equal, an execution reads the same.
        """
        self.vary = tuple(sorted({*self.vary, *names}))
        self.private = self.private or private
        self.never = len(self.vary) > MOST_VARY
        self.version += 1


class Schema:
    """One schema that a cache serves.

    Attributes:
        hints: What it says.
        digest: Of its text.
    """

    __slots__ = ("digest", "hints")

    def __init__(self, schema: Any, policies: Mapping[str, Policy]) -> None:
        self.hints = Hints(schema._schema, policies)  # noqa: SLF001 -- no public way to graphql-core's; until=2028-11-30
        self.digest = digest(str(schema))
        collect_from(schema._schema)  # noqa: SLF001 -- likewise; until=2028-11-30


class _Kept(LRUCache["_Which", "Known | None"]):
    """cachetools' cache, which tells those that leave it."""

    def popitem(self) -> tuple[_Which, Known | None]:
        """See cachetools."""
        which, known = super().popitem()
        if known is not None:
            known.version += 1
        return which, known


class Documents:
    """The known documents of all schemas of one cache. One thread."""

    def __init__(self, policies: Mapping[str, Policy]) -> None:
        self._policies = policies
        self._schemas: WeakKeyDictionary[Any, Schema] = WeakKeyDictionary()
        self._known = _Kept(MOST_BYTES, getsizeof=_size)

    def schemas(self) -> list[Any]:
        """The schemas so far."""
        return list(self._schemas)

    def attach(self, schema: Any) -> Schema:
        """Read the hints of a Strawberry schema and have its resolvers tell what they return. Idempotent.

        Raises:
            ConfigError: A hint is wrong.
        """
        found = self._schemas.get(schema)
        if found is None:
            found = self._schemas[schema] = Schema(schema, self._policies)
        return found

    def known(self, schema: Any, text: object, operation: object, variant: str) -> Known | None:
        """The operation of a document; `None`: it has none that can be planned."""
        if not isinstance(text, str) or not (operation is None or isinstance(operation, str)):
            return None
        attached = self.attach(schema)
        which = (attached.digest, variant, text, operation)
        try:
            return self._known[which]
        except KeyError:
            pass
        made = self._plan(attached, text, operation, variant)
        if len(text) <= MOST_TEXT:
            self._known[which] = made
        return made

    def learned(self, schema: Any, text: str, operation: str | None) -> Known | None:
        """What is known of an operation by all views together, for people."""
        found = self.known(schema, text, operation, "")
        if found is not None:
            for (_, _, its_text, its_operation), one in list(self._known.items()):
                if one is not None and (its_text, its_operation) == (text, operation):
                    found.learn(one.vary, private=one.private)
        return found

    def _plan(self, attached: Schema, text: str, operation: str | None, variant: str) -> Known | None:
        if len(text) > MOST_TEXT:
            return None
        try:
            document = parse(text, max_tokens=MOST_TOKENS)
            made = plan(attached.hints, document, operation)
        except (GraphQLError, RecursionError):
            return None
        if made is None:
            return None
        return Known(made, key.head(attached.digest, variant, text, operation), text, document)


def _size(known: Known | None) -> int:
    return 500 if known is None else _BYTES_PER_LETTER * len(known.text) + 2_000
