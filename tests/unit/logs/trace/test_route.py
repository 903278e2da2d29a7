"""A route is a template that the application declared, or nothing; never what a client wrote."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, Router, WebSocketRoute

from quickwins.logs._trace.route import Routes


async def ok(request: Any) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def plain(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("ok")(scope, receive, send)


class Endpoint(HTTPEndpoint):
    async def get(self, request: Any) -> PlainTextResponse:
        return PlainTextResponse("ok")


SHARED = [Route("/items/{item:int}", ok)]
APP = Starlette(
    routes=[
        Route("/", ok),
        Route("/users/{user}", ok),
        Route("/files/{path:path}", ok),
        Route("/class", Endpoint),
        Mount("/static", plain),
        Mount("/v1", routes=SHARED),
        Mount("/v2", routes=SHARED),
        Mount(
            "/{tenant:int}", routes=[Mount("/inner", app=Starlette(routes=SHARED)), Route("/{tenant}", ok)]
        ),
        Mount("/opaque/{key}", app=Router(routes=[Mount("/graphql", plain)])),
    ]
)


def scope_after(path: str, root: str = "", app: Any = APP) -> dict[str, Any]:
    scope = {
        "type": "http",
        "method": "GET",
        "path": root + path,
        "root_path": root,
        "headers": [],
        "query_string": b"",
    }

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None: ...

    asyncio.run(app(scope, receive, send))
    return scope


@pytest.mark.parametrize("root", ["", "/behind/a/proxy"], ids=["at the root", "behind a proxy"])
@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/", "/"),
        ("/users/alice", "/users/{user}"),
        ("/users/users", "/users/{user}"),
        ("/files/a/b.txt", "/files/{path:path}"),
        ("/class", "/class"),
        ("/static/a/b.css", "/static"),
        ("/v1/items/007", "/v1/items/{item:int}"),
        ("/v2/items/7", "/v2/items/{item:int}"),
        ("/007/inner/items/8", "/{tenant:int}/inner/items/{item:int}"),
        ("/007/other", "/{tenant:int}/{tenant}"),
        ("/opaque/secret/graphql/", "/opaque/{key}/graphql"),
        ("/opaque/secret/nowhere", "/opaque/{key}"),
        ("/nowhere/secret", None),
    ],
)
def test_a_route_of_starlette_is_its_template_below_its_mounts(
    path: str, template: str | None, root: str
) -> None:
    routes = Routes()
    assert routes.template(scope_after(path, root), root) == template
    assert routes.template(scope_after(path, root), root) == template


@pytest.mark.parametrize("path", ["/users/{user}", "/v1/items/{item:int}", "/v2/items/{item:int}"])
def test_a_prefix_that_the_application_adds_itself_is_no_mount(path: str) -> None:
    async def fastapi(scope: Any, receive: Any, send: Any) -> None:
        scope |= {"root_path": "/api", "path": "/api" + scope["path"]}
        await APP(scope, receive, send)

    url = path.replace("{user}", "alice").replace("{item:int}", "7")
    assert Routes().template(scope_after(url, app=fastapi), "") == path


def test_a_route_that_cannot_be_reached_below_a_mount_is_unknown() -> None:
    scope = scope_after("/v1/items/7") | {"route": SHARED[0], "router": object()}
    assert Routes().template(scope, "") is None


class Stubborn:
    def matches(self, scope: Any) -> Any:
        raise OSError("no answer")


class Old:
    routes = [Stubborn()]  # noqa: RUF012 -- read only; until=never


def test_a_route_that_does_not_answer_is_unknown() -> None:
    assert Routes().template({"endpoint": ok, "path": "/users", "router": Old()}, "") is None


class Called:
    async def __call__(self) -> None: ...


@pytest.mark.parametrize(
    ("scope", "template"),
    [
        pytest.param({"endpoint": ok, "path": "/users"}, "/users", id="nothing to replace"),
        pytest.param({"endpoint": Endpoint, "path": "/users"}, "/users", id="a class"),
        pytest.param({"endpoint": Called().__call__, "path": "/users"}, "/users", id="a method"),
        pytest.param({"endpoint": len, "path": "/users"}, "/users", id="a compiled function"),
        pytest.param(
            {"endpoint": ok, "path": "/users/alice/7", "path_params": {"id": 7, "user": "alice"}},
            "/users/{user}/{id}",
            id="two values",
        ),
        pytest.param(
            {"endpoint": ok, "path": "/files/a/b/c", "path_params": {"path": "a/b/c"}},
            "/files/{path}",
            id="a value with slashes",
        ),
        pytest.param(
            {"endpoint": ok, "path": "/a/a", "path_params": {"x": "a"}}, "/{x}/a", id="a value like a part"
        ),
        pytest.param(
            {"endpoint": ok, "path": "/users/007", "path_params": {"user": 7}}, None, id="converted"
        ),
        pytest.param(
            {"endpoint": ok, "path": "/a.json", "path_params": {"ext": "json"}}, None, id="half a part"
        ),
        pytest.param({"endpoint": ok, "path": "/files/", "path_params": {"path": ""}}, None, id="empty"),
        pytest.param({"path": "/users/alice"}, None, id="no endpoint"),
        pytest.param({"endpoint": Called(), "path": "/users/alice"}, None, id="an object"),
        pytest.param(
            {"endpoint": Called(), "path": "/static/secret", "root_path": "/static"}, "/static", id="a mount"
        ),
        pytest.param(
            {
                "endpoint": Called(),
                "path": "/t1/static/secret",
                "root_path": "/t1/static",
                "path_params": {"tenant": "t1"},
            },
            "/{tenant}/static",
            id="a mount with a value",
        ),
    ],
)
def test_where_no_route_is_left_the_values_are_taken_out_of_the_path(
    scope: dict[str, Any], template: str | None
) -> None:
    assert Routes().template(scope, "") == template


def test_a_proxys_prefix_is_no_part_of_the_route() -> None:
    scope = {"endpoint": ok, "path": "/proxy/users", "root_path": "/proxy"}
    assert Routes().template(scope, "/proxy") == "/users"


parts = st.text(st.characters(exclude_characters="/"), max_size=8)


@given(st.lists(parts, min_size=1, max_size=4), st.data())
def test_no_value_is_left_in_a_template(path: list[str], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.integers(0, len(path) - 1), unique=True))
    params = {f"p{number}": path[number] for number in chosen}
    static = [part for number, part in enumerate(path) if number not in chosen]
    template = Routes().template({"endpoint": ok, "path": "/" + "/".join(path), "path_params": params}, "")
    if template is not None:
        left = template[1:].split("/")
        assert sorted(part for part in left if part not in {f"{{{name}}}" for name in params}) == sorted(
            static
        )


def test_websockets_have_routes_too() -> None:
    route = WebSocketRoute("/feed/{user}", plain)
    assert Routes().template({"route": route, "path": "/feed/alice"}, "") == "/feed/{user}"
