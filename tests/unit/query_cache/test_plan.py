"""What a plan says of a document: over coordinates, whatever aliases, fragments and directives make of it."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
import strawberry
from graphql import parse
from hypothesis import given
from hypothesis import strategies as st
from strawberry.permission import BasePermission
from strawberry.schema_directive import Location
from strawberry.types import Info

from quickwins.core.errors import ConfigError
from quickwins.query_cache._core.hints import Hints
from quickwins.query_cache._core.plan import NO_DEFAULT, Plan, plan
from quickwins.query_cache.directive import CacheControl
from quickwins.query_cache.policy import DEFAULT_POLICIES, Policy

POLICIES = {
    **DEFAULT_POLICIES,
    "STALE": Policy(ttl_seconds=40.0, stale_while_revalidate_seconds=9.0, stale_if_error_seconds=8.0),
}


class Staff(BasePermission):
    message = "staff only"

    def has_permission(self, source: object, info: Info, **kwargs: object) -> bool:
        return False


@strawberry.interface
class Node:
    id: strawberry.ID
    owner: str = strawberry.field(default="", directives=[CacheControl(max_age=20)])


@strawberry.type(directives=[CacheControl(max_age=50)])
class User(Node):
    name: str = ""
    email: str = strawberry.field(default="", directives=[CacheControl(scope="PRIVATE")])
    owner: str = strawberry.field(default="", directives=[CacheControl(max_age=7)])
    salary: int = strawberry.field(default=0, permission_classes=[Staff])


@strawberry.type
class Draft(Node):
    text: str = ""


@strawberry.type(directives=[CacheControl(inherit_max_age=True)])
class Place:
    name: str = ""


Anything = Annotated[User | Draft, strawberry.union("Anything")]


@strawberry.type
class Post:
    id: strawberry.ID
    title: str = ""

    @strawberry.field
    def author(self) -> User:
        raise NotImplementedError

    @strawberry.field(directives=[CacheControl(inherit_max_age=True)])
    def related(self) -> list[Post]:
        raise NotImplementedError

    @strawberry.field
    def draft(self) -> Draft:
        raise NotImplementedError

    @strawberry.field
    def place(self) -> Place:
        raise NotImplementedError


@strawberry.type
class Query:
    @strawberry.field(directives=[CacheControl(policy="SEARCH", vary=["Accept-Language"])])
    def posts(self, first: int = 3, tag: str | None = None) -> list[Post]:
        raise NotImplementedError

    @strawberry.field
    def plain(self) -> str:
        raise NotImplementedError

    @strawberry.field(directives=[CacheControl(inherit_max_age=True)])
    def heir(self) -> Place:
        raise NotImplementedError

    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def counted(self) -> int:
        raise NotImplementedError

    @strawberry.field(directives=[CacheControl(policy="NO_CACHE")])
    def never(self) -> int:
        raise NotImplementedError

    @strawberry.field(directives=[CacheControl(policy="STALE")])
    def stale(self) -> int:
        raise NotImplementedError

    @strawberry.field(directives=[CacheControl(max_age=90)])
    def node(self) -> Node | None:
        raise NotImplementedError

    @strawberry.field
    def anything(self) -> list[Anything]:
        raise NotImplementedError

    @strawberry.field
    def user(self) -> User:
        raise NotImplementedError


@strawberry.type
class Mutation:
    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def rename(self) -> int:
        raise NotImplementedError


SCHEMA = strawberry.Schema(Query, Mutation, types=[User, Draft])
HINTS = Hints(SCHEMA._schema, POLICIES)


def planned(document: str, name: str | None = None) -> Plan:
    made = plan(HINTS, parse(document), name)
    assert made is not None
    return made


@pytest.mark.parametrize(
    ("document", "ttl", "scope", "policy"),
    [
        pytest.param("{ counted }", 30, "PUBLIC", "PUBLIC", id="a root scalar with a hint"),
        pytest.param("{ plain }", 0, "PUBLIC", "CUSTOM", id="a root field without one"),
        pytest.param("{ counted plain }", 0, "PUBLIC", "CUSTOM", id="the least of two root fields"),
        pytest.param("{ posts { title } }", 60, "PUBLIC", "SEARCH", id="a scalar lasts as long as what it is in"),
        pytest.param("{ posts { author { name } } }", 50, "PUBLIC", "CUSTOM", id="the hint of the type it returns"),
        pytest.param("{ posts { draft { text } } }", 0, "PUBLIC", "CUSTOM", id="an object without any hint"),
        pytest.param("{ posts { related { title } } }", 60, "PUBLIC", "SEARCH", id="a field that inherits"),
        pytest.param("{ posts { place { name } } }", 60, "PUBLIC", "SEARCH", id="a type that inherits"),
        pytest.param("{ heir { name } }", 0, "PUBLIC", "CUSTOM", id="nothing to inherit from at the root"),
        pytest.param("{ user { email } }", 50, "PRIVATE", "CUSTOM", id="one private field"),
        pytest.param("{ user { salary } }", 50, "PRIVATE", "CUSTOM", id="a field with permission classes"),
        pytest.param("{ e: user { x: email } }", 50, "PRIVATE", "CUSTOM", id="aliases"),
        pytest.param("{ node { owner } }", 7, "PUBLIC", "CUSTOM", id="each type that may stand for an interface"),
        pytest.param("{ anything { ... on User { name } } }", 0, "PUBLIC", "CUSTOM", id="each type of a union"),
        pytest.param("{ never }", 0, "PUBLIC", "NO_CACHE", id="a policy of no time"),
        pytest.param("{ __typename }", 0, "PUBLIC", "CUSTOM", id="nothing but a name of a type"),
        pytest.param("{ counted __schema { description } }", 0, "PUBLIC", "PUBLIC", id="introspection"),
        pytest.param("{ counted @skip(if: true) }", 30, "PUBLIC", "PUBLIC", id="skip takes nothing away"),
        pytest.param("{ counted plain @skip(if: true) }", 0, "PUBLIC", "CUSTOM", id="what is skipped counts"),
        pytest.param("{ ... @defer { counted } }", 0, "PUBLIC", "PUBLIC", id="an answer in parts"),
        pytest.param("mutation { rename }", 0, "PUBLIC", "CUSTOM", id="a mutation"),
        pytest.param("query($f: Upload) { counted }", 0, "PUBLIC", "PUBLIC", id="an upload"),
        pytest.param("{ ...A } fragment A on Query { ...B } fragment B on Query { user { email } }", 50, "PRIVATE", "CUSTOM", id="fragments in fragments"),
        pytest.param("{ counted } fragment A on Query { plain }", 30, "PUBLIC", "PUBLIC", id="a fragment that isn't used"),
    ],
)  # fmt: skip
def test_the_least_of_all_coordinates_counts(document: str, ttl: float, scope: str, policy: str) -> None:
    made = planned(document)
    assert (made.ttl_seconds, made.scope) == (ttl, scope)
    assert made.policy == policy or ttl == 0


def test_the_first_operation_is_planned_where_none_is_named() -> None:
    document = "query A { counted } query B { plain }"
    assert planned(document).ttl_seconds == 30
    assert planned(document, "B").ttl_seconds == 0
    assert plan(HINTS, parse(document), "C") is None


@pytest.mark.parametrize("document", ["{ ...Missing }", "fragment A on Query { plain }"])
def test_what_cannot_be_executed_has_no_plan(document: str) -> None:
    assert plan(HINTS, parse(document), None) is None


def test_a_field_that_is_not_there_is_never_stored() -> None:
    assert not planned("{ counted nothing }").cacheable


def test_vary_is_that_of_all_fields() -> None:
    assert planned("{ posts { title } }").vary == ("accept-language",)


def test_staleness_is_the_least_of_all_fields() -> None:
    assert planned("{ stale }").stale_if_error_seconds == 8
    assert planned("{ stale counted }").stale_while_revalidate_seconds == 0


def test_marks_are_the_types_it_can_hold_and_its_fields() -> None:
    made = planned("{ node { id } posts { author { name } } counted }")
    assert set(made.marks) == {
        "type:Node", "type:User", "type:Draft", "type:Post", "list:Query.node", "list:Query.posts",
        "list:Post.author", "list:Query.counted",
    }  # fmt: skip


def test_variables_have_their_defaults() -> None:
    made = planned('query($a: Int = 3, $b: [String!] = ["x"], $c: Int) { counted }')
    assert made.defaults == {"a": 3, "b": ["x"], "c": NO_DEFAULT}


def test_reasons_name_the_coordinates() -> None:
    said = {(one.coordinate, one.words) for one in planned("{ user { email } plain }").reasons}
    assert ("User.email", "private") in said
    assert ("Query.plain", "no hint: not stored") in said


FIELDS = ["counted", "plain", "stale", "user { name }", "user { email }", "posts { title author { email } }"]


@given(st.lists(st.sampled_from(FIELDS), min_size=1, max_size=6, unique=True), st.data())
def test_aliases_fragments_and_directives_evade_nothing(fields: list[str], data: st.DataObject) -> None:
    bare = planned("{ " + " ".join(fields) + " }")
    body, fragments = "", ""
    for number, one in enumerate(fields):
        how = data.draw(st.sampled_from(["plain", "alias", "inline", "fragment", "skip", "include"]))
        if how == "alias":
            body += f" a{number}: {one}"
        elif how == "inline":
            body += f" ... on Query {{ x{number}: {one} }}"
        elif how == "fragment":
            body += f" ...F{number}"
            fragments += f" fragment F{number} on Query {{ f{number}: {one} }}"
        elif how in {"skip", "include"}:
            body += f" ... @{how}(if: $v) {{ {one} }}"
        else:
            body += f" {one}"
    made = planned(f"query($v: Boolean = true) {{ {body} }} {fragments}")
    assert (made.ttl_seconds, made.scope, made.marks) == (bare.ttl_seconds, bare.scope, bare.marks)


@pytest.mark.parametrize(
    ("hint", "says"),
    [
        (CacheControl(policy="NOPE"), "Q.x: there is no policy 'NOPE'"),
        (CacheControl(policy="PUBLIC", inherit_max_age=True), "Q.x: inherit_max_age"),
    ],
)
def test_a_wrong_hint_is_told_with_its_place(hint: CacheControl, says: str) -> None:
    @strawberry.type
    class Q:
        x: int = strawberry.field(default=0, directives=[hint])

    with pytest.raises(ConfigError, match=says):
        Hints(strawberry.Schema(Q)._schema, DEFAULT_POLICIES)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        pytest.param({"max_age": -1}, "max_age=-1 is not allowed: whole seconds, from 0", id="below 0"),
        pytest.param({"max_age": "60"}, "max_age='60' is not allowed", id="a text"),
        pytest.param({"max_age": True}, "max_age=True is not allowed", id="no number"),
        pytest.param(
            {"scope": "private"}, "scope='private' is not allowed: one of PUBLIC, PRIVATE", id="in lower case"
        ),
        pytest.param({"max_age": 1, "inherit_max_age": True}, "contradict each other", id="two times"),
        pytest.param({"vary": ["*"]}, r"vary='\*' is not allowed", id="all headers"),
    ],
)
def test_a_hint_that_is_none_is_refused_where_it_is_written(given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        CacheControl(**given)


def test_one_header_is_no_list_of_letters() -> None:
    hint: Any = CacheControl(max_age=5, vary="Accept-Language")  # type: ignore[arg-type]  # -- as a policy takes it; until=never

    @strawberry.type
    class Q:
        x: int = strawberry.field(default=0, directives=[hint])

    made = plan(Hints(strawberry.Schema(Q)._schema, DEFAULT_POLICIES), parse("{ x }"), None)
    assert made is not None
    assert made.vary == ("accept-language",)


def test_a_directive_of_the_application_that_is_called_the_same_is_its_own() -> None:
    @strawberry.schema_directive(locations=[Location.FIELD_DEFINITION], name="cacheControl")
    class CacheControl:  # as services behind Apollo's gateway have it
        max_age: int
        scope: str = "PUBLIC"

    @strawberry.type
    class Q:
        x: int = strawberry.field(default=0, directives=[CacheControl(max_age=60)])

    made = plan(Hints(strawberry.Schema(Q)._schema, DEFAULT_POLICIES), parse("{ x }"), None)
    assert made is not None
    assert not made.cacheable
