"""What the view serves again, to whom, and what it never stores."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from graphql import FieldNode, GraphQLError, ValidationRule
from strawberry.extensions import MaxTokensLimiter, SchemaExtension

from quickwins.core.errors import ConfigError
from quickwins.query_cache import L1, Policy, QueryCache
from tests.unit.query_cache.service import Service, View, ask, call, get

USER = '{ user(id: "1") { name } }'


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.mark.asyncio
async def test_the_same_bytes_are_served_until_their_time_is_over(service: Service) -> None:
    first = await service.ask(USER)
    service.clock.now += 12.5
    second = await service.ask(USER)
    assert first.body == second.body
    assert first.data == {"user": {"name": "Ann"}}
    assert service.world.executed["user"] == 1
    assert (first.headers["cache-control"], first.headers.get("age")) == ("max-age=30, public", None)
    assert (second.headers["cache-control"], second.headers["age"]) == ("max-age=30, public", "12")
    service.clock.now += 17.5
    assert "age" not in (await service.ask(USER)).headers
    assert service.world.executed["user"] == 2


@pytest.mark.parametrize(
    ("query", "variables", "same"),
    [
        ("query($n: Int) { users(first: $n) { name } }", {"n": 2}, True),
        ("query($n: Int) { users(first: $n) { name } }", {"n": 1}, False),
        ("query($n: Int = 2) { users(first: $n) { name } }", {}, True),
        ("query($n: Int = 2) { users(first: $n) { name } }", {"n": 2}, True),
        ("query($n: Int = 2) { users(first: $n) { name } }", {"n": 2, "other": 9}, True),
    ],
)
@pytest.mark.asyncio
async def test_variables_are_compared_with_their_defaults(
    service: Service, query: str, variables: Any, same: bool
) -> None:
    await service.ask(query, {"n": 2} if "= 2" not in query else None)
    await service.ask(query, variables)
    assert service.world.executed["users"] == (1 if same else 2)


@pytest.mark.asyncio
async def test_operations_of_one_document_are_told_apart(service: Service) -> None:
    document = 'query A { user(id: "1") { name } } query B { user(id: "2") { name } }'
    names = [(await service.ask(document, name=name)).data["user"]["name"] for name in ("A", "B", None, "B")]
    assert names == ["Ann", "Bob", "Ann", "Bob"]
    assert service.world.executed["user"] == 3


@pytest.mark.asyncio
async def test_what_is_private_is_its_principals_alone(service: Service) -> None:
    said = [(await service.ask("{ me }", authorization=user)).data["me"] for user in ("a", "b", "a", "b")]
    assert said == ["I am a", "I am b", "I am a", "I am b"]
    assert service.world.executed["me"] == 2
    reply = await service.ask("{ me }", authorization="a")
    assert reply.headers["cache-control"] == "max-age=5, private"
    assert reply.headers["vary"] == "authorization, cookie"


@pytest.mark.asyncio
async def test_nobody_in_particular_is_served_nothing_private(service: Service) -> None:
    for _ in range(2):
        reply = await service.ask("{ me }")
        assert reply.headers["cache-control"] == "no-store"
    assert service.world.executed["me"] == 2


@pytest.mark.asyncio
async def test_a_field_with_permissions_is_private(service: Service) -> None:
    assert (await service.ask("{ inner }", authorization="a")).data == {"inner": "inner of a"}
    denied = await service.ask("{ inner }")
    assert b"sign in" in denied.body
    assert denied.headers["cache-control"] == "no-store"
    assert (await service.ask("{ inner }", authorization="b")).data == {"inner": "inner of b"}


@pytest.mark.asyncio
async def test_principals_of_the_same_text_are_one_and_others_are_none() -> None:
    for principal, executed in (
        (lambda _: 1, 1),
        (lambda _: True, 2),
        (lambda _: 1.5, 2),
        (lambda _: 1 / 0, 2),
    ):
        service = Service(principal=principal)
        for _ in range(2):
            await service.ask("{ me }", authorization="a")
        assert service.world.executed["me"] == executed
        assert await service.ask(USER)  # type: ignore[truthy-bool]  # -- it is answered; until=never

    async def later(context: Any) -> str:
        return str(context["user"])

    service = Service(principal=later)
    for _ in range(2):
        await service.ask("{ me }", authorization="a")
    assert service.world.executed["me"] == 1


@pytest.mark.asyncio
async def test_a_header_or_a_cookie_that_a_resolver_reads_becomes_part_of_the_key(service: Service) -> None:
    for language in ("de", "en", "de", "en"):
        reply = await service.ask("{ language }", accept_language=language)
        assert reply.data == {"language": language}
        assert reply.headers["vary"] == "accept-language"
    for cookie, theme in (
        ("theme=dark; id=1", "dark"),
        ("theme=light", "light"),
        ("theme=dark; id=2", "dark"),
    ):
        reply = await service.ask("{ theme }", cookie=cookie)
        assert reply.data == {"theme": theme}
    assert reply.headers["age"] == "0"
    assert reply.headers["vary"] == "cookie"


@pytest.mark.asyncio
async def test_what_a_context_was_made_of_becomes_part_of_the_key_of_what_reads_it(service: Service) -> None:
    said = [(await service.ask("{ whose }", authorization=user)).data["whose"] for user in "aabb"]
    assert said == ["seen by a", "seen by a", "seen by b", "seen by b"]
    assert service.cache.stats().hits["l1"] == 2
    # and nothing else of it: what reads only what is declared to be everybody's is everybody's
    for user in "ab":
        await service.ask(USER, authorization=user)
    assert service.world.executed["user"] == 1


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("{ everything }", "undeclared"),
        ("{ withCookie }", "response"),
        ("{ unstored }", "no_store"),
        ("{ restricted(age: 0) }", "no_time"),
        ('{ user(id: "1") { name } me }', "no_principal"),
    ],
)
@pytest.mark.asyncio
async def test_what_may_not_be_stored_is_executed_each_time(
    service: Service, query: str, reason: str
) -> None:
    for _ in range(2):
        reply = await service.ask(query)
        assert reply.headers["cache-control"] == "no-store"
    assert service.cache.stats().misses == {reason: 2}
    assert service.cache.stats().entries == 0


@pytest.mark.asyncio
async def test_errors_and_partial_data_are_not_stored(service: Service) -> None:
    service.world.fails = True
    failed = await service.ask(USER)
    assert failed.headers["cache-control"] == "no-store"
    service.world.fails = False
    assert (await service.ask(USER)).data == {"user": {"name": "Ann"}}
    for query in ("{ nothing }", "{ user(id: 1 }", "query A { uncached } query A { uncached }"):
        assert (await service.ask(query)).headers["cache-control"] == "no-store"
    assert service.cache.stats().entries == 1


@pytest.mark.asyncio
async def test_a_field_without_a_hint_is_left_alone(service: Service) -> None:
    replies = [await service.ask("{ uncached }") for _ in range(2)]
    assert [reply.data["uncached"] for reply in replies] == [1, 2]
    assert "cache-control" not in replies[0].headers
    assert "etag" not in replies[0].headers


@pytest.mark.asyncio
async def test_a_hint_of_a_resolver_only_tightens(service: Service) -> None:
    assert (await service.ask("{ restricted(age: 7) }")).headers["cache-control"] == "max-age=7, public"
    assert (await service.ask("{ restricted(age: 700) }")).headers["cache-control"] == "max-age=30, public"
    said = [
        (await service.ask("{ turnedPrivate }", authorization=user)).data["turnedPrivate"] for user in "aabb"
    ]
    assert said == ["for a", "for a", "for b", "for b"]
    assert service.world.executed["turned_private"] == 2
    assert (await service.ask("{ turnedPrivate }")).headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("mutation", "voids"),
    [
        ('mutation { rename(id: "1", name: "X") }', {"user 1", "users", "actors", "nobody"}),
        ('mutation { renamed(id: "1", name: "X") { name } }', {"user 1", "users", "actors", "nobody"}),
        ('mutation { add(id: "3", name: "C") }', {"users"}),
        ('mutation { half(id: "1") }', {"user 1", "user 2", "users", "actors", "nobody"}),
    ],
)
@pytest.mark.asyncio
async def test_a_mutation_voids_what_it_has_changed_before_it_answers(
    service: Service, mutation: str, voids: set[str]
) -> None:
    queries = {
        "user 1": '{ user(id: "1") { name } }',
        "user 2": '{ user(id: "2") { name } }',
        "nobody": '{ user(id: "9") { name } }',
        "users": "{ users { name } }",
        "actors": "{ actors { __typename } }",
    }
    for query in queries.values():
        await service.ask(query)
    await service.ask(mutation)
    again = {name for name, query in queries.items() if "age" not in (await service.ask(query)).headers}
    assert again == voids


@pytest.mark.parametrize(
    ("what", "voids"),
    [
        ({"types": ["User"]}, True),
        ({"types": ["Bot"]}, False),
        ({"entities": [("User", 1)]}, True),
        ({"entities": [("User", "2")]}, False),
        ({"lists": ["Query.user"]}, True),
        ({"everything": True}, True),
        ({"tags": ["x"]}, False),
        ({"principal": "a"}, False),
    ],
)
@pytest.mark.asyncio
async def test_invalidate_voids_what_it_names(service: Service, what: Any, voids: bool) -> None:
    await service.ask(USER)
    await service.cache.invalidate(**what)
    await service.ask(USER)
    assert service.world.executed["user"] == 1 + voids


@pytest.mark.asyncio
async def test_tags_their_prefixes_and_principals_are_voided(service: Service) -> None:
    async def executed(**what: Any) -> int:
        before = service.world.executed.copy()
        await service.cache.invalidate(**what)
        await service.ask('{ tagged(tag: "user:42:cart") }')
        await service.ask("{ me }", authorization="a")
        return sum((service.world.executed - before).values())

    assert await executed() == 2
    assert await executed(tags=["user:42"]) == 0
    assert await executed(tag_prefix="user:42:") == 1
    assert await executed(tags=["user:42:cart"]) == 1
    assert await executed(principal="a") == 1


@pytest.mark.asyncio
async def test_etags_answer_304_on_get_alone(service: Service) -> None:
    first = await get(service.app, USER)
    tag = first.headers["etag"]
    assert tag.startswith('W/"')
    for given, status in (
        (tag, 304),
        (tag.removeprefix("W/"), 304),
        (f'"x", {tag}', 304),
        ("*", 304),
        ('"x"', 200),
    ):
        reply = await get(service.app, USER, if_none_match=given)
        assert (reply.status, bool(reply.body)) == (status, status == 200)
    assert (await service.ask(USER, if_none_match=tag)).status == 200
    mine = await get(service.app, "{ me }", authorization="a")
    yours = await get(service.app, "{ me }", authorization="b")
    assert mine.headers["etag"] != yours.headers["etag"]


@pytest.mark.asyncio
async def test_a_batch_lasts_as_long_as_its_shortest_member(service: Service) -> None:
    async def batch(*queries: str, **headers: str) -> Any:
        body = json.dumps([{"query": query} for query in queries]).encode()
        return await call(service.app, body=body, headers={"content-type": "application/json", **headers})

    for _ in range(2):
        reply = await batch(USER, "{ restricted(age: 3) }")
        assert json.loads(reply.body) == [{"data": {"user": {"name": "Ann"}}}, {"data": {"restricted": "x"}}]
        assert reply.headers["cache-control"] == "max-age=3, public"
    assert service.world.executed == {"user": 1, "restricted": 1}
    assert (await batch(USER, "{ uncached }")).headers["cache-control"] == "no-store"
    assert (await batch(USER, "{ me }", authorization="a")).headers["cache-control"] == "max-age=5, private"
    assert "cache-control" not in (await batch("{ uncached }", "{ uncached }")).headers


@pytest.mark.asyncio
async def test_many_that_ask_for_the_same_at_once_have_it_executed_once(service: Service) -> None:
    service.world.gate = asyncio.Event()
    asking = [asyncio.create_task(service.ask(USER, authorization=str(n))) for n in range(1_000)]
    await service.world.entered.wait()
    service.world.gate.set()
    replies = await asyncio.gather(*asking)
    assert service.world.executed["user"] == 1
    assert len({reply.body for reply in replies}) == 1
    assert replies[0].data == {"user": {"name": "Ann"}}
    assert service.cache.stats().coalesced == 999


@pytest.mark.asyncio
async def test_an_error_reaches_all_that_wait_and_nobody_later(service: Service) -> None:
    service.world.gate = asyncio.Event()
    service.world.fails = True
    asking = [asyncio.create_task(service.ask(USER)) for n in range(5)]
    await service.world.entered.wait()
    service.world.gate.set()
    replies = await asyncio.gather(*asking)
    assert all(b"database is down" in reply.body for reply in replies)
    assert service.world.executed["user"] == 1
    await service.ask(USER)
    assert service.world.executed["user"] == 2


@pytest.mark.asyncio
async def test_waiters_get_their_answer_when_the_first_one_leaves(service: Service) -> None:
    service.world.gate = asyncio.Event()
    first = asyncio.create_task(service.ask(USER))
    await service.world.entered.wait()
    others = [asyncio.create_task(service.ask(USER)) for _ in range(3)]
    for _ in range(5):
        await asyncio.sleep(0)
    first.cancel()
    await asyncio.wait([first])
    service.world.gate.set()
    assert [(await one).data["user"]["name"] for one in others] == ["Ann"] * 3
    assert service.world.executed["user"] == 1


@pytest.mark.asyncio
async def test_an_execution_that_nobody_waits_for_ends(service: Service) -> None:
    service.world.gate = asyncio.Event()
    only = asyncio.create_task(service.ask(USER))
    await service.world.entered.wait()
    only.cancel()
    with pytest.raises(asyncio.CancelledError):
        await only
    assert service.cache.stats().flights == 0
    assert len(asyncio.all_tasks()) == 1


@pytest.mark.asyncio
async def test_an_answer_that_is_not_to_be_shared_is_executed_by_each(service: Service) -> None:
    replies = await asyncio.gather(*(service.ask("{ unstored }") for _ in range(5)))
    assert service.world.executed["unstored"] == 5
    assert all(reply.headers["cache-control"] == "no-store" for reply in replies)
    said = await asyncio.gather(*(service.ask("{ whose }", authorization=str(n)) for n in range(5)))
    assert [one.data["whose"] for one in said] == [f"seen by {n}" for n in range(5)]


@pytest.mark.asyncio
async def test_a_read_after_an_invalidation_joins_no_older_execution(service: Service) -> None:
    service.world.gate = asyncio.Event()
    old = asyncio.create_task(service.ask(USER))
    await service.world.entered.wait()
    service.world.users["1"] = "New"
    await service.cache.invalidate(entities=[("User", "1")])
    new = asyncio.create_task(service.ask(USER))
    for _ in range(20):
        await asyncio.sleep(0)
    service.world.gate.set()
    assert (await new).data["user"]["name"] == "New"
    await old
    assert (await service.ask(USER)).data["user"]["name"] == "New"
    assert service.cache.stats().fence_refusals == 1


STALE = {"PUBLIC": Policy(ttl_seconds=30, stale_while_revalidate_seconds=10, stale_if_error_seconds=20)}


@pytest.mark.asyncio
async def test_what_is_stale_is_served_while_one_renews_it() -> None:
    service = Service(policies=STALE)
    await service.ask(USER)
    service.clock.now += 31
    service.world.gate = asyncio.Event()
    service.world.entered.clear()
    service.world.users["1"] = "New"
    renewing = asyncio.create_task(service.ask(USER))
    await service.world.entered.wait()
    meanwhile = await service.ask(USER)
    assert (meanwhile.data["user"]["name"], meanwhile.headers["age"]) == ("Ann", "31")
    service.world.gate.set()
    assert (await renewing).data["user"]["name"] == "New"
    assert (await service.ask(USER)).data["user"]["name"] == "New"


@pytest.mark.asyncio
async def test_what_is_stale_is_served_when_executing_fails_but_never_past_an_invalidation() -> None:
    service = Service(policies=STALE)
    await service.ask(USER)
    service.world.fails = True
    service.clock.now += 49
    assert (await service.ask(USER)).data["user"]["name"] == "Ann"
    await service.cache.invalidate(types=["User"])
    assert b"database is down" in (await service.ask(USER)).body
    service.world.fails = False
    await service.ask(USER)
    service.world.fails = True
    service.clock.now += 50
    assert b"database is down" in (await service.ask(USER)).body


class Extends(SchemaExtension):
    def get_results(self) -> dict[str, Any]:
        return {"viewer": "a"}


@pytest.mark.asyncio
async def test_extensions_are_stored_where_the_policy_allows_it() -> None:
    service = Service(extensions=[Extends])
    await service.ask(USER)
    await service.ask(USER)
    assert service.cache.stats().misses == {"extensions": 2}
    service = Service(
        extensions=[Extends], policies={"PUBLIC": Policy(ttl_seconds=30, store_extensions=True)}
    )
    replies = [await service.ask(USER) for _ in range(2)]
    assert json.loads(replies[1].body)["extensions"] == {"viewer": "a"}
    assert service.world.executed["user"] == 1


class Decorating(View):
    async def process_result(self, request: Any, result: Any) -> Any:
        made = await super().process_result(request, result)
        made["viewer"] = request.headers.get("authorization")
        return made


class Responding(View):
    def create_response(self, response_data: Any, sub_response: Any) -> Any:
        response = super().create_response(response_data, sub_response)
        response.headers["x-count"] = str(len(response_data))
        return response


@pytest.mark.asyncio
async def test_subclasses_make_results_and_responses_for_each_request() -> None:
    service = Service(Decorating)
    said = [json.loads((await service.ask(USER, authorization=user)).body) for user in "aab"]
    assert [one["viewer"] for one in said] == ["a", "a", "b"]
    assert [one["data"] for one in said] == [{"user": {"name": "Ann"}}] * 3
    assert service.world.executed["user"] == 1
    service = Service(Responding)
    replies = [await service.ask(USER) for _ in range(2)]
    assert [reply.headers["x-count"] for reply in replies] == ["1", "1"]
    tag = (await get(service.app, USER)).headers["etag"]
    assert (await get(service.app, USER, if_none_match=tag)).status == 200
    assert service.world.executed["user"] == 1


class Cookies(View):
    async def get_context(self, request: Any, response: Any) -> Any:
        response.set_cookie("visit", request.headers.get("authorization"))
        return await super().get_context(request, response)


@pytest.mark.asyncio
async def test_what_get_context_puts_into_the_response_is_each_requests_own() -> None:
    service = Service(Cookies)
    for user in "aab":
        reply = await service.ask(USER, authorization=user)
        assert reply.headers["set-cookie"].startswith(f"visit={user}")
    assert service.world.executed["user"] == 1


class Refusing(View):
    async def get_context(self, request: Any, response: Any) -> Any:
        if request.headers.get("authorization") != "good":
            raise PermissionError
        return await super().get_context(request, response)


@pytest.mark.asyncio
async def test_authentication_comes_before_what_is_stored() -> None:
    service = Service(Refusing)
    await service.ask(USER, authorization="good")
    with pytest.raises(PermissionError):
        await service.ask(USER, authorization="bad")


@pytest.mark.asyncio
async def test_queries_by_get_are_refused_where_the_view_refuses_them() -> None:
    service = Service()
    await service.ask(USER)
    service.app.allow_queries_via_get = False
    reply = await get(service.app, USER)
    assert reply.status == 400
    assert reply.headers["cache-control"] == "no-store"


@pytest.mark.asyncio
async def test_a_large_answer_and_a_flood_stay_within_the_bounds() -> None:
    service = Service(l1=L1(max_entry_bytes=3_000, max_bytes=1 << 16))
    await service.ask(USER)
    await service.ask("{ users { name } " + " ".join(f"a{n}: users {{ name }}" for n in range(50)) + " }")
    for number in range(500):
        await service.ask("query($i: ID!) { user(id: $i) { name } }", {"i": str(number)})
    stats = service.cache.stats()
    assert stats.misses["too_large"] == 1
    assert stats.size_bytes <= 1 << 16
    assert stats.evictions["full"] > 0


@pytest.mark.asyncio
async def test_closing_lets_go_of_everything(service: Service) -> None:
    async with service.cache:
        await service.ask(USER)
    assert service.cache.stats().entries == 0


@pytest.mark.asyncio
async def test_explains_itself(service: Service) -> None:
    said = service.cache.explain("{ user(id: 1) { name } me }", {"x": 1})
    assert (said.stored, said.policy, said.ttl_seconds, said.scope) == (True, "USER_DATA", 5, "PRIVATE")
    assert "Query.me: USER_DATA, 5 s" in said.reasons
    assert "$x: not declared, left out of the key" in said.reasons
    await service.ask("{ language }")
    assert service.cache.explain("{ language }").vary == ("accept-language",)
    with pytest.raises(ConfigError, match="no operation"):
        service.cache.explain("{")
    with pytest.raises(ConfigError, match="0 schemas"):
        QueryCache().explain("{ a }")


def test_a_shared_store_needs_a_secret_and_a_policy_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    from quickwins.query_cache import Valkey

    monkeypatch.delenv("QUICKWINS_QUERY_CACHE__SECRET", raising=False)
    with pytest.raises(ConfigError, match="needs a secret"):
        QueryCache(l2=Valkey("redis://127.0.0.1:1"))
    with pytest.raises(ConfigError, match="is no Policy"):
        QueryCache(policies={"X": 5})  # type: ignore[dict-item]  # -- the mistake is the test; until=never


@pytest.mark.asyncio
async def test_its_repr_says_what_it_holds(service: Service) -> None:
    await service.ask(USER)
    assert repr(service.cache).startswith("<QueryCache '': 1 answers, ")
    assert repr(service.app).startswith("<View with <QueryCache")
    await ask(service.app, USER)


@pytest.mark.asyncio
async def test_what_another_execution_has_learned_meanwhile_is_part_of_the_key_too(service: Service) -> None:
    query = "query($id: ID!) { user(id: $id) { name } language }"
    service.world.gate = asyncio.Event()
    first = asyncio.create_task(service.ask(query, {"id": "1"}, accept_language="de"))
    await service.world.entered.wait()
    asked = [("2", "en"), ("2", "de"), ("1", "en"), ("1", "fr")]
    others = [
        asyncio.create_task(service.ask(query, {"id": key}, accept_language=language))
        for key, language in asked
    ]
    for _ in range(20):
        await asyncio.sleep(0)
    service.world.gate.set()
    assert (await first).data["language"] == "de"
    assert [(await one).data["language"] for one in others] == [language for _, language in asked]
    for language in ("en", "de"):
        assert (await service.ask(query, {"id": "1"}, accept_language=language)).data["language"] == language


@pytest.mark.asyncio
async def test_errors_have_their_places_though_a_document_is_parsed_once(service: Service) -> None:
    service.world.fails = True
    for _ in range(2):
        reply = json.loads((await service.ask(USER)).body)
        assert reply["errors"][0]["locations"] == [{"line": 1, "column": 3}]


@pytest.mark.asyncio
async def test_a_limit_of_tokens_refuses_a_document_that_was_planned() -> None:
    service = Service(extensions=[lambda: MaxTokensLimiter(max_token_count=3)])
    for _ in range(2):
        assert (
            b"too many tokens" in (await service.ask(USER)).body.lower()
            or service.world.executed["user"] == 0
        )


class Forbids(ValidationRule):
    def enter_field(self, node: FieldNode, *_: Any) -> None:
        self.report_error(GraphQLError("forbidden", node))


class Sometimes(SchemaExtension):
    forbids = False

    def on_operation(self) -> Any:
        if Sometimes.forbids:
            self.execution_context.validation_rules = (*self.execution_context.validation_rules, Forbids)
        yield


@pytest.mark.asyncio
async def test_other_rules_are_asked_of_a_document_that_has_passed_some() -> None:
    service = Service(extensions=[Sometimes])
    await service.ask("{ unstored }")
    await service.ask("{ unstored }")
    Sometimes.forbids = True
    try:
        for _ in range(2):
            assert b"forbidden" in (await service.ask("{ unstored }")).body
    finally:
        Sometimes.forbids = False
    assert service.world.executed["unstored"] == 2
    for _ in range(2):
        assert b"errors" in (await service.ask("{ user(id: 1) { name, nothing } }")).body
