"""Names that are values: `{"name": "DB_PASSWORD", "value": …}`, `["--password", …]`, named tuples. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quickwins.logs.redaction._labels import BESIDE, LABELS, LONGEST_NAME, spelled

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


_INPUT = frozenset({"input"})

FLAT = spelled("""
    authorization proxy_authorization cookie set_cookie x_api_key api_key x_auth_token password passwd token secret apikey
    access_token auth
""")
"""What stands before its value in flat lists of headers and commands."""


def beside(copy: dict[str, object], private: Callable[[str], Any]) -> Iterator[tuple[str, str]]:
    """The names in `copy` under which a value is called something private by another one, and what it is called.

    Args:
        copy: A mapping as it will be shown.
        private: Whether a name is.
    """
    for label in LABELS & copy.keys():
        said = copy[label]
        if type(said) is str and len(said) <= LONGEST_NAME and private(said):
            for name in BESIDE & copy.keys() - {label}:
                yield name, said
        elif type(said) is list:  # of a validation error
            for one in said:
                if type(one) is str and private(one):
                    for name in _INPUT & copy.keys():
                        if type(copy[name]) is not dict:
                            yield name, one


def fields_of(kind: type) -> tuple[str, ...] | None:
    """The names of a named tuple's fields."""
    for base in _MRO(kind):
        found = type.__dict__["__dict__"].__get__(base).get("_fields")
        if found is not None:
            named = type(found) is tuple and all(type(one) is str for one in found)
            return found if named else None
    return None


_MRO: Callable[[type], tuple[type, ...]] = type.__dict__["__mro__"].__get__
