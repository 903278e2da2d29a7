"""The cases of GraphQL Yoga's response cache and ETag suites, and of Envelop's below it, in our words."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from typing import Annotated, Any

import pytest
import strawberry
from prometheus_client import CollectorRegistry
from strawberry.schema.config import StrawberryConfig
from strawberry.types import Info

from quickwins.core.flags import Flags, FlagSettings, MemorySource
from quickwins.query_cache import CacheControl, CachedGraphQL, QueryCache, cache_control, invalidates
from tests.asgi_client import Answer, Client
from tests.unit.query_cache.conformance.service import Service, View, count, made

pytestmark = pytest.mark.asyncio

MINUTE = CacheControl(max_age=60)
INHERIT = CacheControl(inherit_max_age=True)


@strawberry.type(directives=[INHERIT])
class Comment:
    id: strawberry.ID
    text: str


@strawberry.type(directives=[INHERIT])
class User:
    id: strawberry.ID
    name: str

    @strawberry.field
    def comments(self, info: Info[Any, Any]) -> list[Comment]:
        return [Comment(id=strawberry.ID("c1"), text="hello")] if self.id == "1" else []


@strawberry.type(directives=[INHERIT])
class Robot:
    id: strawberry.ID
    model: str


Actor = Annotated[User | Robot, strawberry.union("Actor")]
NAMES = {"1": "User 1", "2": "User 2"}


def user(identity: str) -> User | None:
    return User(id=strawberry.ID(identity), name=NAMES[identity]) if identity in NAMES else None


@strawberry.type
class Query:
    @strawberry.field(directives=[MINUTE])
    def users(self, info: Info[Any, Any]) -> list[User]:
        count(info)
        return [one for identity in sorted(NAMES) if (one := user(identity))]

    @strawberry.field(directives=[MINUTE])
    def user(self, info: Info[Any, Any], id: strawberry.ID) -> User | None:  # noqa: A002 -- as in GraphQL; until=never
        count(info)
        return user(id)

    @strawberry.field(directives=[MINUTE])
    def actor(self, info: Info[Any, Any], robot: bool = False) -> Actor:
        count(info)
        found = user("1")
        assert found is not None
        return Robot(id=strawberry.ID("r1"), model="x") if robot else found

    @strawberry.field(directives=[MINUTE])
    def comments(self, info: Info[Any, Any]) -> list[Comment]:
        count(info)
        return [Comment(id=strawberry.ID("c1"), text="hello")]

    @strawberry.field(directives=[CacheControl(max_age=60, scope="PRIVATE")])
    def me(self, info: Info[Any, Any]) -> str:
        count(info)
        return str(info.context["session"])

    @strawberry.field(directives=[MINUTE])
    async def slow(self, info: Info[Any, Any], value: str) -> str:
        count(info)
        await asyncio.sleep(0)
        return value

    @strawberry.field(directives=[MINUTE])
    def failing(self, info: Info[Any, Any]) -> str:
        count(info)
        raise ValueError("no")


@strawberry.type
class Mutation:
    @strawberry.mutation
    def rename(self, id: strawberry.ID, name: str = "new") -> User | None:  # noqa: A002 -- as in GraphQL; until=never
        NAMES[id] = name
        return user(id)

    @strawberry.mutation
    @invalidates("User", id=lambda args, _: args["id"])
    def rename_silently(self, id: strawberry.ID, name: str = "new") -> bool:  # noqa: A002 -- as in GraphQL; until=never
        NAMES[id] = name
        return True

    @strawberry.mutation
    @invalidates("User", lists=["Query.users"])
    def add(self, id: strawberry.ID) -> bool:  # noqa: A002 -- as in GraphQL; until=never
        NAMES[id] = f"User {id}"
        return True

    @strawberry.mutation
    @invalidates("User")
    def broken(self) -> bool:
        NAMES["1"] = "changed before it broke"
        raise ValueError("no")

    @strawberry.mutation
    def unrelated(self) -> Comment:
        return Comment(id=strawberry.ID("c9"), text="")


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def ticks(self) -> AsyncGenerator[int, None]:
        for number in range(3):
            yield number


@pytest.fixture
def service() -> Service:
    NAMES.clear()
    NAMES.update({"1": "User 1", "2": "User 2"})
    return made(Query, Mutation)


USERS = "{ users { id name comments { id text } } }"


async def asked(service: Service, document: str, times: int = 2, **variables: Any) -> dict[str, int]:
    """What ran when it was asked for so often."""
    service.ran()
    for _ in range(times):
        await service.client.post(document, variables or None)
    return service.ran()


async def test_what_is_stored_runs_nothing(service: Service) -> None:
    assert await asked(service, USERS, 5) == {"users": 1}


async def test_each_session_has_its_own(service: Service) -> None:
    first, second = (service.client.acting(session_id=one) for one in ("1", "2"))
    answers = [(await one.post("{ me }")).data["me"] for one in (first, second, first, second)]
    assert answers == ["1", "2", "1", "2"]
    assert service.ran() == {"me": 2}


async def test_other_variables_are_another_answer(service: Service) -> None:
    document = "query One($id: ID!) { user(id: $id) { name } }"
    assert await asked(service, document, id="1") == {"user": 1}
    assert await asked(service, document, id="2") == {"user": 1}
    assert await asked(service, document, id="1") == {}


async def test_the_order_of_variables_and_defaults_make_no_difference(service: Service) -> None:
    document = 'query One($id: ID! = "1", $robot: Boolean = false) { user(id: $id) { name } actor(robot: $robot) { __typename } }'
    service.ran()
    for variables in ({"id": "1", "robot": False}, {"robot": False, "id": "1"}, {"id": "1"}, {}, None):
        await service.client.post(document, variables)
    assert service.ran() == {"user": 1, "actor": 1}


async def test_it_can_be_switched_off_and_what_was_stored_is_void_when_it_is_on_again() -> None:
    source = MemorySource({"query_cache": {"enabled": True}})
    flags = Flags({"query_cache": FlagSettings}, [source], registry=CollectorRegistry())
    service = made(Query, Mutation, flag=flags.flag("query_cache"))
    assert await asked(service, USERS) == {"users": 1}
    source.set("query_cache", enabled=False)
    assert flags.poll()
    assert await asked(service, USERS) == {"users": 2}
    source.set("query_cache", enabled=True)
    assert flags.poll()
    assert await asked(service, USERS) == {"users": 1}


async def test_subscriptions_are_passed_by(service: Service) -> None:
    schema = strawberry.Schema(Query, Mutation, Subscription, extensions=[service.cache.extension])
    ticks = [one async for one in await schema.subscribe("subscription { ticks }")]
    assert [one.data for one in ticks] == [{"ticks": number} for number in range(3)]
    assert service.cache.stats().entries == 0


@pytest.mark.parametrize("document", ["{ ... @defer { users { id } } }", "{ users @stream { id } }"])
async def test_answers_in_parts_are_not_stored(document: str) -> None:
    cache = QueryCache(registry=CollectorRegistry())
    config = StrawberryConfig(enable_experimental_incremental_execution=True)
    client = Client(CachedGraphQL(strawberry.Schema(Query, config=config), cache=cache))
    for _ in range(2):
        answer = await client.post(document)
        assert answer.status == 200
        assert "max-age" not in answer.headers.get("cache-control", "")
    assert cache.stats().entries == 0


async def test_errors_are_not_stored(service: Service) -> None:
    assert await asked(service, "{ failing }") == {"failing": 2}


@pytest.mark.parametrize(
    "document",
    [
        "{ __schema { types { name } } }",
        '{ __type(name: "User") { name } }',
        "{ users { id } __schema { types { name } } }",
    ],
)
async def test_introspection_is_not_stored(service: Service, document: str) -> None:
    for _ in range(2):
        assert "max-age" not in (await service.client.post(document)).headers.get("cache-control", "")
    assert service.cache.stats().entries == 0


# What a mutation voids


async def test_a_mutation_voids_the_entities_that_it_returns(service: Service) -> None:
    await asked(service, USERS)
    await service.client.post('mutation { rename(id: "1") { id name } }')
    assert (await service.client.post(USERS)).data["users"][0]["name"] == "new"


@pytest.mark.parametrize(
    "selection",
    [
        "id",
        "key: id",
        "__typename key: id",
        "...F",
        "... on User { other: id }",
        "... @include(if: true) { id }",
        "name",
    ],
)
async def test_however_it_selects_them(service: Service, selection: str) -> None:
    fragment = " fragment F on User { id }" if "...F" in selection else ""
    assert await asked(service, '{ user(id: "1") { name } }') == {"user": 1}
    await service.client.post(f'mutation {{ rename(id: "1") {{ {selection} }} }}{fragment}')
    assert (await service.client.post('{ user(id: "1") { name } }')).data["user"]["name"] == "new"


@pytest.mark.parametrize(
    "document",
    [
        '{ user(id: "1") { alias: name } }',
        '{ a: user(id: "1") { n: name } b: user(id: "2") { name } }',
        "{ actor { ... on User { name } } }",
        "{ actor { ...A } } fragment A on Actor { ... on User { name } }",
        "{ users { name } }",
    ],
)
async def test_however_the_query_selects_them(service: Service, document: str) -> None:
    before = await service.client.post(document)
    assert (await service.client.post(document)).body == before.body
    await service.client.post('mutation { renameSilently(id: "1") }')
    assert b"new" in (await service.client.post(document)).body


async def test_other_entities_of_the_type_stay(service: Service) -> None:
    assert await asked(service, '{ user(id: "2") { name } }') == {"user": 1}
    assert await asked(service, "{ actor(robot: true) { ... on Robot { model } } }") == {"actor": 1}
    await service.client.post('mutation { rename(id: "1") { id } }')
    assert await asked(service, '{ user(id: "2") { name } }') == {}
    assert await asked(service, "{ actor(robot: true) { ... on Robot { model } } }") == {}


async def test_other_types_stay(service: Service) -> None:
    assert await asked(service, "{ comments { id } }") == {"comments": 1}
    await service.client.post('mutation { rename(id: "1") { id } }')
    assert await asked(service, "{ comments { id } }") == {}


async def test_a_nested_entity_voids_what_it_is_in(service: Service) -> None:
    assert await asked(service, USERS) == {"users": 1}
    await service.cache.invalidate(entities=[("Comment", "c1")])
    assert await asked(service, USERS) == {"users": 1}
    await service.cache.invalidate(entities=[("Comment", "c2")])
    assert await asked(service, '{ user(id: "1") { comments { id } } }', 1) == {"user": 1}


@pytest.mark.parametrize(
    ("document", "empty"),
    [("{ users { id } }", "[]"), ('{ user(id: "7") { id } }', "null")],
    ids=["an empty list", "a null"],
)
async def test_what_holds_none_yet_is_voided_by_a_new_one(
    service: Service, document: str, empty: str
) -> None:
    NAMES.clear()
    assert empty in (await service.client.post(document)).body.decode().replace(" ", "")
    await service.client.post('mutation { add(id: "7") }')
    assert '"7"' in (await service.client.post(document)).body.decode()


async def test_by_type_all_that_could_hold_it_goes_and_nothing_else(service: Service) -> None:
    documents = [USERS, '{ user(id: "404") { id } }', "{ actor(robot: true) { ... on Robot { model } } }"]
    for document in documents:
        await asked(service, document)
    await asked(service, "{ comments { id } }")
    await service.cache.invalidate(types=["User"])
    for document in documents:
        assert sum((await asked(service, document)).values()) == 1
    assert await asked(service, "{ comments { id } }") == {}


async def test_by_list_only_that_list_goes(service: Service) -> None:
    await asked(service, USERS)
    await asked(service, '{ user(id: "1") { id } }')
    await service.cache.invalidate(lists=["Query.users"])
    assert await asked(service, USERS) == {"users": 1}
    assert await asked(service, '{ user(id: "1") { id } }') == {}


async def test_a_mutation_that_fails_voids_all_the_same(service: Service) -> None:
    await asked(service, USERS)
    assert (await service.client.post("mutation { broken }")).errors
    assert (await service.client.post(USERS)).data["users"][0]["name"] == "changed before it broke"


async def test_a_mutation_that_has_nothing_to_do_with_it_voids_nothing(service: Service) -> None:
    await asked(service, "{ users { id name } }")
    await service.client.post("mutation { unrelated { id } }")
    assert await asked(service, "{ users { id name } }") == {}


async def test_mutations_are_never_stored(service: Service) -> None:
    for name in ("a", "b"):
        document = 'mutation($name: String!) { rename(id: "1", name: $name) { name } }'
        assert (await service.client.post(document, {"name": name})).data["rename"]["name"] == name
        assert (await service.client.post(document, {"name": name})).data["rename"]["name"] == name


# Batches


@dataclass
class _Batching:
    client: Client
    cache: QueryCache


def batching() -> _Batching:
    cache = QueryCache(principal=lambda context: context["session"], registry=CollectorRegistry())
    config = StrawberryConfig(batching_config={"max_operations": 10})
    schema = strawberry.Schema(Query, Mutation, config=config, extensions=[cache.extension])
    return _Batching(Client(View(schema, cache=cache)), cache)


async def test_members_of_a_batch_get_their_own_answers() -> None:
    made = batching()
    queries = [f'{{ slow(value: "{number}") }}' for number in range(5)]
    expected = [{"data": {"slow": str(number)}} for number in range(5)]
    first = await made.client.batch(*queries)
    assert [{"data": one["data"]} for one in first.json()] == expected
    again = await made.client.batch(*queries[::-1])
    assert [{"data": one["data"]} for one in again.json()] == expected[::-1]
    for answers in await asyncio.gather(*(made.client.batch(*queries) for _ in range(5))):
        assert [{"data": one["data"]} for one in answers.json()] == expected


async def test_a_batch_has_the_policy_of_all_its_members_together() -> None:
    made = batching()
    client = made.client.acting(session_id="1")
    for _ in range(2):
        both = await client.batch('{ slow(value: "1") }', "{ me }")
        assert ", private" in both.headers["cache-control"]
        assert "etag" not in both.headers
        uncached = await client.batch('{ slow(value: "1") }', "{ __typename __schema { types { name } } }")
        assert uncached.headers["cache-control"] == "no-store"
        failed = await client.batch('{ slow(value: "1") }', "{ failing }")
        assert failed.headers["cache-control"] == "no-store"
        with_mutation = await client.batch('{ slow(value: "1") }', 'mutation { renameSilently(id: "1") }')
        assert with_mutation.headers["cache-control"] == "no-store"


# ETag


async def tagged(service: Service, tag: str, method: str = "GET", query: str = "{ users { id } }") -> Answer:
    client = service.client.acting(if_none_match=tag)
    return await (client.post(query) if method == "POST" else client.get(query, method=method))


async def test_what_is_stored_has_a_tag_and_what_has_it_is_not_sent_again(service: Service) -> None:
    first = await service.client.get("{ users { id } }")
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    assert (await service.client.get("{ users { id } }")).headers["etag"] == tag
    again = await tagged(service, tag)
    assert (again.status, again.body) == (304, b"")
    assert again.headers["etag"] == tag
    assert "max-age" in again.headers["cache-control"]
    assert "content-type" not in again.headers


@pytest.mark.parametrize("form", ["{}", "{strong}", 'W/"x", {}', '"x",{strong} , "y"', "*"])
async def test_tags_are_compared_weakly_and_in_lists(service: Service, form: str) -> None:
    tag = (await service.client.get("{ users { id } }")).headers["etag"]
    assert (await tagged(service, form.format(tag, strong=tag.removeprefix("W/")))).status == 304


@pytest.mark.parametrize("form", ["", '"x"', "W/", "x", "{unquoted}", 'W/"{unquoted}x"'])
async def test_another_tag_gets_the_answer(service: Service, form: str) -> None:
    tag = (await service.client.get("{ users { id } }")).headers["etag"]
    assert (await tagged(service, form.format(unquoted=tag[3:-1]))).status == 200


async def test_only_get_and_head_are_answered_with_304(service: Service) -> None:
    tag = (await service.client.post("{ users { id } }")).headers["etag"]
    assert (await tagged(service, tag, "POST")).status == 200


async def test_the_same_content_has_another_tag_for_another_principal(service: Service) -> None:
    document = "{ me ... { users { id } } }"
    tags = set()
    for session in ("1", "2"):
        client = service.client.acting(session_id=session)
        tags.add((await client.get('{ m: me x: slow(value: "same") }')).headers["etag"])
    assert len(tags) == 2, document


async def test_an_error_has_no_tag(service: Service) -> None:
    for _ in range(2):
        answer = await tagged(service, "*", query="{ failing }")
        assert answer.status == 200
        assert "etag" not in answer.headers
        assert answer.headers["cache-control"] == "no-store"


async def test_a_tag_changes_with_the_content(service: Service) -> None:
    document = "{ users { name } }"
    before = (await service.client.get(document)).headers["etag"]
    await service.client.post('mutation { renameSilently(id: "1") }')
    after = await tagged(service, before, query=document)
    assert after.status == 200
    assert after.headers["etag"] != before


async def test_an_older_date_makes_no_difference_to_a_tag_that_matches(service: Service) -> None:
    """RFC 9110, 13.2.2: where there is a tag, the date is not looked at. Yoga answers 200."""
    tag = (await service.client.get("{ users { id } }")).headers["etag"]
    client = service.client.acting(if_none_match=tag, if_modified_since="Wed, 01 Jan 2020 00:00:00 GMT")
    assert (await client.get("{ users { id } }")).status == 304


async def test_tags_of_answers_do_not_mix_with_cache_control_of_resolvers(service: Service) -> None:
    @strawberry.type
    class Tagged:
        @strawberry.field(directives=[MINUTE])
        def cart(self, info: Info[Any, Any]) -> str:
            count(info)
            cache_control(info).tag("cart:9", "user:42:cart")
            return "cart"

    service = made(Tagged)
    for voided in ({"tags": ["cart:9"]}, {"tag_prefix": "user:42:"}, {"tag_prefix": ""}):
        await asked(service, "{ cart }")
        await service.cache.invalidate(tags=["cart:8"], tag_prefix="user:4:")
        assert await asked(service, "{ cart }") == {}
        await service.cache.invalidate(**voided)
        assert await asked(service, "{ cart }") == {"cart": 1}
