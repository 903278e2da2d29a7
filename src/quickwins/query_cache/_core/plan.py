"""The plan of an operation: how long its answer lasts, whose it is, and what it could hold.

It is made once for each schema, document and operation, over the schema's *coordinates*: an alias, a fragment or a directive
changes neither of them. Every field that the document names counts, also one that `@skip` leaves out. A field of an interface
counts as that field of each type that may stand there, and a field that returns an interface or a union takes the least of
all types that it may return.

Source: the rules of Apollo Server's cache control (documentation, "Server-side caching"); deviations are in
`docs/query-cache.md`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import needs_extra
from quickwins.query_cache._core.fences import of_list, of_type
from quickwins.query_cache._core.hints import CUSTOM, NOTHING, Hint, Hints

with needs_extra("query-cache"):
    from graphql import (
        FragmentDefinitionNode,
        OperationDefinitionNode,
        TypeInfo,
        TypeInfoVisitor,
        Visitor,
        get_named_type,
        is_abstract_type,
        is_composite_type,
        is_list_type,
        is_non_null_type,
        visit,
    )
    from graphql.utilities import value_from_ast_untyped

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from graphql import (
        DirectiveNode,
        DocumentNode,
        FieldNode,
        FragmentSpreadNode,
        GraphQLNamedType,
        GraphQLOutputType,
        GraphQLSchema,
    )

    from quickwins.query_cache.policy import Scope

_INCREMENTAL = {"defer", "stream"}


@dataclass(frozen=True, slots=True)
class Reason:
    """One step of the way to a plan, for `explain`.

    Attributes:
        coordinate: Where.
        words: What it did.
    """

    coordinate: str
    words: str


@dataclass(slots=True)
class Plan:
    """What is known of an operation before it is executed. Frozen once it is made.

    Attributes:
        operation: `query`, `mutation` or `subscription`.
        policy: The name of the policy with the least time.
        ttl_seconds: How long; 0: the answer is not stored.
        scope: Whose.
        vary: The headers that it depends on.
        stale_while_revalidate_seconds: The least of all.
        stale_if_error_seconds: The least of all.
        store_extensions: Whether all allow it.
        marks: What its answer depends on whatever comes out: the types that it can hold, and its fields.
        defaults: The operation's variables, with the defaults of those that have one.
        reasons: Why.
    """

    operation: str
    policy: str = CUSTOM
    ttl_seconds: float = 0.0
    scope: Scope = "PUBLIC"
    vary: tuple[str, ...] = ()
    stale_while_revalidate_seconds: float = 0.0
    stale_if_error_seconds: float = 0.0
    store_extensions: bool = False
    marks: tuple[str, ...] = ()
    defaults: Mapping[str, Any] = field(default_factory=dict)
    reasons: tuple[Reason, ...] = ()

    @property
    def cacheable(self) -> bool:
        """Whether its answer may be stored at all."""
        return self.ttl_seconds > 0


NO_DEFAULT: Any = object()
"""In `Plan.defaults`: the variable has none."""


def operation_in(document: DocumentNode, name: str | None) -> OperationDefinitionNode | None:
    """The operation that is executed: the one called `name`, or the first, as Strawberry chooses."""
    operations = [one for one in document.definitions if isinstance(one, OperationDefinitionNode)]
    if name is None:
        return operations[0] if operations else None
    return next((one for one in operations if one.name and one.name.value == name), None)


def plan(hints: Hints, document: DocumentNode, name: str | None) -> Plan | None:
    """The plan of `document`'s operation `name`; `None`: there is no such operation, or it can't be executed."""
    operation = operation_in(document, name)
    if operation is None:
        return None
    fragments = {
        one.name.value: one for one in document.definitions if isinstance(one, FragmentDefinitionNode)
    }
    walk = _Walk(hints)
    todo: list[OperationDefinitionNode | FragmentDefinitionNode] = [operation]
    seen: set[str] = set()
    info = TypeInfo(hints.schema)
    while todo:
        visit(todo.pop(), TypeInfoVisitor(info, walk.within(info)))
        for spread in walk.spreads - seen:
            if spread not in fragments:
                return None
            todo.append(fragments[spread])
        seen |= walk.spreads
    return walk.plan(operation)


class _Walk(Visitor):
    """Sees every field once."""

    def __init__(self, hints: Hints) -> None:
        super().__init__()
        self._hints = hints
        self._schema = hints.schema
        self._sum = _Sum()
        self._seen: set[str] = set()
        self._types: set[str] = set()
        self._lists: set[str] = set()
        self._never: dict[str, str] = {}
        self.spreads: set[str] = set()
        self._info: TypeInfo = TypeInfo(hints.schema)

    def within(self, info: TypeInfo) -> _Walk:
        """Itself, with types from `info`."""
        self._info = info
        return self

    def enter_fragment_spread(self, node: FragmentSpreadNode, *_: Any) -> None:
        """Its fragment is seen, too."""
        self.spreads.add(node.name.value)

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        """An answer in parts is not stored."""
        if node.name.value in _INCREMENTAL:
            self._never[f"@{node.name.value}"] = "the answer comes in parts"

    def enter_field(self, node: FieldNode, *_: Any) -> None:
        """Take its hints into account."""
        parent, name = self._info.get_parent_type(), node.name.value
        if name == "__typename":
            return
        made = self._info.get_field_def()
        if name.startswith("__") or parent is None or made is None:
            self._never[name] = "introspection" if name.startswith("__") else "there is no such field"
            return
        for owner in self._concrete(parent):
            coordinate = f"{owner.name}.{name}"
            own = (getattr(owner, "fields", None) or {}).get(name)
            if own is None or coordinate in self._seen:
                continue
            self._seen.add(coordinate)
            self._one(coordinate, own.type, is_root=owner is self._schema.query_type)

    def _one(self, coordinate: str, kind: GraphQLOutputType, *, is_root: bool) -> None:
        target = get_named_type(kind)
        if is_root or is_composite_type(target) or _is_list(kind):
            self._lists.add(coordinate)
        hint = self._hints.of_field(coordinate)
        if not is_composite_type(target):
            self._sum.add(coordinate, hint, NOTHING, needs_time=is_root, may_inherit=False)
            return
        possible = list(self._concrete(target))
        self._types.update(one.name for one in possible)
        for type_hint in self._type_hints(target, possible):
            self._sum.add(coordinate, hint, type_hint, needs_time=True, may_inherit=not is_root)

    def _type_hints(self, target: GraphQLNamedType, possible: list[GraphQLNamedType]) -> Iterator[Hint]:
        general = self._hints.of_type(target.name)
        if not is_abstract_type(target):
            yield general
            return
        if not general.says_nothing:
            yield general
        for one in possible:
            hint = self._hints.of_type(one.name)
            # What the interface says holds for a type that says nothing itself.
            if one is not target and (not hint.says_nothing or general.says_nothing):
                yield hint

    def _concrete(self, one: GraphQLNamedType) -> Iterator[GraphQLNamedType]:
        yield one
        if is_abstract_type(one):
            yield from self._schema.get_possible_types(one)

    def plan(self, operation: OperationDefinitionNode) -> Plan:
        """What comes of it."""
        total = self._sum
        for variable in operation.variable_definitions or ():
            kind: Any = variable.type
            while hasattr(kind, "type"):
                kind = kind.type
            if kind.name.value == "Upload":
                self._never[f"${variable.variable.name.value}"] = "an upload"
        kind_of = operation.operation.value
        reasons = [
            *total.reasons,
            *(Reason(where, f"{why}: never stored") for where, why in self._never.items()),
        ]
        ttl = 0.0 if kind_of != "query" or self._never else total.ttl_seconds or 0.0
        return Plan(
            operation=kind_of,
            policy=total.policy or CUSTOM,
            ttl_seconds=ttl,
            scope=total.scope,
            vary=tuple(sorted(total.vary)),
            stale_while_revalidate_seconds=total.stale_while_revalidate_seconds or 0.0,
            stale_if_error_seconds=total.stale_if_error_seconds or 0.0,
            store_extensions=total.store_extensions is True,
            marks=(*map(of_type, sorted(self._types)), *map(of_list, sorted(self._lists))),
            defaults=_defaults(operation),
            reasons=tuple(reasons),
        )


class _Sum:
    """The least of all hints so far."""

    def __init__(self) -> None:
        self.policy: str | None = None
        self.ttl_seconds: float | None = None
        self.scope: Scope = "PUBLIC"
        self.vary: set[str] = set()
        self.stale_while_revalidate_seconds: float | None = None
        self.stale_if_error_seconds: float | None = None
        self.store_extensions: bool | None = None
        self.reasons: list[Reason] = []

    def add(
        self, coordinate: str, own: Hint, of_target: Hint, *, needs_time: bool, may_inherit: bool
    ) -> None:
        """Take a field into account, with the hint of what it returns; without a time of its own it may have 0."""
        # As Apollo has it: the type's hint first, then the field's over it, key by key.
        inherits = of_target.inherit if own.ttl_seconds is None else False
        if own.inherit and of_target.ttl_seconds is None:
            inherits = True
        winner = own if own.ttl_seconds is not None else of_target
        ttl = winner.ttl_seconds
        scope = own.scope or of_target.scope
        if own.authorised or of_target.authorised:
            scope = "PRIVATE"
        if scope == "PRIVATE" and self.scope != "PRIVATE":
            self.scope = "PRIVATE"
            self.reasons.append(Reason(coordinate, "private"))
        self.vary.update(own.vary, of_target.vary)
        if ttl is None and needs_time and not (inherits and may_inherit):
            ttl = 0.0
        if ttl is None:
            return
        if self.ttl_seconds is None or ttl < self.ttl_seconds:
            self.ttl_seconds = ttl
            self.policy = winner.policy
            said = (
                f"{winner.policy or CUSTOM}, {ttl:g} s"
                if winner.ttl_seconds is not None
                else "no hint: not stored"
            )
            self.reasons.append(Reason(coordinate, said))
        self.stale_while_revalidate_seconds = _least(
            self.stale_while_revalidate_seconds, winner.stale_while_revalidate_seconds or 0.0
        )
        self.stale_if_error_seconds = _least(
            self.stale_if_error_seconds, winner.stale_if_error_seconds or 0.0
        )
        self.store_extensions = self.store_extensions is not False and bool(winner.store_extensions)


def _least(one: float | None, other: float) -> float:
    return other if one is None else min(one, other)


def _is_list(kind: GraphQLOutputType) -> bool:
    return is_list_type(kind.of_type if is_non_null_type(kind) else kind)


def _defaults(operation: OperationDefinitionNode) -> dict[str, Any]:
    return {
        one.variable.name.value: NO_DEFAULT
        if one.default_value is None
        else value_from_ast_untyped(one.default_value)
        for one in operation.variable_definitions or ()
    }


def possible_types(schema: GraphQLSchema, kind: GraphQLOutputType) -> tuple[str, ...]:
    """The names of the types of object that a field of type `kind` can hold; empty for scalars."""
    target = get_named_type(kind)
    if not is_composite_type(target):
        return ()
    if is_abstract_type(target):
        return tuple(sorted(one.name for one in schema.get_possible_types(target)))
    return (target.name,)
