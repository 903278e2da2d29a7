"""What was asked before, byte for byte, is answered without being parsed; whoever wants to look at requests still does."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Any

import pytest
import strawberry
from strawberry.types import Info

from quickwins.query_cache import CacheControl, CachedGraphQL, QueryCache, cache_control
from quickwins.query_cache._core.memory import MOST_ALIASES
from quickwins.query_cache._known import MOST_BYTES
from quickwins.query_cache._raw import MOST_BODY, MOST_VARYING, Raw, RawAnswers
from tests.unit.query_cache.service import Service, View, ask, call, get

USER = '{ user(id: "1") { name } }'
LOOKING = (
    "get_root_value",
    "get_sub_response",
    "is_request_allowed",
    "should_render_graphql_ide",
    "parse_http_body",
    "parse_json",
    "decode_json",
    "execute_operation",
    "execute_single",
    "process_result",
    "create_response",
    "run",
)


class Counting(View):
    """Counts the contexts that it makes."""

    made: Counter[str]

    async def get_context(self, request: Any, response: Any) -> Any:
        self.made["get_context"] += 1
        return await super().get_context(request, response)


def looking(name: str) -> type[Counting]:
    """A view that counts the calls of one method."""

    class Looking(Counting):
        pass

    def seen(self: Any, *positional: Any, **named: Any) -> Any:
        self.made[name] += 1
        return getattr(super(Looking, self), name)(*positional, **named)

    setattr(Looking, name, seen)
    return Looking


@pytest.mark.parametrize("name", LOOKING)
@pytest.mark.asyncio
async def test_what_a_subclass_does_is_done_once_for_each_request(name: str) -> None:
    service = Service(looking(name))
    service.app.made = made = Counter[str]()  # type: ignore[attr-defined]  # -- the class above has it; until=never
    for _ in range(4):
        assert (await service.ask(USER)).data == {"user": {"name": "Ann"}}
    assert made == {name: 4, "get_context": 4}
    assert service.world.executed["user"] == 1


@pytest.mark.asyncio
async def test_parameters_of_a_get_are_read_by_who_wants_to() -> None:
    service = Service(looking("parse_query_params"))
    service.app.made = made = Counter[str]()  # type: ignore[attr-defined]  # -- the class above has it; until=never
    for _ in range(3):
        assert (await get(service.app, USER)).status == 200
    assert made["parse_query_params"] == 3


@pytest.mark.asyncio
async def test_a_principal_is_asked_once_for_each_request() -> None:
    asked: list[str] = []

    async def principal(context: Any) -> str:
        await asyncio.sleep(0)
        asked.append(context["user"])
        return str(context["user"])

    service = Service(principal=principal)
    for user in "aabba":
        assert (await service.ask("{ me }", authorization=user)).data == {"me": f"I am {user}"}
    assert asked == list("aabba")
    assert service.world.executed["me"] == 2


@strawberry.type
class Another:
    name: str


@strawberry.type
class Others:
    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def user(self, id: strawberry.ID) -> Another:  # noqa: A002 -- as in GraphQL; until=never
        return Another(name=f"another {id}")


class Named(CachedGraphQL):
    async def get_context(self, request: Any, response: Any) -> Any:
        return {"user": request.headers.get("authorization")}


@pytest.mark.asyncio
async def test_views_of_one_cache_know_their_own_requests_alone() -> None:
    service = Service()
    other = Named(service.schema, cache=service.cache, allow_queries_via_get=False)
    assert (await get(service.app, USER)).status == 200
    assert (await get(service.app, USER)).status == 200
    assert (await get(other, USER)).status == 400
    third = Named(strawberry.Schema(Others), cache=service.cache)
    assert (await get(third, USER)).data == {"user": {"name": "another 1"}}
    assert (await get(service.app, USER)).data == {"user": {"name": "Ann"}}
    service.app.allow_queries_via_get = False
    assert (await get(service.app, USER)).status == 400


@pytest.mark.asyncio
async def test_a_long_request_is_answered_from_what_is_stored_all_the_same() -> None:
    service = Service()
    body = json.dumps({"query": USER, "more": "x" * MOST_BODY}).encode()
    for _ in range(3):
        reply = await call(service.app, body=body, headers={"content-type": "application/json"})
        assert reply.data == {"user": {"name": "Ann"}}
    assert service.world.executed["user"] == 1


@pytest.mark.asyncio
async def test_the_same_bytes_with_another_header_that_the_answer_varies_on_are_another_request() -> None:
    service = Service()
    for language in ("en", "de", "en", "de", None):
        headers = {} if language is None else {"accept_language": language}
        assert (await service.ask("{ language }", **headers)).data == {"language": str(language)}
    assert service.cache.stats().hits["l1"] == 2


@strawberry.type
class Root:
    @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
    def seen(self, info: Info, closed: bool = False) -> str:
        if closed:
            cache_control(info).restrict(scope="PRIVATE")
        return f"{info.context['user']}" if closed else "anybody"


@pytest.mark.asyncio
async def test_a_document_that_was_forgotten_and_is_private_since_is_not_found_by_its_bytes() -> None:
    cache = QueryCache(principal=lambda context: context["user"])
    app = Named(strawberry.Schema(Root, extensions=[cache.extension]), cache=cache)
    text = "query Q($closed: Boolean!) { seen(closed: $closed) }"
    for _ in range(2):
        await ask(app, text, {"closed": False}, authorization="a")
    assert cache.stats().hits["l1"] == 1
    for number in range(MOST_BYTES // 9_000_000 + 2):  # others make it go
        await ask(app, f"query Other{number} {{ seen }} #" + "x" * 90_000, authorization="a")
    await ask(app, text, {"closed": True}, authorization="a")
    hits = cache.stats().hits["l1"]
    await ask(app, text, {"closed": False}, authorization="b")
    assert cache.stats().hits["l1"] == hits


@pytest.mark.asyncio
async def test_a_flood_of_contents_stays_within_the_bounds() -> None:
    service = Service()
    await service.ask("{ language }", accept_language="en")
    serving = service.cache.desk.serving
    (slot,) = set(serving.memory.aliases.values())
    scope: Any = {"type": "http", "headers": [(b"accept-language", b"en")]}
    answers = RawAnswers(serving)
    for number in range(MOST_VARYING + 100):
        answers.remember(scope, Raw("POST", b"%d" % number, None), slot, slot.start.known, None)
    assert len(answers) == MOST_VARYING
    assert len(serving.memory.aliases) == MOST_ALIASES
