"""`http.route` over real connections to real frameworks: the declared template, whole, or nothing; never what a client wrote."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import strawberry
from fastapi import APIRouter, Depends, FastAPI, HTTPException, WebSocket
from litestar import Litestar, Router, asgi, get, post
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Host, Mount, Route
from starlette.routing import Router as StarletteRouter
from starlette.staticfiles import StaticFiles
from strawberry.asgi import GraphQL
from strawberry.fastapi import GraphQLRouter

from quickwins.logs.asgi import LogMiddleware
from tests.django_app import django_app
from tests.eventually import eventually
from tests.integration.logs.serving import serving
from tests.unit.logs.recording import Lines, recorded

pytestmark = pytest.mark.usefixtures("logging_restored")

SECRET = "secret"  # in every path that a client makes up here, and in no route
Wanted = list[tuple[str, str | None]]


@pytest.fixture
def lines() -> Iterator[Lines]:
    with recorded() as made:
        yield made


async def ok(request: Request) -> PlainTextResponse:
    return PlainTextResponse("ok")


async def first() -> str:
    return "ok"


async def item(item: int) -> int:
    return item


class Endpoint(HTTPEndpoint):
    async def get(self, request: Request) -> PlainTextResponse:
        return PlainTextResponse("ok")


@strawberry.type
class Query:
    @strawberry.field
    def hello(self) -> str:
        return "world"


SCHEMA = strawberry.Schema(Query)


def files(folder: Path) -> StaticFiles:
    (folder / f"{SECRET}.txt").write_text("ok")
    return StaticFiles(directory=folder)


def starlette(folder: Path) -> tuple[Any, Wanted]:
    shared = [Route("/items/{item:int}", ok), Route("/items/all", ok)]
    app = Starlette(
        routes=[
            Route("/", ok),
            Route("/files/{path:path}", ok),
            Route("/class/{name}", Endpoint),
            Mount("/v1", routes=shared),
            Mount("/v2", routes=shared),
            Mount("/{tenant}/deep", routes=[Mount("/{inner:int}", app=StarletteRouter(routes=shared))]),
            Mount("/wrapped", routes=[Route("/x/{y}", ok)], middleware=[Middleware(GZipMiddleware)]),
            Mount("/behind", app=GZipMiddleware(Starlette(routes=[Route("/x/{y}", ok)]))),
            Mount("/static", files(folder)),
            Mount("/graphql", GraphQL(SCHEMA)),
            Host(f"{SECRET}.example", app=StarletteRouter(routes=[Route("/hosted/{name}", ok)])),
        ]
    )
    return app, [
        ("/", "/"),
        (f"/files/{SECRET}/{SECRET}.txt", "/files/{path:path}"),
        (f"/class/{SECRET}", "/class/{name}"),
        ("/v1/items/007", "/v1/items/{item:int}"),
        ("/v2/items/007", "/v2/items/{item:int}"),
        ("/v2/items/all", "/v2/items/all"),
        (f"/{SECRET}/deep/007/items/7", "/{tenant}/deep/{inner:int}/items/{item:int}"),
        (f"/wrapped/x/{SECRET}", "/wrapped/x/{y}"),
        (f"/behind/x/{SECRET}", "/behind/x/{y}"),
        (f"/behind/{SECRET}", "/behind"),
        (f"/static/{SECRET}.txt", "/static"),
        (f"/static/{SECRET}", "/static"),
        ("/graphql/?query={hello}", "/graphql"),
        (f"/{SECRET}/{SECRET}", None),
        (f"POST /class/{SECRET}", "/class/{name}"),
        (f"POST /v1/items/7{SECRET}", "/v1"),
        ("POST /v1/items/7", "/v1/items/{item:int}"),
    ]


def fastapi(folder: Path) -> tuple[Any, Wanted]:
    leaf = APIRouter(prefix="/leaf")
    leaf.add_api_route("/items/{item}", item)
    middle = APIRouter(prefix="/{tenant}")
    middle.include_router(leaf, prefix="/deep")
    twice = APIRouter()
    twice.add_api_route("/items/{item}", item, methods=["GET", "DELETE"])
    sub = FastAPI()
    sub.include_router(twice, prefix="/inner")
    app = FastAPI()
    plain = APIRouter()
    plain.add_route("/plain/{name}", ok)
    app.include_router(plain, prefix="/{tenant}/of/starlette")
    app.include_router(middle, prefix="/api")
    app.include_router(twice, prefix="/v1", dependencies=[Depends(lambda: None)])
    app.include_router(twice, prefix="/v2")
    app.include_router(GraphQLRouter(SCHEMA), prefix="/graphql")
    app.mount("/sub", sub)
    app.mount("/behind", GZipMiddleware(sub))
    app.mount("/static", files(folder))
    app.mount("/asgi", GraphQL(SCHEMA))

    @app.get("/fails/{name}")
    async def fails(name: str) -> None:
        raise HTTPException(418)

    return app, [
        (f"/api/{SECRET}/deep/leaf/items/007", "/api/{tenant}/deep/leaf/items/{item}"),
        (f"/{SECRET}/of/starlette/plain/{SECRET}", "/{tenant}/of/starlette/plain/{name}"),
        ("/v1/items/007", "/v1/items/{item}"),
        ("/v2/items/007", "/v2/items/{item}"),
        (f"/v2/items/{SECRET}", "/v2/items/{item}"),  # 422
        ("POST /v2/items/7", "/v2/items/{item}"),  # 405
        ("/graphql?query={hello}", "/graphql"),
        ("/sub/inner/items/7", "/sub/inner/items/{item}"),
        ("/behind/inner/items/7", "/behind/inner/items/{item}"),
        (f"/sub/{SECRET}", "/sub"),
        (f"/static/{SECRET}.txt", "/static"),
        ("/asgi/?query={hello}", "/asgi"),
        (f"/fails/{SECRET}", "/fails/{name}"),
        ("/openapi.json", "/openapi.json"),
        ("/v1/items/7/", None),  # a redirect
        (f"/{SECRET}", None),
    ]


def litestar(folder: Path) -> tuple[Any, Wanted]:
    inner = Starlette(routes=[Route("/x/{y}/", ok)])

    @get("/items/{item:int}", sync_to_thread=False)
    def one() -> str:
        return "ok"

    @post("/items", sync_to_thread=False)
    def made() -> str:
        return "ok"

    @asgi("/mounted", is_mount=True, copy_scope=False)
    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope, receive, send)

    @asgi("/opaque", is_mount=True, copy_scope=True)
    async def opaque(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope, receive, send)

    app = Litestar(
        [Router("/v1", route_handlers=[one, made]), Router("/m", route_handlers=[mounted, opaque])]
    )
    return app, [
        ("/v1/items/007", "/v1/items/{item}"),
        ("POST /v1/items", "/v1/items"),
        (f"/m/mounted/x/{SECRET}", "/m/mounted/x/{y}/"),
        (f"/m/opaque/x/{SECRET}", "/m/opaque"),
        (f"/m/opaque/{SECRET}", "/m/opaque"),
        (f"/v1/items/{SECRET}", None),
        (f"/{SECRET}", None),
    ]


def of_django() -> Any:
    from django.http import HttpRequest, HttpResponse
    from django.urls import include, path, re_path

    def view(request: HttpRequest, **values: Any) -> HttpResponse:
        return HttpResponse("ok")

    inner = [path("items/<int:item>/", view), re_path(r"^years/(?P<year>[0-9]{4})/$", view)]
    return django_app(path("", view), path("<slug:tenant>/v1/", include(inner)))


def django(folder: Path) -> tuple[Any, Wanted]:
    return of_django(), [
        ("/", "/"),
        (f"/{SECRET}/v1/items/007/", "/<slug:tenant>/v1/items/<int:item>/"),
        (f"/{SECRET}/v1/years/2026/", "/<slug:tenant>/v1/years/(?P<year>[0-9]{4})/$"),
        (f"/{SECRET}/v1/items/{SECRET}/", None),
        (f"/{SECRET}", None),
    ]


def mixed(folder: Path) -> tuple[Any, Wanted]:
    app = Starlette(
        routes=[
            Mount("/django", of_django()),
            Mount("/litestar", litestar(folder)[0]),
            Mount("/fastapi", fastapi(folder)[0]),
        ]
    )
    return app, [
        (f"/django/{SECRET}/v1/items/007/", "/django/<slug:tenant>/v1/items/<int:item>/"),
        (f"/django/{SECRET}", "/django"),
        ("/litestar/v1/items/007", "/litestar/v1/items/{item}"),
        ("/fastapi/v1/items/007", "/fastapi/v1/items/{item}"),
    ]


@pytest.mark.asyncio
@pytest.mark.parametrize("make", [starlette, fastapi, litestar, django, mixed])
@pytest.mark.parametrize("root", ["", "/behind/a/proxy"], ids=["at the root", "behind a proxy"])
async def test_a_route_is_the_declared_template_whole(
    make: Any, root: str, lines: Lines, tmp_path: Path
) -> None:
    app, wanted = make(tmp_path)

    logged = LogMiddleware(app, trusted=True)

    async def served(scope: Any, receive: Any, send: Any) -> None:
        await logged({**scope, "root_path": root, "path": root + scope["path"]}, receive, send)

    requests = [*wanted, *wanted]  # what is remembered tells the same
    async with serving(served) as client:
        for number, (request, _) in enumerate(requests):
            method, path = request.split(" ") if " " in request else ("GET", request)
            await client.request(method, path, {"x-correlation-id": f"n{number}"})
        await eventually(lambda: len(lines.lines) == len(requests))
    seen = {line.bound["correlation_id"]: line.fields.get("http.route") for line in lines.lines}
    assert [(one, seen[f"n{number}"]) for number, (one, _) in enumerate(requests)] == requests


@pytest.mark.asyncio
async def test_a_websocket_has_its_route_too(lines: Lines) -> None:
    router = APIRouter()

    @router.websocket("/feed/{user}")
    async def feed(websocket: WebSocket, user: str) -> None:
        await websocket.accept()
        await websocket.close()

    app = FastAPI()
    app.include_router(router, prefix="/{tenant}/v1")
    app.include_router(GraphQLRouter(SCHEMA), prefix="/graphql")
    app.add_middleware(LogMiddleware)
    for path in (f"/{SECRET}/v1/feed/{SECRET}", "/graphql"):
        await over_websocket(app, path)
    assert [(line.event, line.fields.get("http.route")) for line in lines.lines] == [
        ("websocket.session", "/{tenant}/v1/feed/{user}"),
        ("websocket.session", "/graphql"),
    ]


async def over_websocket(app: Any, path: str) -> None:
    said = iter([{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1000}])

    async def receive() -> Any:
        return next(said)

    async def send(message: Any) -> None: ...

    scope = {"type": "websocket", "path": path, "headers": [], "query_string": b"", "subprotocols": []}
    await app({**scope, "subprotocols": ["graphql-transport-ws"]}, receive, send)


@pytest.mark.asyncio
async def test_routes_that_are_added_later_and_a_prefix_of_fastapis_own(lines: Lines) -> None:
    app = FastAPI()
    app.root_path = "/api"
    app.add_middleware(LogMiddleware)
    app.add_api_route("/first", first)
    async with serving(app) as client:
        await client.get("/first")
        late = APIRouter()
        late.add_api_route("/{late}/items/{item}", item)
        app.include_router(late, prefix="/later")
        await client.get(f"/later/{SECRET}/items/1")
        await client.get(f"/api/later/{SECRET}/items/1")
    assert [line.fields.get("http.route") for line in lines.lines] == [
        "/first", "/later/{late}/items/{item}", "/later/{late}/items/{item}",
    ]  # fmt: skip


def test_fastapi_tells_the_prefixes_of_an_included_router() -> None:
    app = FastAPI()
    if fastapi_copies_routes(app):
        return
    (included,) = (one for one in app.routes if not hasattr(one, "path"))
    (route,) = included.original_router.routes  # type: ignore[attr-defined]  # -- of newer ones; until=never
    assert (route.path, route.endpoint) == ("/items/{item}", item)
    assert included.include_context.prefix == "/v1"  # type: ignore[attr-defined]  # -- of newer ones; until=never


def fastapi_copies_routes(app: FastAPI) -> bool:
    """Whether `app`, which gets a router, is one before 0.137: there each route of the router is copied, prefix and all."""
    router = APIRouter()
    router.add_api_route("/items/{item}", item)
    app.include_router(router, prefix="/v1")
    return any(getattr(one, "path", "") == "/v1/items/{item}" for one in app.routes)


def refusing(app: Any) -> Any:
    """What answers in the place of `app`, as a full door does: nothing of it has seen the request."""

    class Refusing:
        def __init__(self) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 503, "headers": []})
            await send({"type": "http.response.body", "body": b""})

    return Refusing()


@pytest.mark.asyncio
async def test_what_starlette_has_not_seen_has_no_route_of_the_django_in_the_same_process(
    lines: Lines, tmp_path: Path
) -> None:
    of_django()
    async with serving(LogMiddleware(refusing(starlette(tmp_path)[0]))) as client:
        await client.request("GET", f"/{SECRET}/v1/items/007/")
        await eventually(lambda: len(lines.lines) == 1)
    assert "http.route" not in lines.lines[0].fields


def closed_over(app: Any) -> Any:
    async def served(scope: Any, receive: Any, send: Any) -> None:
        await app(scope, receive, send)

    return served


def by_a_global(app: Any) -> Any:
    globals()["the_application"] = app

    async def served(scope: Any, receive: Any, send: Any) -> None:
        await the_application(scope, receive, send)  # type: ignore[name-defined]  # noqa: F821 -- as modules of Django's have it; until=never

    return served


def by_protocol(app: Any) -> Any:
    """As Django's channels do."""

    class Router:
        def __init__(self) -> None:
            self.application_mapping = {"http": app}

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await self.application_mapping["http"](scope, receive, send)

    return Router()


@pytest.mark.asyncio
@pytest.mark.parametrize("wrap", [refusing, closed_over, by_a_global, by_protocol])
async def test_django_is_found_behind_what_stands_around_it(wrap: Any, lines: Lines) -> None:
    whole = wrap(of_django())
    async with serving(LogMiddleware(whole)) as client:
        await client.request("GET", f"/{SECRET}/v1/items/007/")
        await eventually(lambda: len(lines.lines) == 1)
    assert lines.lines[0].fields["http.route"] == "/<slug:tenant>/v1/items/<int:item>/"
