"""The cases of Apollo Server's response cache, of its header plugin and of hints in resolvers, in our words."""

from collections.abc import Callable
from typing import Any

import pytest
import strawberry
from strawberry.types import Info

from quickwins.query_cache import CacheControl, cache_control
from tests.unit.query_cache.conformance.service import Service, count, made

pytestmark = pytest.mark.asyncio

SECONDS = 10


@strawberry.type
class Query:
    @strawberry.field(directives=[CacheControl(max_age=SECONDS)])
    def cached(self, info: Info[Any, Any]) -> str:
        count(info)
        return "value:cached"

    @strawberry.field
    def uncached(self, info: Info[Any, Any]) -> str:
        count(info)
        return "value:uncached"

    @strawberry.field(directives=[CacheControl(max_age=9, scope="PRIVATE")])
    def private(self, info: Info[Any, Any]) -> str:
        count(info)
        return f"value:{info.context['session']}"

    @strawberry.field(directives=[CacheControl(max_age=SECONDS, vary=["x-extra"])])
    def varying(self, info: Info[Any, Any]) -> str:
        count(info)
        return "value:varying"

    @strawberry.field(directives=[CacheControl(max_age=SECONDS)])
    def refusing(self, info: Info[Any, Any]) -> str:
        count(info)
        cache_control(info).no_store()
        return "value:refusing"

    @strawberry.field(directives=[CacheControl(max_age=SECONDS)])
    def failing(self, info: Info[Any, Any]) -> str:
        count(info)
        raise ValueError("no")


@pytest.fixture
def service() -> Service:
    return made(Query)


async def test_a_miss_a_hit_a_hit_with_its_age_and_a_miss_after_its_time(service: Service) -> None:
    first = await service.client.post("{ cached }")
    assert service.ran() == {"cached": 1}
    assert "age" not in first.headers
    assert first.headers["cache-control"].startswith("max-age=")
    assert first.headers["cache-control"].endswith(", public")

    second = await service.client.post("{ cached }")
    assert service.ran() == {}
    assert second.body == first.body
    assert second.headers["age"] == "0"
    assert second.headers["cache-control"] == first.headers["cache-control"]

    await service.clock.advance(5)
    third = await service.client.post("{ cached }")
    assert service.ran() == {}
    assert third.headers["age"] == "5"

    await service.clock.advance(6)
    fourth = await service.client.post("{ cached }")
    assert service.ran() == {"cached": 1}
    assert "age" not in fourth.headers


@pytest.mark.parametrize("document", ["{      cached     }", "query Named { cached }", "# x\n{ cached }"])
async def test_the_same_question_in_other_words_is_another_answer(service: Service, document: str) -> None:
    await service.client.post("{ cached }")
    service.ran()
    await service.client.post(document)
    assert service.ran() == {"cached": 1}
    await service.client.post(document)
    assert service.ran() == {}


async def test_an_alias_is_another_answer(service: Service) -> None:
    await service.client.post("{ cached }")
    assert (await service.client.post("{ alias: cached }")).data == {"alias": "value:cached"}
    assert service.ran() == {"cached": 2}


async def test_a_cached_field_beside_an_uncached_one_is_not_stored(service: Service) -> None:
    for _ in range(2):
        answer = await service.client.post("{ cached uncached }")
        assert service.ran() == {"cached": 1, "uncached": 1}
        assert "max-age" not in answer.headers.get("cache-control", "")
        assert "age" not in answer.headers


async def test_what_varies_is_stored_for_each_value(service: Service) -> None:
    for value, expected in [("a", 1), ("a", 0), ("b", 1), ("b", 0), ("a", 0)]:
        answer = await service.client.acting(x_extra=value).post("{ varying }")
        assert service.ran().get("varying", 0) == expected
        assert answer.headers["vary"] == "x-extra"


async def test_private_data_without_a_session_is_never_stored(service: Service) -> None:
    for _ in range(2):
        answer = await service.client.post("{ private }")
        assert service.ran() == {"private": 1}
        assert answer.headers.get("cache-control", "no-store") == "no-store"


async def test_private_data_is_stored_for_each_session(service: Service) -> None:
    for session, expected in [("foo", 1), ("foo", 0), ("bar", 1), ("foo", 0), ("bar", 0)]:
        answer = await service.client.acting(session_id=session).post("{ private }")
        assert answer.data == {"private": f"value:{session}"}
        assert service.ran().get("private", 0) == expected
        assert ", private" in answer.headers["cache-control"]


async def test_public_data_is_the_same_for_all_sessions_and_for_none(service: Service) -> None:
    """Apollo keeps one for all who have a session, and one for all others."""
    await service.client.post("{ cached }")
    for session in ("foo", "bar"):
        await service.client.acting(session_id=session).post("{ cached }")
    assert service.ran() == {"cached": 1}


async def test_a_resolver_may_keep_its_answer_from_being_stored(service: Service) -> None:
    for _ in range(2):
        answer = await service.client.post("{ refusing }")
        assert service.ran() == {"refusing": 1}
        assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    "document", ["{ failing }", "{ cached failing }", "{ nothing }", "{ cached", "{ cached(x: 1) }"]
)
async def test_an_error_of_any_kind_is_not_stored_and_says_so(service: Service, document: str) -> None:
    for _ in range(2):
        answer = await service.client.post(document)
        assert answer.errors
        assert answer.headers.get("cache-control", "no-store") == "no-store"
        assert "etag" not in answer.headers
    assert service.cache.stats().entries == 0


# Hints in resolvers: here they only tighten.


def hinting(hint: Callable[[Any], object], directive: CacheControl | None = None) -> Service:
    @strawberry.type
    class Droid:
        name: str

    @strawberry.type
    class Hinting:
        @strawberry.field(directives=[directive] if directive else [])
        def droid(self, info: Info[Any, Any]) -> Droid:
            count(info)
            hint(cache_control(info))
            return Droid(name="R2")

    return made(Hinting)


async def kept_for(service: Service, longest: int, session: str = "foo") -> float:
    """How long the answer is served again, in steps of two seconds; 0: not at all."""
    client = service.client.acting(session_id=session)
    await client.post("{ droid { name } }")
    for seconds in range(0, longest + 1, 2):
        service.ran()
        await client.post("{ droid { name } }")
        if service.ran():
            return seconds
        await service.clock.advance(2)
    return longest


HOUR = CacheControl(max_age=3600)


@pytest.mark.parametrize(
    ("hint", "directive", "least", "most"),
    [
        pytest.param(lambda one: one.restrict(max_age=60), None, 0, 0, id="an age where there is none: not stored"),
        pytest.param(lambda one: one.restrict(max_age=60), HOUR, 54, 60, id="a shorter age"),
        pytest.param(lambda one: one.restrict(max_age=120), CacheControl(max_age=60), 54, 60, id="a longer age changes nothing"),
        pytest.param(lambda one: one.restrict(max_age=20).restrict(max_age=40), HOUR, 18, 20, id="the shortest of two"),
        pytest.param(lambda one: one.restrict(max_age=40).restrict(max_age=20), HOUR, 18, 20, id="in any order"),
        pytest.param(lambda one: one.restrict(max_age=0).restrict(max_age=20), HOUR, 0, 0, id="0 wins"),
        pytest.param(lambda one: one.restrict(max_age=120).restrict(max_age=0).restrict(max_age=20), HOUR, 0, 0, id="0 wins in the middle"),
        pytest.param(lambda one: one.restrict(scope="PRIVATE"), CacheControl(max_age=60), 54, 60, id="a scope keeps the age"),
    ],
)  # fmt: skip
async def test_hints_in_resolvers_only_tighten(
    hint: Callable[[Any], object], directive: CacheControl | None, least: float, most: float
) -> None:
    assert least <= await kept_for(hinting(hint, directive), 120) <= most


async def test_a_resolver_may_make_its_answer_private() -> None:
    service = hinting(lambda one: one.restrict(scope="PRIVATE").restrict(scope="PUBLIC"), HOUR)
    for session, expected in [("foo", 1), ("foo", 0), ("bar", 1), ("bar", 0)]:
        answer = await service.client.acting(session_id=session).post("{ droid { name } }")
        assert service.ran().get("droid", 0) == expected
        assert ", private" in answer.headers["cache-control"]
    for _ in range(2):
        await service.client.post("{ droid { name } }")
    assert service.ran() == {"droid": 2}
