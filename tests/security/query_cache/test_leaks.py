"""Nobody is ever served what was made for somebody else, whatever a request is made of.

Each answer carries the name of whom it was made for, of the language it was made in and of the arguments it was asked with: a
leak is an answer that says something else than its request. Documents are generated: aliases, fragments, directives, several
operations, variables with and without defaults, batches; sent to the view, and through the middleware before it.
"""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any

import pytest
import strawberry
from prometheus_client import CollectorRegistry
from strawberry.schema.config import StrawberryConfig
from strawberry.types import Info

from quickwins.query_cache import (
    L1,
    CacheControl,
    CachedGraphQL,
    QueryCache,
    QueryCacheMiddleware,
    cache_control,
)
from tests.asgi_client import Answer, Client
from tests.soak import times

pytestmark = pytest.mark.asyncio

BYTES = 1 << 17
TIMES = 400
MANY = times(2_000, soak=17_000)
"""A hundred thousand requests in the soak, some six thousand otherwise."""
BATCH = 20
"""Of how many requests one is a batch."""


@strawberry.type(directives=[CacheControl(inherit_max_age=True)])
class Profile:
    id: strawberry.ID
    text: str = ""

    @strawberry.field(directives=[CacheControl(max_age=60, scope="PRIVATE")])
    def secret(self, info: Info[Any, Any]) -> str:
        return f"secret of {info.context['session']}"


@strawberry.type
class Query:
    @strawberry.field(directives=[CacheControl(max_age=60, scope="PRIVATE")])
    def me(self, info: Info[Any, Any], x: int = 0) -> str:
        return f"me {info.context['session']} {x}"

    @strawberry.field(directives=[CacheControl(max_age=60)])
    def public(self, x: int = 0) -> str:
        return f"public {x}"

    @strawberry.field(directives=[CacheControl(max_age=60)])
    def profile(self, x: int = 0) -> Profile:
        return Profile(id=strawberry.ID(str(x)), text=f"profile {x}")

    @strawberry.field(directives=[CacheControl(max_age=60, vary=["accept-language"])])
    def greeting(self, info: Info[Any, Any], x: int = 0) -> str:
        return f"greeting {info.context['request'].headers.get('accept-language')} {x}"

    @strawberry.field(directives=[CacheControl(max_age=60)])
    def undeclared(self, info: Info[Any, Any], x: int = 0) -> str:
        return f"undeclared {info.context['request'].cookies.get('theme')} {x}"

    @strawberry.field(directives=[CacheControl(max_age=60)])
    def careless(self, info: Info[Any, Any], x: int = 0) -> str:
        """Public by its hint, and made for whoever asks."""
        return f"careless {info.context['session']} {x}"

    @strawberry.field(directives=[CacheControl(max_age=60)])
    def tightened(self, info: Info[Any, Any], x: int = 0) -> str:
        cache_control(info).restrict(scope="PRIVATE")
        return f"tightened {info.context['session']} {x}"


class View(CachedGraphQL):
    async def get_context(self, request: Any, response: Any) -> dict[str, Any]:
        return {"request": request, "response": response, "session": request.headers.get("x-user")}


Field = tuple[str, str | None, int | str | None]
"""A field, its alias, and its argument: a number, `$` for the variable, or none."""


class Who:
    """Whose request it is, and what it comes with."""

    def __init__(self, rng: Random) -> None:
        self.session = rng.choice(["ann", "bob", "cy", None])
        self.language = rng.choice(["en", "de", None])
        self.theme = rng.choice(["dark", "light", None])

    def headers(self) -> dict[str, str]:
        found = {"x-user": self.session, "accept-language": self.language}
        found["cookie"] = f"theme={self.theme}" if self.theme else None
        return {name: value for name, value in found.items() if value is not None}

    def says(self, name: str, x: int) -> Any:
        said = {
            "me": self.session,
            "greeting": self.language,
            "undeclared": self.theme,
            "careless": self.session,
            "tightened": self.session,
        }
        if name == "profile":
            return {"text": f"profile {x}", "secret": f"secret of {self.session}"}
        return f"public {x}" if name == "public" else f"{name} {said[name]} {x}"


class Question:
    """A document, what it is sent with, and what the answer has to be."""

    def __init__(self, rng: Random, who: Who) -> None:
        self.who = who
        names = ["me", "public", "profile", "greeting", "undeclared", "careless", "tightened"]
        fields = self.fields = [
            self._field(rng, rng.choice(names), number) for number in range(rng.randint(1, 3))
        ]
        default = self.default = rng.choice([None, 1, 2])
        value = rng.choice([None, 0, 1, 2, 3]) if default is not None else rng.choice([0, 1, 2, 3])
        self.variables = {} if value is None else {"x": value}
        if rng.random() < 0.1:
            self.variables["unknown"] = rng.randint(0, 2)
        shown = " ".join(self._shown(rng, one) for one in fields)
        wrap = rng.choice(["{}", "... on Query {{ {} }}", "... @include(if: true) {{ {} }}", "...F"])
        body = wrap.format(shown)
        fragment = f" fragment F on Query {{ {shown} }}" if wrap == "...F" else ""
        declared = f"($x: Int{'' if default is None else f' = {default}'})"
        used = "$x" in shown
        self.operation = None
        self.document = f"query A{declared if used else ''} {{ {body} }}{fragment}"
        if not used:
            self.variables.pop("x", None)
        self.expected = self._expected()
        if rng.random() < 0.15:
            self.document += " query B { public(x: 99) }"
            self.operation = "A"

    def _expected(self) -> dict[str, Any]:
        # Variables may come in any order, and in none.
        x = self.variables.get("x", self.default or 0)
        return {
            alias or name: self.who.says(name, x if arg == "$" else int(arg or 0))
            for name, alias, arg in self.fields
        }

    def asked_by(self, who: Who, x: int | None) -> Question:
        """The same document from somebody else, with another value for its variable, if it has one and `x` is one."""
        made = copy.copy(self)
        made.who = who
        if x is not None and "x" in self.variables:
            made.variables = {**self.variables, "x": x}
        made.expected = made._expected()
        return made

    def _field(self, rng: Random, name: str, number: int) -> Field:
        return name, f"a{number}", rng.choice([None, 0, 1, "$"])

    def _shown(self, rng: Random, one: Field) -> str:
        name, alias, arg = one
        args = "" if arg is None else f"(x: {'$x' if arg == '$' else arg})"
        below = " { text secret }" if name == "profile" else ""
        directive = rng.choice(["", "", " @include(if: true)", " @skip(if: false)"])
        return f"{alias}: {name}{args}{directive}{below}"

    def body(self) -> dict[str, Any]:
        found: dict[str, Any] = {"query": self.document, "variables": self.variables}
        if self.operation:
            found["operationName"] = self.operation
        return found


def application(which: str) -> tuple[Any, QueryCache]:
    cache = QueryCache(
        principal=lambda context: context["session"],
        l1=L1(max_bytes=BYTES, max_entries=500),
        registry=CollectorRegistry(),
        rng=Random(1),
    )
    config = StrawberryConfig(batching_config={"max_operations": 10})
    view = View(strawberry.Schema(Query, config=config, extensions=[cache.extension]), cache=cache)
    if which == "the view":
        return view, cache
    if which == "the middleware, for anybody":
        return QueryCacheMiddleware(view, cache=cache, path="/graphql", anonymous_ok=True), cache
    return QueryCacheMiddleware(view, cache=cache, path="/graphql", principal=user_of), cache


def user_of(scope: Any) -> str | None:
    return next((value.decode() for name, value in scope["headers"] if name == b"x-user"), None)


def check(answer: Answer, one: Question) -> None:
    said = answer.json()
    assert said.get("errors") is None, (one.document, said)
    assert said["data"] == one.expected, (one.body(), one.who.headers())
    made_for_one = any(name in one.document for name in ("me(", "me ", "secret", "tightened"))
    if made_for_one:
        assert "public" not in answer.headers.get("cache-control", ""), one.document


@pytest.mark.parametrize(
    "which", ["the view", "the middleware, for anybody", "the middleware, for principals"]
)
@pytest.mark.parametrize(
    ("requests", "seed"),
    [(150, 0), pytest.param(MANY, 1, marks=pytest.mark.volume)],
)
async def test_an_answer_is_for_whoever_asked(which: str, requests: int, seed: int) -> None:
    app, cache = application(which)
    rng = Random(seed)
    seen: list[Question] = []
    for number in range(requests):
        who = Who(rng)
        client = Client(app, headers=who.headers())
        if number % BATCH == 0:
            batch = [Question(rng, who) for _ in range(3)]
            sent = await client.send(json.dumps([one.body() for one in batch]).encode())
            assert [one["data"] for one in sent.json()] == [one.expected for one in batch]
            continue
        question = Question(rng, who)
        if (
            seen and rng.random() < 0.6
        ):  # from somebody else: the same bytes, or the same but for a variable's value
            question = rng.choice(seen).asked_by(who, rng.choice([None, 0, 1, 2, 3]))
        seen.append(question)
        del seen[:-50]
        if rng.random() < 0.1:
            more = {"operationName": question.operation} if question.operation else {}
            answer = await client.get(question.document, question.variables, **more)
        else:
            answer = await client.send(json.dumps(question.body()).encode())
        check(answer, question)
        if rng.random() < 0.01:
            await cache.invalidate(principal=rng.choice(["ann", "bob"]))
    stats = cache.stats()
    assert sum(stats.hits.values()) > requests / 10, "there were hits to leak from"
    assert stats.size_bytes <= BYTES
    await cache.close()


async def test_a_flood_of_variables_stays_inside_the_bound() -> None:
    app, cache = application("the view")
    client = Client(app, headers={"x-user": "ann"})
    for number in range(TIMES):
        answer = await client.post("query($x: Int) { public(x: $x) }", {"x": number})
        assert answer.data == {"public": f"public {number}"}
    stats = cache.stats()
    assert stats.size_bytes <= BYTES
    assert sum(stats.evictions.values()) > TIMES / 2
    for number in range(TIMES):
        await client.post(f"{{ a{number}: public }}")
    assert cache.stats().size_bytes <= BYTES
    await cache.close()
