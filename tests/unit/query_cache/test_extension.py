"""What the extension does where there is no view of ours."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
import strawberry
from strawberry.asgi import GraphQL
from strawberry.types import Info

from quickwins.query_cache import CacheControl
from tests.unit.query_cache.service import Service, ask

USER = '{ user(id: "1") { name } }'


def context(service: Service, user: str | None = None) -> dict[str, Any]:
    return {"world": service.world, "user": user}


@pytest.mark.asyncio
async def test_execute_has_a_cache_and_mutations_void_it() -> None:
    service = Service()
    for _ in range(2):
        result = await service.schema.execute(USER, context_value=context(service))
        assert result.data == {"user": {"name": "Ann"}}
    assert service.world.executed["user"] == 1
    await service.schema.execute('mutation { rename(id: "1", name: "New") }', context_value=context(service))
    result = await service.schema.execute(USER, context_value=context(service))
    assert result.data == {"user": {"name": "New"}}


@pytest.mark.asyncio
async def test_what_is_private_is_its_principals_and_what_reads_the_context_is_not_public() -> None:
    service = Service()
    for user in "aab":
        result = await service.schema.execute("{ me }", context_value=context(service, user))
        assert result.data == {"me": f"I am {user}"}
        result = await service.schema.execute("{ whose }", context_value=context(service, user))
        assert result.data == {"whose": f"seen by {user}"}
    assert service.world.executed["me"] == 2
    assert service.cache.stats().misses["undeclared"] == 3


def test_a_synchronous_execution_works() -> None:
    service = Service()
    query = "{ users { name } }"
    for _ in range(2):
        service.schema.execute_sync(query, context_value=context(service))
    assert service.world.executed["users"] == 1
    done = service.schema.execute_sync(
        'mutation { rename(id: "1", name: "New") }', context_value=context(service)
    )
    assert done.errors is None
    result = service.schema.execute_sync(query, context_value=context(service))
    assert result.data
    assert result.data["users"][0] == {"name": "New"}
    assert service.schema.introspect()


@pytest.mark.asyncio
async def test_a_mutation_over_a_stream_voids_what_it_changes() -> None:
    service = Service()
    await service.ask(USER)
    stream = await service.schema.stream(
        'mutation { rename(id: "1", name: "New") }', context_value=context(service)
    )
    async for _ in stream:
        pass
    assert (await service.ask(USER)).data["user"]["name"] == "New"


@pytest.mark.asyncio
async def test_a_cancelled_mutation_voids_what_it_may_have_changed() -> None:
    service = Service()
    await service.ask(USER)
    service.world.gate = asyncio.Event()
    service.world.entered.clear()
    task = asyncio.create_task(service.ask('mutation { half(id: "1") }'))
    await service.world.entered.wait()
    task.cancel()
    await asyncio.wait([task])
    service.world.gate = None
    assert (await service.ask(USER)).data["user"]["name"] == "half"


class Plain(GraphQL[Any, Any]):
    service: Service

    async def get_context(self, request: Any, response: Any) -> Any:
        user = request.headers.get("authorization")
        return {"request": request, "response": response, "user": user, "world": self.service.world}


@pytest.mark.asyncio
async def test_strawberrys_own_view_leaks_nothing() -> None:
    service = Service()
    app = Plain(service.schema)
    app.service = service
    for language in ("de", "en"):
        assert (await ask(app, "{ language }", accept_language=language)).data == {"language": language}
    for user in "ab":
        assert (await ask(app, "{ whose }", authorization=user)).data == {"whose": f"seen by {user}"}
        await ask(app, USER, authorization=user)
    assert service.world.executed["user"] == 1


@pytest.mark.asyncio
async def test_an_object_as_context_is_watched_and_stays_what_it_is() -> None:
    class Context:
        def __init__(self, user: str) -> None:
            self.user = user

    @strawberry.type
    class Query:
        @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
        def whose(self, info: Info) -> str:
            assert isinstance(info.context, Context)
            return str(info.context.user)

        @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
        def nobodys(self) -> str:
            return "x"

    service = Service(principal=lambda context: context.user)
    schema = strawberry.Schema(Query, extensions=[service.cache.extension])
    for user in "ab":
        given = Context(user)
        assert (await schema.execute("{ whose }", context_value=given)).data == {"whose": user}
        assert type(given).__name__ == "Context"
        assert (await schema.execute("{ nobodys }", context_value=Context(user))).data == {"nobodys": "x"}
    assert service.cache.stats().hits == {"l1": 1}


@pytest.mark.asyncio
async def test_caches_know_nothing_of_each_others_contexts() -> None:
    class Context:
        def __init__(self, user: str) -> None:
            self.user = user
            self.lang = "en"

    @strawberry.type
    class Query:
        @strawberry.field(directives=[CacheControl(policy="PUBLIC")])
        def spoken(self, info: Info) -> str:
            return str(info.context.lang)

    alike = Service(principal=lambda context: context.user, shared_context=["lang"])
    unlike = Service(principal=lambda context: context.user)
    for service in (alike, unlike, alike):
        schema = strawberry.Schema(Query, extensions=[service.cache.extension])
        for user in "ab":
            given = Context(user)
            assert (await schema.execute("{ spoken }", context_value=given)).data == {"spoken": "en"}
    assert alike.cache.stats().hits == {"l1": 3}
    assert unlike.cache.stats().hits == {}


def test_two_caches_of_one_schema_collect_its_entities_once() -> None:
    service, other = Service(), Service()

    def resolver() -> Any:
        query = service.schema._schema.query_type
        assert query is not None
        return query.fields["user"].resolve

    wrapped = resolver()
    other.cache.attach(service.schema)
    assert resolver() is wrapped
