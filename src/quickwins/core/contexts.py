"""How a context variable is set back."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from contextvars import ContextVar, Token

_T = TypeVar("_T")


def leave(variable: ContextVar[_T], token: Token[_T]) -> None:
    """Set `variable` back to what it was before `token` was made; in another context than that one, do nothing.

    A generator may be closed by the event loop, and a dependency of a web framework left in another thread, each in a
    context of its own: there is nothing to set back there, and what was set where it began ends with that context.
    """
    try:
        variable.reset(token)
    except ValueError:  # "was created in a different Context"
        return
