"""The cases of Apollo Server's suites of cache policies and `@cacheControl`, in our words.

What differs, by intention, is named beside the case: there is no default age, hints in resolvers only tighten, and an abstract
type is as strict as its strictest possibility.
"""

from typing import Any

import pytest
import strawberry
from prometheus_client import CollectorRegistry

from quickwins.query_cache import CacheControl, QueryCache

AGE_10, AGE_30, AGE_60, AGE_120, NEVER = (CacheControl(max_age=one) for one in (10, 30, 60, 120, 0))
INHERIT = CacheControl(inherit_max_age=True)
PRIVATE = CacheControl(scope="PRIVATE")
PRIVATE_60 = CacheControl(max_age=60, scope="PRIVATE")
PUBLIC_60 = CacheControl(max_age=60, scope="PUBLIC")


def explained(query: type, document: str, types: Any = ()) -> tuple[float | None, str]:
    """How long the answer would be stored, `None` for not at all, and whose it would be."""
    cache = QueryCache(registry=CollectorRegistry())
    found = cache.explain(document, schema=strawberry.Schema(query, types=types))
    return (found.ttl_seconds if found.stored else None), found.scope


def droids(field: CacheControl | None = None, kind: CacheControl | None = None) -> type:
    """`Query.droid` returns a `Droid`; a hint on the field, and one on the type."""

    @strawberry.type(directives=[kind] if kind else [])
    class Droid:
        id: strawberry.ID
        name: str

    @strawberry.type
    class Query:
        @strawberry.field(directives=[field] if field else [])
        def droid(self, id: strawberry.ID) -> Droid:  # noqa: A002 -- as in GraphQL; until=never
            return Droid(id=id, name="R2")

        name: str = "x"

    return Query


@pytest.mark.parametrize(
    ("field", "kind", "expected"),
    [
        pytest.param(None, None, (None, "PUBLIC"), id="no hint: not stored"),
        pytest.param(AGE_60, None, (60.0, "PUBLIC"), id="on the field"),
        pytest.param(None, AGE_60, (60.0, "PUBLIC"), id="on its type"),
        pytest.param(None, NEVER, (None, "PUBLIC"), id="0 on its type"),
        pytest.param(AGE_120, AGE_60, (120.0, "PUBLIC"), id="the field's age replaces the type's"),
        pytest.param(AGE_120, PRIVATE_60, (120.0, "PRIVATE"), id="and keeps the type's scope"),
        pytest.param(PRIVATE, PUBLIC_60, (60.0, "PRIVATE"), id="the field's scope replaces the type's"),
        pytest.param(PRIVATE, None, (None, "PRIVATE"), id="a scope alone is no age"),
        pytest.param(NEVER, AGE_60, (None, "PUBLIC"), id="0 on the field beats the type"),
    ],
)
def test_hints_of_a_field_and_of_its_type(
    field: CacheControl | None, kind: CacheControl | None, expected: tuple[float | None, str]
) -> None:
    assert explained(droids(field, kind), "query { droid(id: 2001) { name } }") == expected


def test_a_scalar_at_the_root_without_a_hint_is_not_stored() -> None:
    assert explained(droids(AGE_60), "{ name }")[0] is None
    assert explained(droids(AGE_60), "{ droid(id: 1) { id } name }")[0] is None


def test_an_interface_and_what_implements_it() -> None:
    """Apollo takes the interface's hint for `named` alone; here a `Droid` may come, so its 30 seconds count."""

    @strawberry.interface(directives=[AGE_60])
    class Named:
        name: str

    @strawberry.type(directives=[AGE_30])
    class Droid(Named):
        id: strawberry.ID

    @strawberry.type
    class Alien(Named):
        id: strawberry.ID

    @strawberry.type
    class Query:
        @strawberry.field
        def named(self) -> Named | None:
            return None

        @strawberry.field
        def droid(self) -> Droid | None:
            return None

        @strawberry.field
        def alien(self) -> Alien | None:
            return None

    types = [Droid, Alien]
    assert explained(Query, "{ named { ... on Droid { id name } } }", types) == (30.0, "PUBLIC")
    assert explained(Query, "{ named { ... on Alien { id } } }", types) == (30.0, "PUBLIC")
    assert explained(Query, "{ droid { id name } }", types) == (30.0, "PUBLIC")
    assert explained(Query, "{ alien { id name } }", types) == (None, "PUBLIC")


@strawberry.type
class Inner:
    scalar: str = ""
    cached: str = strawberry.field(default="", directives=[AGE_30])

    @strawberry.field
    def uncached(self) -> "Inner | None":
        return None


@strawberry.type
class Outer:
    @strawberry.field(directives=[INHERIT])
    def one(self) -> Inner | None:
        return None

    @strawberry.field(directives=[INHERIT])
    def several(self) -> list[Inner | None]:
        return []

    @strawberry.field(directives=[CacheControl(inherit_max_age=True, scope="PRIVATE")])
    def mine(self) -> Inner | None:
        return None

    @strawberry.field
    def plain(self) -> Inner | None:
        return None

    @strawberry.field
    def kind(self) -> "Inheriting | None":
        return None


@strawberry.type(directives=[INHERIT])
class Inheriting:
    scalar: str = ""


@strawberry.type
class InheritingQuery:
    @strawberry.field(directives=[CacheControl(max_age=1000)])
    def top(self) -> Outer | None:
        return None

    @strawberry.field(directives=[INHERIT])
    def root(self) -> Outer | None:
        return None

    book: Inner | None = None
    cached_book: Inner | None = strawberry.field(default=None, directives=[AGE_60])


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ("{ top { one { scalar } } }", (1000.0, "PUBLIC")),
        ("{ top { one { cached } } }", (30.0, "PUBLIC")),
        ("{ top { one { cached uncached { cached } } } }", (None, "PUBLIC")),
        ("{ top { several { cached } } }", (30.0, "PUBLIC")),
        ("{ top { several { cached uncached { cached } } } }", (None, "PUBLIC")),
        ("{ top { mine { cached } } }", (30.0, "PRIVATE")),
        ("{ top { kind { scalar } } }", (1000.0, "PUBLIC")),
        ("{ top { plain { scalar } } }", (None, "PUBLIC")),
        ("{ top { plain { cached } } }", (None, "PUBLIC")),
        ("{ book { cached } }", (None, "PUBLIC")),
        ("{ cachedBook { scalar } }", (60.0, "PUBLIC")),
        ("{ cachedBook { cached } }", (30.0, "PUBLIC")),
        ("{ root { one { scalar } } }", (None, "PUBLIC")),
    ],
)
def test_what_inherits_lasts_as_long_as_what_it_is_in(
    document: str, expected: tuple[float | None, str]
) -> None:
    assert explained(InheritingQuery, document) == expected
