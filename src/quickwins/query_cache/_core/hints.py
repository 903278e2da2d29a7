"""What a Strawberry schema says of each of its coordinates: the hints on its fields and types."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import ConfigError
from quickwins.query_cache.directive import CacheControl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from graphql import GraphQLField, GraphQLNamedType, GraphQLSchema

    from quickwins.query_cache.policy import Policy, Scope

CUSTOM = "CUSTOM"
"""The name, in metrics, of what has a `max_age` of its own and no policy."""
_AUTHORISED = {"authenticated", "requiresscopes", "policy"}
"""Federation's directives for fields that not everybody may see, in lower case."""


@dataclass(frozen=True, slots=True)
class Hint:
    """What one coordinate says; `None`: nothing.

    Attributes:
        policy: The name of its policy.
        ttl_seconds: How long.
        scope: Whose.
        inherit: Whether it lasts as long as what it is in.
        vary: Names of headers.
        stale_while_revalidate_seconds: The policy's.
        stale_if_error_seconds: The policy's.
        store_extensions: The policy's.
        authorised: Whether not everybody may see it.
        explicitly_public: Whether it says so itself, and not its policy.
    """

    policy: str | None = None
    ttl_seconds: float | None = None
    scope: Scope | None = None
    inherit: bool = False
    vary: tuple[str, ...] = ()
    stale_while_revalidate_seconds: float | None = None
    stale_if_error_seconds: float | None = None
    store_extensions: bool | None = None
    authorised: bool = False
    explicitly_public: bool = False

    @property
    def says_nothing(self) -> bool:
        """Whether it is as if there were none."""
        return self == NOTHING


NOTHING = Hint()


class Hints:
    """The hints of one schema, read once each. Any thread."""

    def __init__(self, schema: GraphQLSchema, policies: Mapping[str, Policy]) -> None:
        """Read all of them, so that a mistake is found at the start.

        Raises:
            ConfigError: A hint names a policy that doesn't exist, or a value that is not allowed: where, and what is.
        """
        self.schema = schema
        self._policies = policies
        self._fields: dict[str, Hint] = {}
        self._types: dict[str, Hint] = {}
        for name, one in schema.type_map.items():
            if name.startswith("__"):
                continue
            hint = self._read(name, _directives(one))
            if not hint.says_nothing:
                self._types[name] = hint
            for field_name, field in (getattr(one, "fields", None) or {}).items():
                coordinate = f"{name}.{field_name}"
                hint = self._read(coordinate, _directives(field), authorised=_is_authorised(field))
                if not hint.says_nothing:
                    self._fields[coordinate] = hint

    def of_field(self, coordinate: str) -> Hint:
        """What stands at a field, such as `Query.users`."""
        return self._fields.get(coordinate, NOTHING)

    def of_type(self, name: str) -> Hint:
        """What stands at a type."""
        return self._types.get(name, NOTHING)

    def _read(self, where: str, directives: Iterable[Any], *, authorised: bool = False) -> Hint:
        found: Any = None
        for one in directives:
            if isinstance(one, CacheControl):
                if found is not None:
                    raise ConfigError(f"{where} has two CacheControl: it takes one")
                found = one
            elif type(one).__name__.lower() in _AUTHORISED:
                authorised = True
        if found is None:
            return Hint(authorised=True) if authorised else NOTHING
        policy = self._policy(where, found.policy)
        base = NOTHING if policy is None else _of_policy(found.policy, policy)
        ttl = base.ttl_seconds if found.max_age is None else float(found.max_age)
        if found.inherit_max_age and ttl is not None:
            raise ConfigError(f"{where}: inherit_max_age and a time contradict each other: give one")
        return replace(
            base,
            policy=found.policy or (None if found.max_age is None else CUSTOM),
            ttl_seconds=ttl,
            scope=found.scope or base.scope,
            inherit=bool(found.inherit_max_age),
            vary=tuple(sorted({*(found.vary or ()), *base.vary})),
            authorised=authorised,
            explicitly_public=found.scope == "PUBLIC",
        )

    def _policy(self, where: str, name: str | None) -> Policy | None:
        if name is None:
            return None
        if name not in self._policies:
            raise ConfigError(
                f"{where}: there is no policy {name!r}: one of {', '.join(sorted(self._policies))}"
            )
        return self._policies[name]


def _of_policy(name: str, policy: Policy) -> Hint:
    return Hint(
        policy=name,
        ttl_seconds=policy.ttl_seconds,
        scope=policy.scope,
        vary=tuple(policy.vary),
        stale_while_revalidate_seconds=policy.stale_while_revalidate_seconds,
        stale_if_error_seconds=policy.stale_if_error_seconds,
        store_extensions=policy.store_extensions,
    )


def definition(one: GraphQLField | GraphQLNamedType) -> Any:
    """Strawberry's definition of what graphql-core has; `None` where there is none."""
    return (one.extensions or {}).get("strawberry-definition")


def _directives(one: GraphQLField | GraphQLNamedType) -> Iterable[Any]:
    return getattr(definition(one), "directives", None) or ()


def _is_authorised(field: GraphQLField) -> bool:
    """Whether somebody is asked before the field is resolved: `permission_classes`, or an extension that asks."""
    made = definition(field)
    if getattr(made, "permission_classes", None):
        return True
    return any(
        base.__name__ == "PermissionExtension"
        for extension in getattr(made, "extensions", None) or ()
        for base in type(extension).__mro__
    )
