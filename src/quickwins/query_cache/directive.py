"""`@cacheControl`: what a field or a type says of how long its values may be served again."""

from __future__ import annotations

from quickwins.core.errors import needs_extra
from quickwins.core.lazy import shows

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
    """

    policy: str | None = None
    max_age: int | None = None
    scope: str | None = None
    inherit_max_age: bool | None = None
    vary: list[str] | None = None
