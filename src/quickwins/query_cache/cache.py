"""A cache of GraphQL answers, and what one does with it."""

from __future__ import annotations

import os
import random
from collections.abc import Mapping
from types import NoneType
from typing import TYPE_CHECKING, Any

from quickwins.core.clock import SystemClock
from quickwins.core.errors import ConfigError
from quickwins.core.events import Reporter
from quickwins.core.given import function, several, texts
from quickwins.core.lazy import shows
from quickwins.core.metrics import Tallies
from quickwins.query_cache._core import fences
from quickwins.query_cache._core.fences import Invalidation
from quickwins.query_cache._counts import READINGS
from quickwins.query_cache._desk import Desk
from quickwins.query_cache._known import Documents
from quickwins.query_cache._serving import Serving
from quickwins.query_cache.l1 import L1
from quickwins.query_cache.policy import DEFAULT_POLICIES, Policy
from quickwins.query_cache.stats import Explanation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable
    from typing import Self

    from prometheus_client import CollectorRegistry
    from strawberry.extensions import SchemaExtension

    from quickwins.core.clock import Chance, Clock
    from quickwins.core.flags import Flag
    from quickwins.query_cache._desk import Principal
    from quickwins.query_cache._store import SharedStore
    from quickwins.query_cache.stats import CacheStats

__all__ = ["QueryCache"]
__dir__ = shows(__name__)

SECRET_VARIABLE = "QUICKWINS_QUERY_CACHE__SECRET"  # noqa: S105 -- the name of a variable; until=never


def _entity(given: Any) -> tuple[str, object]:
    try:
        type_name, identity = given
    except (TypeError, ValueError):
        type_name = identity = None
    if isinstance(given, str) or not isinstance(type_name, str):
        raise ConfigError(f"entities has {given!r}, which is not allowed: a type and an id, ('User', 7)")
    return type_name, identity


class QueryCache:
    """Answers of GraphQL queries, stored as bytes, and served, to those they were made for alone, until they are invalidated.

    Belongs to one event loop, apart from `stats`. Use it as `async with`, or call `close` at the end.

    Attributes:
        name: As given.
        service: As given.
        policies: All of them, by name.
        desk: For the views and the middleware.
    """

    def __init__(  # noqa: PLR0913 -- each has a default; until=never
        self,
        *,
        policies: Mapping[str, Policy] | None = None,
        principal: Principal | None = None,
        l1: L1 | None = None,
        l2: SharedStore | None = None,
        shared_context: Collection[str] = (),
        flag: Flag | None = None,
        name: str = "",
        service: str = "",
        registry: CollectorRegistry | None = None,
        clock: Clock | None = None,
        rng: Chance | None = None,
        secret: str | None = None,
    ) -> None:
        """Nothing is stored, and nothing connected yet.

        Args:
            policies: By name; added to `PUBLIC`, `SEARCH`, `USER_DATA` and `NO_CACHE`, or in the place of one of them.
            principal: Whose a request is: gets what `get_context` returned, and may be async. `None`, what it returns as
                well: nobody's, and nothing private is stored. `1` and `"1"` are one.
            l1: The bounds of this process's memory.
            l2: What processes share, such as `Valkey(url)`; `None`: nothing.
            shared_context: Names of what the context holds that is the same for everybody, such as pools and clients.
                Resolvers that read anything else of it make the answer vary on what `get_context` has read.
            flag: Whether answers are served and stored; always, when `None`. Its percentage is one of principals.
            name: On every series and event, and what processes that share a store agree on.
            service: The service's name on every series and event.
            registry: For the series; the default registry when `None`.
            clock: For times.
            rng: For jitter.
            secret: What identities in the shared store are made unreadable with, the same in all processes; when `None`,
                `QUICKWINS_QUERY_CACHE__SECRET`. Without `l2` none is needed.

        Raises:
            ConfigError: There is a shared store and no secret, or a policy, a store or a principal isn't one.
        """
        if not isinstance(policies, (Mapping, NoneType)):
            raise ConfigError(f"policies takes a Policy for each name, not a {type(policies).__name__}")
        for policy_name, policy in (policies or {}).items():
            if not isinstance(policy, Policy):
                raise ConfigError(f"policies[{policy_name!r}] is no Policy: {policy!r}")
        if not isinstance(l1, (L1, NoneType)):
            raise ConfigError(f"l1 takes an L1, such as L1(max_bytes=...), not a {type(l1).__name__}")
        shared_context = texts("shared_context", shared_context, such_as="db")
        secret = secret or os.environ.get(SECRET_VARIABLE)
        if l2 is not None and not hasattr(l2, "open"):
            raise ConfigError(f"l2 takes a shared store, such as Valkey(url), not a {type(l2).__name__}")
        if l2 is not None and not secret:
            raise ConfigError(f"a shared store needs a secret for identities: secret=, or {SECRET_VARIABLE}")
        function("principal", principal, of="the context, which says whose a request is")
        self.name = name
        self.service = service
        self.policies: Mapping[str, Policy] = {**DEFAULT_POLICIES, **(policies or {})}
        clock = SystemClock() if clock is None else clock
        chance: Chance = random.Random() if rng is None else rng  # noqa: S311 -- jitter, and names of epochs; until=never
        self._documents = Documents(self.policies)
        store = None
        if l2 is not None:
            store = l2.open(
                f"{service}:{name}", clock=clock, rng=chance, service=service, name=name, registry=registry
            )
        self._serving = Serving(L1() if l1 is None else l1, store, clock=clock, rng=chance)
        self.desk = Desk(
            self._serving,
            self._documents,
            principal=principal,
            shared_context=shared_context,
            flag=flag,
            secret=secret,
            clock=clock,
            reporter=Reporter(service=service, name=name, registry=registry),
        )
        self._tallies = Tallies(self._serving.counts, READINGS, registry=registry, service=service, name=name)

    def __repr__(self) -> str:
        memory = self._serving.memory
        return f"<QueryCache {self.name!r}: {len(memory)} answers, {memory.size_bytes} bytes>"

    @property
    def extension(self) -> Callable[[], SchemaExtension]:
        """For `strawberry.Schema(Query, extensions=[cache.extension])`."""
        from quickwins.query_cache._extension import extension_of

        return extension_of(self.desk)

    def attach(self, schema: Any) -> None:
        """Read a schema's hints now, at the start, instead of at its first request.

        Raises:
            ConfigError: A hint is wrong: where, and what is allowed.
        """
        self._documents.attach(schema)

    async def invalidate(
        self,
        *,
        types: Iterable[str] = (),
        entities: Iterable[tuple[str, object]] = (),
        lists: Iterable[str] = (),
        tags: Iterable[str] = (),
        tag_prefix: str | None = None,
        principal: str | int | None = None,
        everything: bool = False,
    ) -> None:
        """Void what depends on any of these, in all processes. When it returns, nobody is served it any more.

        Other processes' memories follow as soon as they are told, see `docs/query-cache.md`; executions that have begun
        before are not stored. While the shared store is not there it returns all the same, and the store is told first when
        it is back.

        Args:
            types: All answers that could hold an entity of these types, those with empty lists and nulls among them.
            entities: Types and ids: answers that hold one of them, or a null or an empty list where it could be.
            lists: Fields, such as `Query.users`.
            tags: What `cache_control(info).tag(...)` has said.
            tag_prefix: All tags that begin with it; empty: every tag.
            principal: All that is this principal's.
            everything: All answers.

        Raises:
            ConfigError: A text stands where several belong, or an entity is no type with an id.
        """
        marks = {
            *map(fences.of_type, several("types", types)),
            *map(fences.of_list, several("lists", lists)),
            *map(fences.tag, several("tags", tags)),
        }
        for type_name, identity in map(_entity, several("entities", entities)):
            marks |= {fences.entity(type_name, str(identity)), fences.unsure(type_name)}
        if principal is not None:
            marks.add(fences.of_principal(self.desk.pseudonym(str(principal))))
        prefixes = () if tag_prefix is None else (tag_prefix,)
        await self.desk.void(Invalidation(frozenset(marks), prefixes, everything))

    def explain(
        self,
        document: str,
        variables: Mapping[str, Any] | None = None,
        *,
        operation_name: str | None = None,
        schema: Any = None,
    ) -> Explanation:
        """What would be done with a request, and why.

        Args:
            document: Its text.
            variables: Of these only the names matter: those that it does not declare are told.
            operation_name: Which operation of several.
            schema: Which schema; the only one that this cache has, when `None`.

        Raises:
            ConfigError: There is no schema yet, or there are several; or the document has no such operation.
        """
        if schema is None:
            schemas = self._documents.schemas()
            if len(schemas) != 1:
                raise ConfigError(f"this cache has {len(schemas)} schemas: say which, schema=...")
            (schema,) = schemas
        known = self._documents.learned(schema, document, operation_name)
        if known is None:
            raise ConfigError(
                "the document has no operation that can be planned: it does not parse, or has none of that name"
            )
        plan = known.plan
        unknown = sorted((variables or {}).keys() - plan.defaults.keys())
        return Explanation(
            stored=plan.cacheable and not known.never,
            policy=plan.policy,
            ttl_seconds=plan.ttl_seconds,
            scope="PRIVATE" if known.private else "PUBLIC",
            vary=known.vary,
            marks=plan.marks,
            reasons=(
                *(f"{one.coordinate}: {one.words}" for one in plan.reasons),
                *(f"${name}: not declared, left out of the key" for name in unknown),
            ),
        )

    def stats(self) -> CacheStats:
        """The numbers since it was made."""
        return self._serving.counts.stats()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End what is under way, and let go of everything. Idempotent."""
        await self._serving.close()
