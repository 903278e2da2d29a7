"""Finds hints of a schema that would have somebody's data served to everybody, or that do nothing."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import needs_extra
from quickwins.core.lazy import shows
from quickwins.query_cache._core.hints import NOTHING, Hint, Hints
from quickwins.query_cache._core.plan import possible_types
from quickwins.query_cache.policy import DEFAULT_POLICIES

with needs_extra("query-cache"):
    from graphql import GraphQLInterfaceType, GraphQLObjectType, get_named_type, is_composite_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from graphql import GraphQLSchema

    from quickwins.query_cache.policy import Policy

__all__ = ["Finding", "lint"]
__dir__ = shows(__name__)

_VIEWER = re.compile(r"(?:me|my|mine|viewer|self|account|session|cart|inbox|current_?[a-z]+)", re.IGNORECASE)
_MY = re.compile(r"(?:my|viewer|current)(?:_|[A-Z]).*")
_PERSONAL = re.compile(
    r"e?_?mail(?:_?address)?|phone(?:_?number)?|password|secret|api_?key|.*token|address|birth_?da(?:y|te)|ssn|iban|salary|"
    r"credit_?card(?:_?number)?",
    re.IGNORECASE,
)
_IDENTITY = {"authorization", "cookie"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One hint to look at.

    Attributes:
        coordinate: Where, such as `Query.me`.
        words: What is wrong with it, and what to do.
    """

    coordinate: str
    words: str

    def __str__(self) -> str:
        return f"{self.coordinate}: {self.words}"


def lint(schema: Any, policies: Mapping[str, Policy] | None = None) -> tuple[Finding, ...]:
    """What to look at in a Strawberry schema.

    A field that is public on purpose says so itself: `CacheControl(..., scope="PUBLIC")` on that very field ends its finding.

    Args:
        schema: A Strawberry schema.
        policies: What the cache has besides the defaults.

    Raises:
        ConfigError: A hint names a policy that doesn't exist, or a value that is not allowed.
    """
    made: GraphQLSchema = schema._schema  # noqa: SLF001 -- no public way to graphql-core's; until=2028-11-30
    hints = Hints(made, {**DEFAULT_POLICIES, **(policies or {})})
    return tuple(sorted(_findings(made, hints), key=lambda one: one.coordinate))


def _findings(schema: GraphQLSchema, hints: Hints) -> Iterator[Finding]:
    roots = {schema.mutation_type: "a mutation", schema.subscription_type: "a subscription"}
    stored = _stored(schema, hints)
    for kind in schema.type_map.values():
        if not isinstance(kind, (GraphQLObjectType, GraphQLInterfaceType)) or kind.name.startswith("__"):
            continue
        for name, field in kind.fields.items():
            coordinate = f"{kind.name}.{name}"
            hint = hints.of_field(coordinate)
            target = get_named_type(field.type)
            of_target = hints.of_type(target.name) if is_composite_type(target) else NOTHING
            what = roots.get(kind) if isinstance(kind, GraphQLObjectType) else None
            if what is not None:
                if hint.ttl_seconds:
                    yield Finding(coordinate, f"{what} is never stored: take its hint away")
                continue
            if kind is schema.query_type or kind.name in stored:
                yield from _of_field(coordinate, name, hint, of_target, is_root=kind is schema.query_type)


def _stored(schema: GraphQLSchema, hints: Hints) -> set[str]:
    """The names of the types that may be in a stored answer."""
    found = {name for name in schema.type_map if _may_last(hints.of_type(name))}
    for kind in schema.type_map.values():
        for name, field in (getattr(kind, "fields", None) or {}).items():
            if _may_last(hints.of_field(f"{kind.name}.{name}")):
                found.update((get_named_type(field.type).name, *possible_types(schema, field.type)))
    return found


def _may_last(hint: Hint) -> bool:
    return hint.inherit or bool(hint.ttl_seconds)


def _of_field(coordinate: str, name: str, hint: Hint, of_target: Hint, *, is_root: bool) -> Iterator[Finding]:
    ttl = hint.ttl_seconds if hint.ttl_seconds is not None else of_target.ttl_seconds
    scope = hint.scope or of_target.scope
    if hint.authorised:
        if hint.explicitly_public:
            yield Finding(
                coordinate, 'not everybody may see it, and it says scope="PUBLIC": it is private all the same'
            )
        return
    if scope == "PRIVATE" or ttl == 0 or hint.explicitly_public:
        return
    if is_root and ttl and (_VIEWER.fullmatch(name) or _MY.match(name)):
        yield Finding(coordinate, 'PUBLIC, and by its name it is the viewer\'s own: scope="PRIVATE"')
    elif _PERSONAL.fullmatch(name) and (ttl or not is_root):
        yield Finding(coordinate, 'nothing makes it private, and by its name it is personal: scope="PRIVATE"')
    if ttl and _IDENTITY & {one.partition(":")[0] for one in hint.vary}:
        yield Finding(coordinate, 'PUBLIC, and varies on whose the request is: scope="PRIVATE"')
