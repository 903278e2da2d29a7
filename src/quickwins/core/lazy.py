"""What a package shows: its API and nothing else, each name fetched when it is first used, under the package's name.

Every room's `__init__.py` uses it, so that importing a room imports none of its files (PEP 562), `dir()` is its API, and
a `repr` or a traceback says `quickwins.core.flags.Flag` instead of the file where it happens to stand.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import FunctionType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

_shown: dict[str, Collection[str]] = {}
"""Each package that was made here, and the names it shows."""


def lazily(
    package: str, homes: Mapping[str, str], *, modules: Collection[str] = ()
) -> tuple[Callable[[str], object], Callable[[], list[str]]]:
    """A package's `__getattr__` and `__dir__`.

    What stands in a file below the package gets the package as its `__module__`, together with all else of it that is
    loaded by then. Where two packages show the same, it is the inner one's.

    Args:
        package: Its `__name__`.
        homes: Each name to the module that has it: relative to the package, or from `quickwins.` on for what is another
            room's. It says the same as `__all__` and the imports under `TYPE_CHECKING`, which are for type checkers.
        modules: Modules and packages in it that are reached as attributes, without an import of their own.

    Example:
        __getattr__, __dir__ = lazily(__name__, {"Thing": "things"})
    """
    homes = {
        name: home if home.startswith("quickwins.") else f"{package}.{home}" for name, home in homes.items()
    }
    _shown[package] = homes.keys()

    def get(name: str) -> object:
        if name in modules:
            return import_module(f"{package}.{name}")
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = getattr(import_module(homes[name]), name)
        _name_all(package, homes)
        setattr(sys.modules[package], name, value)  # so that this is not asked again
        return value

    def names() -> list[str]:
        return sorted({*homes, *modules})

    return get, names


def shows(module: str) -> Callable[[], list[str]]:
    """The `__dir__` of a module that people import from: its `__all__`, without what it imports itself.

    Args:
        module: Its `__name__`.
    """
    return lambda: list(sys.modules[module].__all__)


def _name_all(package: str, homes: Mapping[str, str]) -> None:
    for name, home in homes.items():
        value = vars(sys.modules[home]).get(name) if home in sys.modules else None
        if isinstance(value, (type, FunctionType)) and _shown_by(name, value.__module__) == package:
            value.__module__ = package


def _shown_by(name: str, module: str) -> str:
    """The innermost package above `module` that shows `name`; empty when there is none."""
    above = [one for one, names in _shown.items() if name in names and f"{module}.".startswith(f"{one}.")]
    return max(above, key=len, default="")
