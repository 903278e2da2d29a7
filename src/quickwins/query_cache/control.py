"""What resolvers say of the answer that they are part of."""

from __future__ import annotations

import inspect
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar, cast, get_args

from quickwins.core.errors import ConfigError
from quickwins.core.given import several
from quickwins.core.lazy import shows
from quickwins.query_cache._core.fences import Invalidation, entity, of_list, of_type, tag, unsure
from quickwins.query_cache._execution import EXECUTION
from quickwins.query_cache.policy import Scope

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
    from typing import Self

    from quickwins.query_cache._execution import Execution

    Identify = Callable[[Mapping[str, Any], Any], object]

__all__ = ["Control", "cache_control", "invalidates"]
__dir__ = shows(__name__)

_F = TypeVar("_F", bound="Callable[..., Any]")


class Control:
    """What one resolver says of the answer. Hints only tighten: the least time and the narrowest scope win.

    Where nothing is cached, each method does nothing.
    """

    __slots__ = ("_execution",)

    def __init__(self, execution: Execution | None) -> None:
        """Use `cache_control` instead."""
        self._execution = execution

    def __repr__(self) -> str:
        return "<Control>" if self._execution else "<Control of nothing>"

    def restrict(self, *, max_age: float | None = None, scope: Scope | None = None) -> Self:
        """Have the answer last no longer than `max_age` seconds (0: not stored), or be the principal's alone.

        Raises:
            ConfigError: `max_age` is below 0, or there is no such scope.
        """
        if max_age is not None and not max_age >= 0:
            raise ConfigError(f"max_age={max_age!r} is not allowed: 0 or more seconds")
        if scope is not None and scope not in get_args(Scope):
            raise ConfigError(f"scope={scope!r} is not allowed: one of {', '.join(get_args(Scope))}")
        execution = self._execution
        if execution is not None:
            if max_age is not None:
                execution.ttl_seconds = min(execution.ttl_seconds, max_age)
            execution.private = execution.private or scope == "PRIVATE"
        return self

    def tag(self, *names: str) -> Self:
        """Have `invalidate(tags=...)` and `invalidate(tag_prefix=...)` void the answer."""
        if self._execution is not None:
            for name in names:
                self._execution.tag(tag(name))
        return self

    def no_store(self) -> Self:
        """Keep the answer for this request: it is neither stored nor shared with those that wait for the same."""
        if self._execution is not None:
            self._execution.refusal = "no_store"
        return self


def cache_control(info: object) -> Control:  # noqa: ARG001 -- the operation is that of the context; `info` is what resolvers have; until=never
    """What a resolver says of its answer: `cache_control(info).restrict(max_age=5).tag("cart:9")`."""
    return Control(EXECUTION.get())


def _check(types: Sequence[object], others: Sequence[object]) -> None:
    if not all(isinstance(one, str) for one in types):
        raise ConfigError("invalidates takes the names of types: @invalidates('User')")
    if not types and not others:
        raise ConfigError("invalidates() voids nothing: name types, lists, tags or a prefix of tags")


def invalidates(
    *types: str,
    id: Identify | None = None,  # noqa: A002 -- as in GraphQL; until=never
    lists: Collection[str] = (),
    tags: Collection[str] = (),
    tag_prefix: str | None = None,
) -> Callable[[_F], _F]:
    """Have a mutation void what it changes, before its answer is sent. Stands directly above the resolver.

    The entities in the mutation's answer are voided without it. When the resolver raises, it may have changed something all
    the same: then the types are voided as a whole.

    Args:
        types: The types of what it changes.
        id: Which of them: gets the arguments by their names in Python, and the result; gives an id, several, or `None`.
            Without it all of these types are voided.
        lists: Fields whose lists are no longer right, such as `Query.users`.
        tags: Tags.
        tag_prefix: All tags that begin with it.

    Raises:
        ConfigError: It names nothing, a type is no text, or a text stands where several belong.
    """
    _check(types, [*several("lists", lists), *several("tags", tags), *filter(None, [tag_prefix])])

    def decorate(resolver: _F) -> _F:
        def declare(args: Mapping[str, Any], result: object, *, failed: bool) -> None:
            execution = EXECUTION.get()
            if execution is not None:
                marks = {*map(of_list, lists), *map(tag, tags), *_of(types, id, args, result, failed=failed)}
                execution.voided.append(Invalidation(frozenset(marks), (tag_prefix,) if tag_prefix else ()))

        if inspect.iscoroutinefunction(resolver):

            @wraps(resolver)
            async def later(*args: Any, **kwargs: Any) -> Any:
                try:
                    result = await resolver(*args, **kwargs)
                except BaseException:
                    declare(kwargs, None, failed=True)
                    raise
                declare(kwargs, result, failed=False)
                return result

            return cast("_F", later)

        @wraps(resolver)
        def now(*args: Any, **kwargs: Any) -> Any:
            try:
                result = resolver(*args, **kwargs)
            except BaseException:
                declare(kwargs, None, failed=True)
                raise
            declare(kwargs, result, failed=False)
            return result

        return cast("_F", now)

    return decorate


def _of(
    types: Iterable[str], identify: Identify | None, args: Mapping[str, Any], result: object, *, failed: bool
) -> set[str]:
    if identify is None or failed:
        return {*map(of_type, types)}
    try:
        found = identify(args, result)
    except Exception:  # noqa: BLE001 -- what it is asked for is which of a type: then all of it; until=never
        return {*map(of_type, types)}
    if found is None:
        return set()
    ids = [found] if isinstance(found, str) or not isinstance(found, (list, tuple, set, frozenset)) else found
    return {mark for name in types for one in ids for mark in (entity(name, str(one)), unsure(name))}
