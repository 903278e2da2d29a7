"""The templates of an application of Starlette's kind, FastAPI's too: how its routes and mounts lead to each endpoint.

The rule: a request's scope says which endpoint took it, and which router it came to first. An endpoint that stands once
among that router's routes has its template there, whatever the client wrote. One that stands there several times, because
its router is mounted or included more than once, has the first template that fits the path.

The trap: since 0.137 FastAPI leaves a route in the scope that knows nothing of the prefixes its router was included with.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

MAX_DEPTH = 20
MAX_KNOWN = 10_000
"""How many ways to endpoints are looked at, and how many endpoints are remembered that are none of them."""

_PARAMETER = re.compile(r"\{[^{}:]*(?::([^{}]*))?\}")


class _Way:
    """One way to an endpoint. What it fits is compiled when it matters, which is seldom."""

    __slots__ = ("_fits", "is_mount", "template")

    def __init__(self, template: str, *, is_mount: bool) -> None:
        self.template = template
        self.is_mount = is_mount
        self._fits: re.Pattern[str] | None = None

    @property
    def fits(self) -> re.Pattern[str]:
        """Finds it in a path: of a mount at the beginning, of a route as a whole."""
        if self._fits is None:
            self._fits = re.compile(_pattern(self.template) + ("(?:/|$)" if self.is_mount else "$"))
        return self._fits


class Tree:
    """What is known of one router. Any thread."""

    __slots__ = ("_known", "_mounts", "_unknown", "router")

    def __init__(self, router: object) -> None:
        """Nothing is known yet.

        Args:
            router: Whatever has `routes`: a router, or an application.
        """
        self.router = router
        # By identity: not every endpoint has a hash, and one that is kept here keeps its identity.
        self._known: dict[int, tuple[object, list[_Way]]] = {}
        self._unknown: dict[int, object] = {}
        self._mounts: list[_Way] = []

    def template(self, endpoint: object, path: str) -> str | None:
        """The template of `endpoint` for a request of `path`; `None`: it has none here."""
        known = self._known.get(id(endpoint))
        if known is None:
            known = self._looked_for(endpoint)
        ways = known[1]
        if len(ways) == 1:
            return ways[0].template
        return next((way.template for way in ways if way.fits.match(path)), None)

    def is_sure(self, endpoint: object) -> bool:
        """Whether `endpoint` has the same template for every path."""
        return len(self._known.get(id(endpoint), (endpoint, []))[1]) == 1

    def mount(self, path: str) -> str | None:
        """The template of the mounts that lead to `path`, whatever is mounted there."""
        return next((way.template for way in self._mounts if way.fits.fullmatch(path)), None)

    def _looked_for(self, endpoint: object) -> tuple[object, list[_Way]]:
        # Routes may have been added since.
        if id(endpoint) not in self._unknown and len(self._unknown) < MAX_KNOWN:
            self._look()
            if id(endpoint) not in self._known:
                self._unknown[id(endpoint)] = endpoint
        return self._known.get(id(endpoint), (endpoint, []))

    def _look(self) -> None:
        known: dict[int, tuple[object, list[_Way]]] = {}
        mounts: list[_Way] = []
        left = MAX_KNOWN
        for endpoint, template, is_mount in _ways(self.router, "", MAX_DEPTH):
            left -= 1
            if left < 0:
                break
            way = _Way(template, is_mount=is_mount)
            known.setdefault(id(endpoint), (endpoint, []))[1].append(way)
            if is_mount:
                mounts.append(way)
        self._known, self._mounts = known, mounts


def _ways(router: object, above: str, depth: int) -> Iterator[tuple[object, str, bool]]:
    """Endpoint, template, and whether it is mounted, of all that `router` leads to, in its order."""
    routes = getattr(router, "routes", None)
    for route in routes if depth and isinstance(routes, (list, tuple)) else ():
        included = getattr(route, "original_router", None)
        if included is not None:  # FastAPI's; what else it has to tell takes it a millisecond for each route
            yield from _ways(included, above + route.include_context.prefix, depth - 1)
            continue
        path = getattr(route, "path", None)
        template = above + (path if isinstance(path, str) else "")
        endpoint = getattr(route, "endpoint", None)
        is_mount = endpoint is None
        if is_mount:
            endpoint = getattr(route, "app", None)
        if endpoint is not None:
            yield endpoint, template, is_mount
        yield from _ways(route, template, depth - 1)


def _pattern(template: str) -> str:
    """A regular expression for the paths that `template` stands for."""
    kinds = getattr(sys.modules.get("starlette.convertors"), "CONVERTOR_TYPES", {})
    parts, end = [], 0
    for found in _PARAMETER.finditer(template):
        kind = getattr(kinds.get(found[1] or "str"), "regex", "[^/]+")
        parts += [re.escape(template[end : found.start()]), f"(?:{kind})"]
        end = found.end()
    return "".join([*parts, re.escape(template[end:])])
