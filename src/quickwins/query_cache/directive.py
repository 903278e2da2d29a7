"""`@cacheControl`: what a field or a type says of how long its values may be served again."""

from __future__ import annotations

from typing import Any

from quickwins.core.errors import ConfigError, needs_extra
from quickwins.core.lazy import shows
from quickwins.query_cache.policy import MAX_SECONDS, Policy

with needs_extra("query-cache"):
    import strawberry
    from strawberry.schema_directive import Location

__all__ = ["CacheControl"]
__dir__ = shows(__name__)


@strawberry.schema_directive(
    locations=[Location.FIELD_DEFINITION, Location.OBJECT, Location.INTERFACE, Location.UNION],
    name="cacheControl",
)
class CacheControl:
    """`strawberry.field(directives=[CacheControl(policy="SEARCH")])`, or on a type: for each field that returns it.

    A field's own hint wins over that of the type it returns, key by key. A field at the root, and one that returns an object
    or a list of them, is not cached (and with it the whole answer) unless one of the two says how long. A scalar lasts as
    long as what it is in. These are Apollo's rules.

    Attributes:
        policy: The name of one of the cache's policies.
        max_age: Seconds; wins over the policy's.
        scope: `PUBLIC` or `PRIVATE`; wins over the policy's.
        inherit_max_age: The field lasts as long as what it is in.
        vary: The headers of the request that the value depends on, besides the policy's; `cookie:theme` is one cookie.

    Raises:
        ConfigError: A value is not allowed.
    """

    policy: str | None = None
    max_age: int | None = None
    scope: str | None = None
    inherit_max_age: bool | None = None
    vary: list[str] | None = None

    def __post_init__(self) -> None:
        age: Any = self.max_age
        if age is not None and (type(age) is not int or not 0 <= age <= MAX_SECONDS):
            raise ConfigError(f"max_age={age!r} is not allowed: whole seconds, from 0 to {MAX_SECONDS:,.0f}")
        if self.inherit_max_age and age is not None:
            raise ConfigError("inherit_max_age and max_age contradict each other: give one")
        # As a policy has them, so that what is not allowed there is not allowed here.
        made = Policy(scope=self.scope or "PUBLIC", vary=self.vary or ())  # type: ignore[arg-type]  # -- which looks; until=never
        self.vary = list(made.vary) or None
