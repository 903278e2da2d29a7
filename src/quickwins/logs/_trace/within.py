"""Whether an application is within another one: whose routes are meant where a request has left nothing to tell it by.

The rule: what an object has, what a function has closed over, and what it calls by a global name is looked at, breadth first. An
application with routes of its own is not looked into: it would have said which of them it was.
"""

from __future__ import annotations

import functools
import types
from typing import Any

MAX_LOOKED_AT = 500
"""Objects; whatever is further away is not found."""


def is_within(app: object, kind: type) -> bool:
    """Whether an application of `kind` is `app`, or somewhere in it."""
    seen: dict[int, object] = {}
    left = [app]
    for found in left:
        if isinstance(found, kind):
            return True
        for one in _parts(found):
            if id(one) not in seen and len(seen) < MAX_LOOKED_AT and (callable(one) or isinstance(one, dict)):
                seen[id(one)] = one  # kept, so that nothing else gets its identity
                left.append(one)
    return False


def _parts(found: Any) -> list[Any]:
    if isinstance(found, dict):  # Django's channels have one of applications
        return list(found.values())
    if isinstance(found, type) or isinstance(getattr(found, "routes", None), (list, tuple)):
        return []
    if isinstance(found, functools.partial):
        return [found.func, *found.args, *found.keywords.values()]
    if isinstance(found, types.MethodType):
        return [found.__self__, found.__func__]
    if isinstance(found, types.FunctionType):
        cells = [cell.cell_contents for cell in found.__closure__ or () if _is_full(cell)]
        called = [found.__globals__[name] for name in found.__code__.co_names if name in found.__globals__]
        return [*cells, *called]
    slots = (getattr(found, name, None) for name in ("_app", "app"))
    return [*slots, *getattr(found, "__dict__", {}).values()]


def _is_full(cell: types.CellType) -> bool:
    try:
        _ = cell.cell_contents
    except ValueError:
        return False
    return True
