"""Collects the entities of an answer where resolvers return them, so that none is missed for want of an `id` in a document.

Only fields that return objects are wrapped, once for each schema; while nobody watches, a wrapper costs one look at a context
variable. An extension's `resolve` would cost each leaf as much.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import needs_extra
from quickwins.query_cache._core.plan import possible_types
from quickwins.query_cache._execution import EXECUTION

with needs_extra("query-cache"):
    from graphql import GraphQLObjectType, default_field_resolver
    from strawberry import relay

if TYPE_CHECKING:
    from collections.abc import Callable

    from graphql import GraphQLResolveInfo, GraphQLSchema

    from quickwins.query_cache._execution import Execution

_COLLECTS = "_quickwins_collects"
"""What a resolver says of itself that is wrapped already: it stays so for the schema's life, and other caches use it, too."""


def collect_from(schema: GraphQLSchema) -> None:
    """Wrap the resolvers of `schema`. Idempotent."""
    for kind in schema.type_map.values():
        if not isinstance(kind, GraphQLObjectType) or kind.name.startswith("__"):
            continue
        for field in kind.fields.values():
            possible = possible_types(schema, field.type)
            is_wrapped = getattr(field.resolve, _COLLECTS, None) is True
            if possible and not is_wrapped and kind is not schema.subscription_type:
                field.resolve = _collecting(field.resolve or default_field_resolver, possible)


def _collecting(resolve: Callable[..., Any], possible: tuple[str, ...]) -> Callable[..., Any]:
    only = possible[0] if len(possible) == 1 else None

    def collecting(source: Any, info: GraphQLResolveInfo[Any], **args: Any) -> Any:
        value = resolve(source, info, **args)
        execution = EXECUTION.get()
        if execution is None:
            return value
        if info.is_awaitable(value):
            return _later(value, execution, possible)
        if only is None or not _note_plain(value, execution, only):
            _note(value, execution, possible)
        return value

    vars(collecting)[_COLLECTS] = True
    return collecting


async def _later(value: Any, execution: Execution, possible: tuple[str, ...]) -> Any:
    found = await value
    _note(found, execution, possible)
    return found


def _note_plain(value: Any, execution: Execution, only: str) -> bool:
    """Note an object with an `id` that is text, which nearly all are; `False`: it is something else."""
    try:
        identity = value.id
    except Exception:  # noqa: BLE001 -- of an object that is not ours; until=never
        return False
    if type(identity) is not str or not identity:
        return False
    execution.of_type(only).add(identity)
    return True


def _note(value: Any, execution: Execution, possible: tuple[str, ...]) -> None:
    if isinstance(value, (list, tuple)):
        if not value:
            execution.saw_nothing(possible)
        only = possible[0] if len(possible) == 1 else None
        for one in value:
            if only is None or not _note_plain(one, execution, only):
                _note(one, execution, possible)
    elif value is None:
        execution.saw_nothing(possible)
    elif not isinstance(value, BaseException):
        name = possible[0] if len(possible) == 1 else _type_of(value)
        identity = _identity_of(value)
        if identity is None or name is None or (len(possible) > 1 and name not in possible):
            execution.saw_without_id((name,) if name in possible else possible)
        else:
            execution.of_type(name).add(identity)


def _type_of(value: Any) -> str | None:
    found = getattr(getattr(type(value), "__strawberry_definition__", None), "name", None)
    return found if isinstance(found, str) else None


def _identity_of(value: Any) -> str | None:
    """The id of an object, as text; `None`: it has none, or none that is to be had at once."""
    try:
        found = getattr(value, "id", None)
        if type(found) is str:  # of nearly all objects, and the question is asked for each
            return found or None
        if isinstance(value, Mapping):
            found = value.get("id")
        elif isinstance(value, relay.Node):
            found = getattr(value, type(value).resolve_id_attr(), None)
        if found is None or callable(found) or isinstance(found, (bytes, float, list, dict)):
            return None
        return str(found) or None
    except Exception:  # noqa: BLE001 -- of an object that is not ours: then nobody can tell which it is; until=never
        return None
