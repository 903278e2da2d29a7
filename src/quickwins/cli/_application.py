"""What `quickwins doctor APP` finds: an application object, as it would be served, and the pools that it has made."""

from __future__ import annotations

import gc
import importlib
import inspect
import sys
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from quickwins import QuickWins
from quickwins.backpressure.asgi import BackpressureMiddleware
from quickwins.cli._findings import Finding
from quickwins.core.errors import ConfigError
from quickwins.core.flags.asgi import PinMiddleware
from quickwins.logs.asgi import LogMiddleware

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

MAX_LAYERS = 64
"""How many wrappers of an application are looked through."""
_WRAP_ALL = "serve `qw.asgi(app)`: it puts all of them around the application, in the right order"
_ORDER: Final = (PinMiddleware, LogMiddleware, BackpressureMiddleware)
"""From the outside in: a refusal is logged, and all that a request asks has one snapshot of the flags."""
_FEATURES: Final = {"logs": LogMiddleware, "backpressure": BackpressureMiddleware}


def loaded(target: str) -> object:
    """What `module:attribute` names, found from the folder at hand; of a factory, `module:create` or `module:create()`, what it makes.

    Raises:
        ConfigError: There is no such thing, or it is no application; or importing or making it fails.
    """
    module, colon, path = target.partition(":")
    if not colon or not module or not path:
        raise ConfigError(
            f"{target!r} names no application: module:attribute is expected, such as shop.main:app"
        )
    if "" not in sys.path:
        sys.path.insert(0, "")
    try:
        found: object = importlib.import_module(module)
    except Exception as error:
        raise ConfigError(f"importing {module} raised {type(error).__name__}: {error}") from error
    for name in path.removesuffix("()").split("."):
        if not hasattr(found, name):
            raise ConfigError(f"{module} has no {path}")
        found = getattr(found, name)
    if _is_factory(found):
        try:
            found = found()
        except Exception as error:
            raise ConfigError(f"calling {target} raised {type(error).__name__}: {error}") from error
    if not callable(found):
        raise ConfigError(f"{target} names no application: a {type(found).__name__} cannot be called")
    return found


def _is_factory(found: object) -> TypeGuard[Callable[[], object]]:
    """Whether a server has to call it for an application: a function that asks for nothing, where an application gets three."""
    if not inspect.isfunction(found) or inspect.iscoroutinefunction(found):
        return False
    asked = inspect.signature(found).parameters.values()
    return all(one.default is not one.empty or one.kind is one.VAR_KEYWORD for one in asked)


async def _the_rest(*_: object) -> None:
    """Stands for what a middleware will be put around."""


def layers(app: object) -> Iterator[tuple[type, object]]:
    """What a request passes, from the outside in: each kind of wrapper, and itself where it is made already."""
    for _ in range(MAX_LAYERS):
        if app is None or app is _the_rest:
            return
        yield type(app), app
        for middleware in getattr(app, "user_middleware", ()):
            kind: Any = getattr(middleware, "cls", None)
            options = getattr(middleware, "kwargs", {})
            if isinstance(kind, type):
                yield kind, options
            elif isinstance(getattr(kind, "__self__", None), QuickWins):  # `add_middleware(qw.asgi)`
                yield from layers(kind(_the_rest, **options))
        app = getattr(app, "_app", None) or getattr(app, "app", None)


def application_findings(target: str, app: object, enabled: Collection[str]) -> list[Finding]:
    """Whether the adapters are there, once each and in order, and whether gates and pools obey a switch.

    Args:
        target: What names it.
        app: An ASGI application.
        enabled: The features that are on in the configuration.
    """
    passed = [*layers(app)]
    kinds = [kind for kind, _ in passed]
    ours = [kind for kind in kinds if kind in _ORDER]
    made = " > ".join(kind.__name__ for kind in kinds)
    found = [Finding("application", True, f"{target}: {made}")]
    for feature, kind in _FEATURES.items():
        if kind not in kinds and feature in enabled:
            found.append(
                Finding(
                    "middleware", False, f"{feature} is enabled, and {kind.__name__} is not there", _WRAP_ALL
                )
            )
    for kind in dict.fromkeys(ours):
        if ours.count(kind) > 1:
            twice = "each request has two lines" if kind is LogMiddleware else "each request passes it twice"
            found.append(
                Finding(
                    "middleware",
                    False,
                    f"{kind.__name__} is there {ours.count(kind)} times: {twice}",
                    "leave one",
                )
            )
    if ours != sorted(ours, key=_ORDER.index):
        order = " > ".join(kind.__name__ for kind in ours)
        found.append(
            Finding(
                "middleware order",
                False,
                f"{order}: what is refused outside of LogMiddleware has no line",
                _WRAP_ALL,
            )
        )
    elif ours:
        found.append(Finding("middleware order", True, " > ".join(kind.__name__ for kind in ours)))
    found += _doors(passed)
    return found


def _doors(passed: list[tuple[type, object]]) -> Iterator[Finding]:
    for kind, one in passed:
        if kind is not BackpressureMiddleware:
            continue
        gate = one.get("gate") if isinstance(one, dict) else getattr(one, "_gate", None)
        if gate is not None and gate.shell.flag is None:
            yield Finding(
                "gates",
                False,
                f"the gate {gate.shell.name!r} at the door has no flag: no file can turn it off",
                "make it by `qw.gate(name=..., size=...)`",
            )


def pools() -> list[object]:
    """The pools that this process has made."""
    libraries: dict[type, str] = {}
    found = []
    for one in gc.get_objects():  # may be a million
        kind = type(one)
        library = libraries.get(kind)
        if library is None:
            library = libraries[kind] = _library_of(kind)
        if library:
            found.append(one)
    return found


def pool_findings(before: list[object]) -> Iterator[Finding]:
    """A finding for each pool that nobody gates; one that says so when all are gated.

    Args:
        before: Those that were there before, which are somebody else's.
    """
    gated: list[str] = []
    bare: list[str] = []
    for one in pools():
        if not any(one is other for other in before):
            library = _library_of(type(one))
            (gated if _is_gated(one, library) else bare).append(_POOLS[library])
    for name in bare:
        yield Finding("pools", False, f"{name} has no gate", "put it behind one: `qw.pool(pool, name=...)`")
    if gated and not bare:
        yield Finding("pools", True, f"gated: {', '.join(gated)}")


_POOLS: Final = {
    "asyncpg.Pool": "a pool of asyncpg",
    "psycopg_pool.AsyncConnectionPool": "a pool of psycopg_pool",
    "sqlalchemy.AsyncEngine": "an AsyncEngine of SQLAlchemy",
}


def _library_of(kind: type) -> str:
    """Which of `_POOLS` a class is, or inherits from; empty: none."""
    for base in kind.__mro__:
        module = base.__module__  # of some classes a descriptor
        name = f"{module.partition('.')[0]}.{base.__name__}" if type(module) is str else ""
        if name in _POOLS:
            return name
    return ""


def _is_gated(pool: Any, library: str) -> bool:
    if library == "psycopg_pool.AsyncConnectionPool":
        return hasattr(type(pool), "quickwins_lent")
    if library == "sqlalchemy.AsyncEngine":
        return any(kind.__name__ == "GatedPoolOfEngine" for kind in type(pool.sync_engine.pool).__mro__)
    return any(
        type(holder).__name__ in {"GatedPool", "Lender"} or _is_state(holder)
        for holder in gc.get_referrers(pool)
    )


def _is_state(holder: object) -> bool:
    """Whether `holder` is what an instance of ours keeps its attributes in."""
    return type(holder) is dict and "_lender" in holder and "pool" in holder
