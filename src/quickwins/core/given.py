"""What a caller gives, looked at where it is given: a mistake is named at the start, and not met by every request."""

from __future__ import annotations

import difflib
import math
from typing import TYPE_CHECKING, TypeVar

from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

_T = TypeVar("_T")
_N = TypeVar("_N", bound=float)

COMPARED = 80
"""How many characters of a name are compared with others: of what somebody gives there may be any number."""


def function(name: str, given: _T, *, of: str) -> _T:
    """`given`, which is called with `of`, or `None`.

    Raises:
        ConfigError: It cannot be called.
    """
    if given is not None and not callable(given):
        raise ConfigError(f"{name}={given!r} is not allowed: a function of {of}")
    return given


def texts(name: str, given: Collection[str], *, such_as: str) -> tuple[str, ...]:
    """`given`, several texts; one alone would be a collection of its letters.

    Raises:
        ConfigError: It is a text itself, nothing that can be gone through, or has something else in it.
    """
    try:
        found = () if isinstance(given, (str, bytes)) else tuple(given)
    except TypeError:
        found = ()
    else:
        if not isinstance(given, (str, bytes)) and all(isinstance(one, str) for one in found):
            return found
    raise ConfigError(f"{name}={given!r} is not allowed: a list of texts, such as [{such_as!r}]")


def guess(key: str, allowed: Iterable[str], *, spell: Callable[[str], str] = str) -> str:
    """What a message adds to a wrong `key` that is almost an allowed one; empty otherwise.

    Args:
        key: In any case.
        allowed: In lower case.
        spell: What people know an allowed one as.
    """
    close = difflib.get_close_matches(key[:COMPARED].lower(), list(allowed), n=1)
    return f" (did you mean {spell(close[0])!r}?)" if close else ""


def several(name: str, given: Iterable[_T]) -> Iterable[_T]:
    """`given`, unless it is one text: its characters would be taken for several.

    Raises:
        ConfigError: It is one text.
    """
    if isinstance(given, (str, bytes)):
        raise ConfigError(f"{name}={given!r} is not allowed: a list, such as [{given!r}]")
    return given


def _is_number(given: object) -> bool:
    return isinstance(given, (int, float)) and not isinstance(given, bool)


def number(name: str, given: float) -> float:
    """`given`, which is a number; NaN is none.

    Raises:
        ConfigError: It isn't.
    """
    if not _is_number(given) or math.isnan(given):
        raise ConfigError(f"{name}={given!r} is not allowed: a number")
    return given


def positive(name: str, given: float) -> float:
    """`given`, which is a finite number above 0.

    Raises:
        ConfigError: It isn't.
    """
    if not _is_number(given) or not 0 < given < math.inf:
        raise ConfigError(f"{name}={given!r} is not allowed: a number above 0")
    return given


def seconds(name: str, given: object) -> None:
    """Nothing, if `given` is a number of seconds, or `None`.

    Raises:
        ConfigError: It isn't.
    """
    if given is not None and not _is_number(given):
        raise ConfigError(f"{name}={given!r} is not allowed: a number of seconds, or None")


def application(app: _T) -> _T:
    """`app`, which an adapter stands around.

    Raises:
        ConfigError: It cannot be called.
    """
    if not callable(app):
        raise wrong("app", app, "an ASGI application")
    return app


def between(name: str, given: _N, low: float, high: float) -> _N:
    """`given`, which is a number from `low` to `high`.

    Raises:
        ConfigError: It isn't.
    """
    if not _is_number(given) or not low <= given <= high:
        raise ConfigError(f"{name}={given!r} is not allowed: {low:,} to {high:,}")
    return given


def whole(name: str, given: int, low: int, high: int) -> int:
    """`given`, which is a whole number from `low` to `high`; `1e6` is none, since it could not count anything.

    Raises:
        ConfigError: It isn't.
    """
    between(name, given, low, high)
    if not isinstance(given, int):
        raise ConfigError(f"{name}={given!r} is not allowed: a whole number, such as {int(given):_}")
    return given


def wrong(name: str, given: object, allowed: str) -> ConfigError:
    """The error for an argument of a wrong type. Its value is not shown: it may be an address with a password."""
    return ConfigError(f"{name} of type {type(given).__name__} is not allowed: {allowed}")


def of_type(name: str, given: _T, kind: type | tuple[type, ...], allowed: str) -> _T:
    """`given`, which is of `kind`.

    Raises:
        ConfigError: It isn't; the message says what is `allowed`.
    """
    if not isinstance(given, kind):
        raise wrong(name, given, allowed)
    return given


def a_flag(flag: _T) -> _T:
    """`flag`, which can be asked as a `Flag` can.

    Raises:
        ConfigError: It can't, as `True` can't.
    """
    if flag is not None and not hasattr(flag, "state"):
        raise ConfigError(
            f'flag={flag!r} is not allowed: a Flag, such as flags.flag("logs"); None: always on'
        )
    return flag
