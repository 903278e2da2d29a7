"""The route of a request: a template with few values, from what a framework leaves in an ASGI scope.

The rule, first match wins:

1. `scope["route"]` has a `path`, as Starlette's and FastAPI's have    -> that, below the mounts that lead to it
2. `scope["router"]` has routes: Starlette's before 1.7, which leaves no route -> those that match, asked again
3. `scope["endpoint"]` is a function or a class, and each value of `scope["path_params"]` is a whole part of the path
                                                                       -> the path, with {names} for the values
4. `scope["endpoint"]` is something else: an application is mounted    -> where it is mounted
5. else                                                                -> none

The trap: whatever isn't a template was made up by a client. Of a mount the scope has only what the client wrote, so its
template is looked up among the routes; and a value that is not found in the path again, such as 7 for `007`, makes the
whole path unknown.
"""

from __future__ import annotations

import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_CALLABLE = (type, types.MethodType, types.BuiltinFunctionType)
"""Besides descriptors, which all other functions are, compiled ones too."""
_MAX_KNOWN = 10_000
_MAX_DEPTH = 20


class Routes:
    """Finds templates, and remembers where routes are mounted. Any thread."""

    def __init__(self) -> None:
        # By identity, since Starlette's routes have no hash; a route that is kept here keeps its identity.
        self._known: dict[int, tuple[object, list[str]]] = {}

    def template(self, scope: Mapping[str, Any], root: str) -> str | None:
        """The route's template; `None` when there is none.

        Args:
            scope: After the application has seen it.
            root: The `root_path` that it had before.
        """
        route, now = scope.get("route"), scope.get("root_path", "")
        path = getattr(route, "path", None)
        if isinstance(path, str):
            return path if now == root else self._mounted(scope, route, root)
        endpoint = scope.get("endpoint")
        if endpoint is None:
            return None
        if isinstance(getattr(scope.get("router"), "routes", None), list):
            try:
                return _asked_again(scope)
            except Exception:  # noqa: BLE001 -- routes may be anybody's, and logging must not fail a request; until=never
                return None
        params = scope.get("path_params") or {}
        if isinstance(endpoint, _CALLABLE) or hasattr(type(endpoint), "__get__"):
            path = scope.get("path", "")
            return _named(path.removeprefix(root), params)
        return _named(now[len(root) :], params) or None

    def _mounted(self, scope: Mapping[str, Any], route: object, root: str) -> str | None:
        known = self._known.get(id(route))
        if known is None:
            known = (route, list(_templates(scope.get("router"), route, "", _MAX_DEPTH)))
            if len(self._known) < _MAX_KNOWN:
                self._known[id(route)] = known
        templates = known[1]
        if len(templates) == 1:
            return templates[0]
        # The same routes are mounted more than once. FastAPI adds a prefix of its own, which isn't a mount.
        before = max(root, scope.get("app_root_path", ""), key=len)
        mounts = scope["root_path"][len(before) :]
        return next((template for template in templates if _fits(template, mounts)), None)


def _asked_again(scope: Mapping[str, Any]) -> str | None:
    """The template of the routes that match, each below the one before."""
    # Mounts have lengthened `root_path`; a scope that has gone through one says where it began.
    again = {**scope, "root_path": scope.get("app_root_path", scope.get("root_path", "")), "path_params": {}}
    template, routes = "", scope["router"].routes
    while routes:
        answers = [(route, *route.matches(again)) for route in routes]
        best = max(answers, key=lambda answer: answer[1].value, default=None)
        if best is None or not best[1].value:
            break
        route, _, child = best
        template += route.path
        again |= child
        routes = getattr(route, "routes", None)
    return template or None


def _templates(router: object, wanted: object, above: str, depth: int) -> Iterator[str]:
    """The template of every way to `wanted`."""
    routes = getattr(router, "routes", None)
    if not isinstance(routes, (list, tuple)) or not depth:
        return
    for route in routes:
        path = getattr(route, "path", "")
        if route is wanted:
            yield above + path
        yield from _templates(route, wanted, above + path, depth - 1)


def _fits(template: str, mounts: str) -> bool:
    """Whether `template` begins with `mounts`, part by part."""
    parts = template.split("/")
    actual = mounts.split("/")
    return len(actual) <= len(parts) and all(
        "{" in part or part == here for part, here in zip(parts, actual, strict=False)
    )


def _named(path: str, params: Mapping[str, Any]) -> str | None:
    """`path` with the names of `params` for their values; `None` when one is not there."""
    for name, value in params.items():
        text = str(value)
        found = f"{path}/".find(f"/{text}/") if text else -1
        if found < 0:
            return None
        path = f"{path[:found]}/{{{name}}}{path[found + 1 + len(text) :]}"
    return path
