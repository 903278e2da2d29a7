"""What is answered before the application is asked: the bytes it would answer, to those that may have them."""

from __future__ import annotations

from typing import Any

import pytest

from quickwins.core.asgi import App, Receive, Scope, Send
from quickwins.core.errors import ConfigError
from quickwins.query_cache import QueryCacheMiddleware
from tests.unit.query_cache.service import Service, View, ask, call, get

USER = '{ user(id: "1") { name } }'


class Counting:
    """Counts what reaches the application."""

    def __init__(self, app: App) -> None:
        self.app = app
        self.asked = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked += 1
        await self.app(scope, receive, send)


class Stack:
    """A service with the middleware in front of it."""

    def __init__(self, view: type[View] = View, *, service: Service | None = None, **options: Any) -> None:
        self.service = service or Service(view)
        self.inner = Counting(self.service.app)
        options = options or {"anonymous_ok": True}
        self.app = QueryCacheMiddleware(self.inner, cache=self.service.cache, **options)


def by_header(scope: Scope) -> str | None:
    found = dict(scope["headers"]).get(b"authorization")
    return None if found is None else found.decode()


@pytest.mark.asyncio
async def test_the_same_response_comes_without_the_application() -> None:
    stack = Stack()
    first = await ask(stack.app, USER)
    second = await ask(stack.app, USER)
    third = await ask(stack.app, USER)
    assert stack.inner.asked == 1
    assert first.body == second.body == third.body
    assert second.headers == {**first.headers, "age": "0"}
    stack.service.clock.now += 29.5
    assert (await ask(stack.app, USER)).headers["age"] == "29"
    stack.service.clock.now += 0.5
    await ask(stack.app, USER)
    assert stack.inner.asked == 2
    assert stack.service.cache.stats().hits["l1"] == 3


@pytest.mark.asyncio
async def test_what_the_view_knows_by_its_bytes_is_known_here_from_then_on() -> None:
    stack = Stack()
    for _ in range(2):
        await stack.service.ask(USER)
    for _ in range(3):
        assert (await ask(stack.app, USER)).data == {"user": {"name": "Ann"}}
    assert stack.inner.asked == 1


@pytest.mark.asyncio
async def test_an_invalidation_holds_here_too() -> None:
    stack = Stack()
    for _ in range(2):
        await ask(stack.app, USER)
    await ask(stack.app, 'mutation { rename(id: "1", name: "New") }')
    assert (await ask(stack.app, USER)).data["user"]["name"] == "New"
    await ask(stack.app, 'mutation { rename(id: "1", name: "Newer") }')
    assert (await ask(stack.app, USER)).data["user"]["name"] == "Newer"


@pytest.mark.asyncio
async def test_what_differs_in_a_byte_or_in_a_header_it_varies_on_is_another_request() -> None:
    stack = Stack()
    for _ in range(2):
        for language in ("de", "en"):
            assert (await ask(stack.app, "{ language }", accept_language=language)).data[
                "language"
            ] == language
    await ask(stack.app, "{ language }", accept_language="de")
    # The first two teach it what it varies on, the next ones are remembered by that.
    assert stack.inner.asked < 5
    await ask(stack.app, USER)
    await ask(stack.app, USER + " ")
    assert stack.service.world.executed["user"] == 2


@pytest.mark.asyncio
async def test_what_is_private_is_not_for_the_anonymous_and_only_for_its_verified_principal() -> None:
    stack = Stack()
    for user in "aab":
        assert (await ask(stack.app, "{ me }", authorization=user)).data["me"] == f"I am {user}"
    assert stack.inner.asked == 3
    stack = Stack(principal=by_header)
    for user in "aabbab":
        assert (await ask(stack.app, "{ me }", authorization=user)).data["me"] == f"I am {user}"
    assert stack.inner.asked == 2
    assert stack.service.world.executed["me"] == 2
    await ask(stack.app, "{ me }")
    assert stack.inner.asked == 3


@pytest.mark.asyncio
async def test_without_anonymous_ok_what_is_public_is_for_principals() -> None:
    stack = Stack(principal=by_header)
    for user in ("a", None, None, "b"):
        await ask(stack.app, USER, **({"authorization": user} if user else {}))
    assert stack.inner.asked == 3
    assert stack.service.world.executed["user"] == 1


@pytest.mark.asyncio
async def test_a_principal_that_is_not_the_views_gets_nothing_private() -> None:
    stack = Stack(principal=lambda _: "admin")
    for user in "aab":
        assert (await ask(stack.app, "{ me }", authorization=user)).data["me"] == f"I am {user}"
    assert stack.inner.asked == 3


@pytest.mark.asyncio
async def test_a_principal_that_raises_gets_nothing() -> None:
    stack = Stack(principal=lambda _: 1 / 0, anonymous_ok=True)
    for _ in range(2):
        assert (await ask(stack.app, USER)).status == 200
    assert stack.inner.asked == 2


@pytest.mark.asyncio
async def test_what_is_seen_to_be_private_later_is_no_longer_everybodys() -> None:
    stack = Stack()
    query = "query($a: Int!) { restricted(age: $a) }"
    for _ in range(2):
        await ask(stack.app, query, {"a": 30})
    assert stack.inner.asked == 1
    service = stack.service
    known = service.cache.desk.known(service.schema, query, None, service.app._variant)
    assert known
    known.learn((), private=True)
    await ask(stack.app, query, {"a": 30})
    assert stack.inner.asked == 2


class Adding(View):
    async def get_context(self, request: Any, response: Any) -> Any:
        response.headers["x-own"] = "1"
        return await super().get_context(request, response)


@pytest.mark.asyncio
async def test_a_response_with_headers_of_its_own_is_the_applications_each_time() -> None:
    stack = Stack(Adding)
    for _ in range(3):
        assert (await ask(stack.app, USER)).headers["x-own"] == "1"
    assert stack.inner.asked == 3


class Checking(View):
    async def process_result(self, request: Any, result: Any) -> Any:
        if request.headers.get("authorization") is None:
            raise PermissionError
        return await super().process_result(request, result)


@pytest.mark.asyncio
async def test_a_view_that_makes_each_result_itself_is_asked_each_time() -> None:
    stack = Stack(Checking)
    for _ in range(2):
        await ask(stack.app, USER, authorization="a")
    with pytest.raises(PermissionError):
        await ask(stack.app, USER)


@pytest.mark.asyncio
async def test_what_stands_outside_may_change_a_response_and_no_other_one() -> None:
    stack = Stack()
    for _ in range(2):
        await ask(stack.app, USER)
    (await ask(stack.app, USER)).raw.append((b"set-cookie", b"secret"))
    seen: list[Any] = []

    async def send(message: Any) -> None:
        if "headers" in message:
            message["headers"].append((b"set-cookie", b"secret"))
        seen.append(message)

    async def outer(scope: Scope, receive: Receive, _: Send) -> None:
        await stack.app(scope, receive, send)

    with pytest.raises(ValueError, match="not enough values"):
        await ask(outer, USER)
    assert seen
    assert "set-cookie" not in (await ask(stack.app, USER)).headers


@pytest.mark.asyncio
async def test_get_and_head_have_etags_and_post_has_no_304() -> None:
    stack = Stack()
    first = await get(stack.app, USER)
    again = await get(stack.app, USER)
    assert stack.inner.asked == 1
    assert again.body == first.body
    tag = again.headers["etag"]
    for method in ("GET", "HEAD"):
        reply = await get(stack.app, USER, method, if_none_match=tag)
        assert (reply.status, reply.body) == (304, b"")
        assert "content-length" not in reply.headers
    head = await get(stack.app, USER, "HEAD")
    assert (head.status, head.body, head.headers["content-length"]) == (200, b"", str(len(first.body)))
    await ask(stack.app, USER)
    assert (await ask(stack.app, USER, if_none_match=tag)).status == 200
    assert (await get(stack.app, "{ users { name } }", "HEAD")).status == 405


@pytest.mark.parametrize(
    "how",
    [
        {"path": "/other"},
        {"headers": {"content-type": "text/plain"}},
        {"headers": {"content-type": "application/json", "content-encoding": "gzip"}},
        {"headers": {"content-type": "application/json", "accept": "text/event-stream"}},
        {"headers": {"content-type": "application/json", "accept": "multipart/mixed"}},
        {"query": b"a=1"},
        {"method": "PUT"},
    ],
)
@pytest.mark.asyncio
async def test_what_is_no_plain_request_goes_to_the_application(how: dict[str, Any]) -> None:
    stack = Stack()
    body = b'{"query": "{ users { name } }"}'
    plain = {"headers": {"content-type": "application/json"}, "body": body}
    for _ in range(2):
        await call(stack.app, **plain)  # type: ignore[arg-type]  # -- as keywords; until=never
    before = stack.inner.asked
    await call(stack.app, **{**plain, **how})
    assert stack.inner.asked == before + 1


@pytest.mark.asyncio
async def test_a_body_in_parts_reaches_the_application_whole() -> None:
    stack = Stack()
    body = b'{"query": "{ users { name } }"}'
    parts = [
        {"type": "http.request", "body": body[:9], "more_body": True},
        {"type": "http.request", "body": body[9:]},
    ]
    sent: list[Any] = []

    async def receive() -> Any:
        return parts.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http", "method": "POST", "path": "/graphql", "query_string": b"",
        "headers": [(b"content-type", b"application/json")],
    }  # fmt: skip
    await stack.app(scope, receive, send)
    assert b"Ann" in sent[1]["body"]


@pytest.mark.asyncio
async def test_the_path_is_below_the_root_of_the_application() -> None:
    stack = Stack()
    for path in ("/graphql", "/graphql/", "/graphql"):
        await call(
            stack.app,
            path=path,
            body=b'{"query": "{ users { name } }"}',
            headers={"content-type": "application/json"},
        )
    assert stack.inner.asked == 1


def test_it_says_that_it_could_never_serve_anything() -> None:
    with pytest.raises(ConfigError, match="anonymous_ok"):
        QueryCacheMiddleware(Service().app, cache=Service().cache)
    assert repr(Stack().app) == "<QueryCacheMiddleware at /graphql around Counting>"
