"""Whose frame is named as the place where a permit was asked for."""

from __future__ import annotations

from sys import _getframe
from typing import TYPE_CHECKING, Any

import pytest

from quickwins.backpressure._callers import MOST, Outside

if TYPE_CHECKING:
    from types import FrameType


class Sly(str):
    """A name that doesn't want to be looked up."""

    __slots__ = ()

    def __hash__(self) -> int:
        raise RuntimeError("not this one")


def called_from(*modules: object) -> FrameType:
    """A frame in the first of `modules`, which the second has called, and so on."""
    call: Any = lambda: _getframe(1)  # noqa: E731 -- the innermost of a chain of calls; until=never
    for name in modules:
        scope: dict[str, Any] = {"__name__": name, "inner": call}
        exec("def call(): return inner()", scope)  # noqa: S102 -- a module needs a name of its own; until=never
        call = scope["call"]
    found: FrameType = call()
    return found


@pytest.mark.parametrize("times", [1, 2])
def test_the_user_is_the_first_one_outside_of_the_packages(times: int) -> None:
    outside = Outside("library", "contextlib")
    for _ in range(times):
        frame = outside.of(
            called_from("library.pool", "contextlib", "library.base", "shop.feed", "library.pool")
        )
        assert frame.f_globals["__name__"] == "shop.feed"


def test_one_that_nobody_outside_has_called_is_named_itself() -> None:
    inner = called_from("library")
    assert Outside("").of(inner) is inner


@pytest.mark.parametrize(
    "name", [None, ["unhashable"], Sly("library")], ids=["none", "a list", "a sly string"]
)
def test_a_module_with_no_proper_name_is_outside(name: object) -> None:
    assert Outside("library").of(called_from("library", name)).f_globals["__name__"] is name


def test_more_modules_than_are_remembered_are_told_apart_all_the_same() -> None:
    outside = Outside("library")
    for number in range(MOST):
        outside.of(called_from(f"library.{number}", "shop"))
    for _ in range(2):
        frame = outside.of(called_from("library.late", "shop.late"))
        assert frame.f_globals["__name__"] == "shop.late"
