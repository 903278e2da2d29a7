"""The route of a request: a template with few values, from what a framework leaves in an ASGI scope.

The rule, first match wins:

1. `scope["path_template"]`, Litestar's                     -> that; of an application that it mounts, where it is mounted
2. `scope["endpoint"]` among the routes of `scope["router"]`, Starlette's and FastAPI's -> its template there (`tree`)
3. `scope["route"]` has a `path`, and nothing is mounted    -> that
4. `scope["endpoint"]` is a function or a class, and each value of `scope["path_params"]` is a whole part of the path
                                                            -> the path, with {names} for the values
5. `scope["endpoint"]` is something else: an application is mounted -> where it is mounted
6. the scope says nothing, Django is in the application that we stand around, and has a route for the path
                                                            -> that, as Django writes it
7. else                                                     -> none

They add up where one framework is mounted in another.

The trap: whatever isn't a template was made up by a client. Of a mount the scope has only what the client wrote, so its
template is looked up among the routes; a request that was refused before it came to an application's routes has left as little as
one of Django's, whose routes are the process's own; and a value that is not found in the path again, such as 7 for `007`, makes the
whole path unknown.
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

from quickwins.core.asgi import below
from quickwins.logs._trace.tree import MAX_KNOWN, Tree
from quickwins.logs._trace.within import is_within

if TYPE_CHECKING:
    from collections.abc import Mapping

_CALLABLE = (type, types.MethodType, types.BuiltinFunctionType)
"""Besides descriptors, which all other functions are, compiled ones too."""


class Routes:
    """Finds templates, and remembers where routes are. Any thread."""

    def __init__(self, app: object = None) -> None:
        """Nothing is known yet.

        Args:
            app: The application whose requests these are; `None`: none that could be Django.
        """
        self._app = app
        self._has_django: bool | None = None
        self._trees: dict[int, Tree] = {}
        self._sure: dict[int, tuple[object, str]] = {}
        """By endpoints, which the trees keep: the router that leads there, and the template."""

    def template(self, scope: Mapping[str, Any], root: str) -> str | None:
        """The route's template; `None` when there is none.

        Args:
            scope: After the application has seen it.
            root: The `root_path` that it had before.
        """
        sure = self._sure.get(id(scope.get("endpoint")))
        if sure is not None and sure[0] is scope.get("router") and "path_template" not in scope:
            return sure[1]  # nearly always
        try:
            return self._template(scope, root) or None
        except Exception:  # noqa: BLE001 -- routes may be anybody's, and logging must not fail a request; until=never
            return None

    def _template(self, scope: Mapping[str, Any], root: str) -> str | None:
        if scope.get("path_template") is not None:
            return self._of_litestar(scope, root)
        endpoint = scope.get("endpoint")
        if endpoint is not None:
            template = self._of_endpoint(scope, endpoint, root)
            if template is not None and _is_django(endpoint):
                return _joined(template, _of_django(below(scope["path"], scope["root_path"])))
            return template
        path = getattr(scope.get("route"), "path", None)
        if path is None:
            silent = scope.get("router") is None and self._is_djangos()
            return _of_django(below(scope.get("path", ""), root)) if silent else None
        return path if isinstance(path, str) and scope.get("root_path", "") == root else None

    def _is_djangos(self) -> bool:
        handlers = sys.modules.get("django.core.handlers.asgi")
        if handlers is not None and self._has_django is None:
            self._has_django = is_within(self._app, handlers.ASGIHandler)
        return bool(self._has_django)

    def _of_litestar(self, scope: Mapping[str, Any], root: str) -> str | None:
        """Litestar may be mounted, and may mount: the other one's endpoint is in the same scope, if they share it."""
        handler, endpoint = scope.get("route_handler"), scope.get("endpoint")
        other = None if endpoint is None else self._of_endpoint(scope, endpoint, root)
        if not getattr(handler, "is_mount", False):
            return _joined(other or "", scope["path_template"])
        app = scope.get("litestar_app") or scope.get("app")
        routes = getattr(app, "routes", ())
        mount = next((one.path for one in routes if getattr(one, "route_handler", None) is handler), None)
        return None if mount is None else _joined(mount, other)

    def _of_endpoint(self, scope: Mapping[str, Any], endpoint: object, root: str) -> str | None:
        now = scope.get("root_path", "")
        router = scope.get("router")
        if router is None:
            path = getattr(scope.get("route"), "path", None)
            if isinstance(path, str):
                return path if now == root else None
            return _without_values(scope, endpoint, root)
        # Mounts lengthen `root_path`; FastAPI adds a prefix of its own, which isn't a mount.
        base = scope.get("app_root_path", now)
        path = below(scope.get("path", ""), base)
        tree = self._tree(router)
        template = tree.template(endpoint, path)
        if template is not None:
            if tree.is_sure(endpoint) and not _is_django(endpoint) and len(self._sure) < MAX_KNOWN:
                self._sure[id(endpoint)] = (router, template)
            return template
        # An application behind a middleware is mounted, so that its routes are not to be seen from outside.
        mounts = now[len(base) :]
        above = tree.mount(mounts) if mounts else ""
        if above is None:
            return None
        app = scope.get("app")
        template = None if app is None else self._tree(app).template(endpoint, below(path, mounts))
        return above if template is None else above + template

    def _tree(self, router: object) -> Tree:
        tree = self._trees.get(id(router))
        if tree is None:
            tree = Tree(router)
            if len(self._trees) < MAX_KNOWN:
                self._trees[id(router)] = tree
        return tree


def _joined(mount: str, inside: str | None) -> str:
    return mount.rstrip("/") + inside if inside else mount


def _is_django(endpoint: object) -> bool:
    handlers = sys.modules.get("django.core.handlers.asgi")
    return handlers is not None and isinstance(endpoint, handlers.ASGIHandler)


def _of_django(path: str) -> str | None:
    """The route of `path`, asked again: Django leaves nothing in the scope."""
    urls = sys.modules.get("django.urls")
    if urls is None:
        return None
    try:
        route = urls.resolve(path).route
    except urls.Resolver404:
        return None
    return route if route.startswith(("/", "^")) else f"/{route}"


def _without_values(scope: Mapping[str, Any], endpoint: object, root: str) -> str | None:
    params = scope.get("path_params") or {}
    if isinstance(endpoint, _CALLABLE) or hasattr(type(endpoint), "__get__"):
        return _named(scope.get("path", "").removeprefix(root), params)
    return _named(scope.get("root_path", "")[len(root) :], params)


def _named(path: str, params: Mapping[str, Any]) -> str | None:
    """`path` with the names of `params` for their values; `None` when one is not there."""
    for name, value in params.items():
        text = str(value)
        found = f"{path}/".find(f"/{text}/") if text else -1
        if found < 0:
            return None
        path = f"{path[:found]}/{{{name}}}{path[found + 1 + len(text) :]}"
    return path
