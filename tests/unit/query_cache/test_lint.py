"""What lint finds, and what it leaves alone."""

from __future__ import annotations

import pytest
import strawberry

from quickwins.core.errors import ConfigError
from quickwins.query_cache import CacheControl, Policy
from quickwins.query_cache.lint import lint
from tests.unit.query_cache.service import SignedIn


@strawberry.type(directives=[CacheControl(policy="PUBLIC")])
class User:
    id: strawberry.ID
    email: str
    phone: str = strawberry.field(default="", directives=[CacheControl(scope="PRIVATE")])
    address: str = strawberry.field(default="", directives=[CacheControl(scope="PUBLIC")])


@strawberry.type
class Elsewhere:
    email: str


def field(**hint: object) -> int:
    made: int = strawberry.field(default=0, directives=[CacheControl(**hint)])  # type: ignore[arg-type]  # -- as keywords; until=never
    return made


@strawberry.type
class Query:
    users: list[User]
    me: User
    never: Elsewhere
    my_orders: int = field(policy="PUBLIC")
    viewer: int = field(policy="USER_DATA")
    cart: int = field(policy="PUBLIC", scope="PUBLIC")
    menu: int = field(policy="PUBLIC")
    own: int = field(policy="OWN", vary=["cookie:theme"])
    guarded: int = strawberry.field(
        default=0, directives=[CacheControl(policy="PUBLIC", scope="PUBLIC")], permission_classes=[SignedIn]
    )


@strawberry.type
class Mutation:
    rename: int = field(policy="PUBLIC")


SCHEMA = strawberry.Schema(Query, Mutation)


def test_it_finds_what_would_be_everybodys_and_what_does_nothing() -> None:
    found = {one.coordinate: one.words for one in lint(SCHEMA, {"OWN": Policy(ttl_seconds=3)})}
    assert found.keys() == {
        "User.email",
        "Query.me",
        "Query.myOrders",
        "Query.own",
        "Query.guarded",
        "Mutation.rename",
    }
    assert "viewer's own" in found["Query.me"]
    assert "personal" in found["User.email"]
    assert "varies on whose" in found["Query.own"]
    assert "private all the same" in found["Query.guarded"]
    assert "never stored" in found["Mutation.rename"]


def test_an_unknown_policy_is_told() -> None:
    with pytest.raises(ConfigError, match=r"Query\.own: there is no policy 'OWN'"):
        lint(SCHEMA)
