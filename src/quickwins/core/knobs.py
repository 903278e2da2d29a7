"""What a user can turn, each in one place: its default, its bounds, and what it does in words.

    @dataclass(frozen=True, slots=True)
    class Sampling(Checked):
        first: int = knob(100, ge=0, le=1_000_000, words="How many records of an event are kept each second.")

`core.config.setting(Sampling, "first")` makes a section's key of it, so that what a file may say and what the constructor
takes cannot differ. Nothing here imports pydantic: a feature that is built by hand does without.
"""

from __future__ import annotations

import operator
from dataclasses import Field, dataclass, field, fields
from enum import Enum
from inspect import cleandoc
from typing import TYPE_CHECKING, Any, TypeVar

from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

_T = TypeVar("_T", bound="float | Enum")  # and with a float go int and bool
_KEY = "quickwins.knob"
_BOUNDS = {
    "gt": ("above", operator.gt),
    "ge": ("at least", operator.ge),
    "lt": ("below", operator.lt),
    "le": ("at most", operator.le),
}


def _spelled(bound: float) -> str:
    return f"{int(bound):,}" if float(bound).is_integer() else f"{bound:,}"


@dataclass(frozen=True, slots=True)
class Knob:
    """One thing to turn.

    Attributes:
        default: Its type says what is allowed: a float takes any number, a `StrEnum` the texts of its members as well.
        bounds: Those of `gt`, `ge`, `lt` and `le` that hold, as pydantic calls them.
        words: What it does, in which unit, why this default, and the off value.
    """

    default: Any
    bounds: Mapping[str, Any]
    words: str

    @property
    def allowed(self) -> str:
        """What it can be turned to, in words."""
        if isinstance(self.default, bool):
            return "true or false"
        if isinstance(self.default, Enum):
            return f"one of {', '.join(str(one.value) for one in type(self.default))}"
        kind = "a whole number" if isinstance(self.default, int) else "a number"
        bounds = " and ".join(f"{_BOUNDS[name][0]} {_spelled(bound)}" for name, bound in self.bounds.items())
        return f"{kind} {bounds}".rstrip()

    def allows(self, value: Any) -> bool:
        """Whether it can be turned to `value`."""
        if isinstance(self.default, bool) or isinstance(value, bool):
            return isinstance(self.default, bool) and isinstance(value, bool)
        if isinstance(self.default, Enum):
            return value in list(type(self.default))
        kind = int if isinstance(self.default, int) else (int, float)
        return isinstance(value, kind) and all(
            _BOUNDS[name][1](value, bound) for name, bound in self.bounds.items()
        )


def knob(
    default: _T,
    *,
    words: str,
    gt: float | None = None,
    ge: float | None = None,
    lt: float | None = None,
    le: float | None = None,
) -> _T:
    """A field of a `Checked` dataclass, for `core.config.setting` too.

    Args:
        default: See `Knob`; the default of a float is a float, `1.0`.
        words: See `Knob`.
        gt: What it must be above; `None`, here and below: there is no such bound.
        ge: What it must be at least.
        lt: What it must be below.
        le: What it must be at most.
    """
    given = {"gt": gt, "ge": ge, "lt": lt, "le": le}
    bounds = {name: bound for name, bound in given.items() if bound is not None}
    made: _T = field(default=default, metadata={_KEY: Knob(default, bounds, words)})
    return made


def knobs(owner: Any) -> dict[str, Knob]:
    """The knobs of a dataclass or of an instance of one, by name, in order."""
    return {one.name: one.metadata[_KEY] for one in fields(owner) if _KEY in one.metadata}


class Checked:
    """Base of a dataclass with knobs, which refuses what is out of bounds when it is made.

    Raises:
        ConfigError: Some knob is turned to what it does not allow: which one, to what, and what is allowed.
    """

    __slots__ = ()

    def __init_subclass__(cls) -> None:
        """Put the words of its knobs into its docstring, for `help` and the reference."""
        made = {name: one for name, one in vars(cls).items() if isinstance(one, Field)}
        words = [
            f"    {name}: {one.words} Allowed is {one.allowed}; {one.default!s} by default."
            for name, one in ((name, field.metadata.get(_KEY)) for name, field in made.items())
            if one is not None
        ]
        if words and cls.__doc__:
            head, _, rest = cleandoc(cls.__doc__).partition("\n\nAttributes:\n")
            cls.__doc__ = "\n".join([head, "", "Attributes:", *words, rest]).rstrip()

    def __post_init__(self) -> None:
        for name, one in knobs(self).items():
            value = getattr(self, name)
            if not one.allows(value):
                raise ConfigError(f"{name}={value!r} is not allowed: {one.allowed}")
