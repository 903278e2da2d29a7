"""What one source of the configuration says, before anything is validated."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ENV_PREFIX = "QUICKWINS_"
CONFIG_PATH_VARIABLE = "QUICKWINS_CONFIG"
DELIMITER = "__"
"""Between a section and its key in a variable's name."""
INSTANCES = "names"
"""The key of a section under which its instances have tables of their own; what one leaves out it takes from the section."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says.

    Attributes:
        name: For people: `quickwins.toml`, `environment`.
        values: Section name to keys to raw values; `service` is a plain string at the top. In no `repr`: there may be
            secrets among them.
        spell: How this source writes a dotted key, for error messages.
        may_hold_secrets: Whether a secret may be given here.
        mistakes: What is wrong with it that its values don't show, a line for each.
    """

    name: str
    values: Mapping[str, Any] = field(repr=False)
    spell: Callable[[str], str] = field(default=str)
    may_hold_secrets: bool = False
    mistakes: tuple[str, ...] = ()


def load_file(text: str, name: str) -> Layer:
    """The layer of a TOML file's text, with or without a byte order mark.

    Raises:
        ConfigError: The text is not TOML; the message has line and column.
    """
    try:
        return Layer(name, tomllib.loads(text.removeprefix("\ufeff")))
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits is a bare ValueError
        raise ConfigError(f"{name}: not valid TOML: {error}") from error


def value_at(values: Any, path: Sequence[str]) -> Any:
    """What stands at `path` in raw `values`; `None` when nothing does."""
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def variable_of(dotted: str) -> str:
    """The environment variable that sets a dotted key."""
    return ENV_PREFIX + dotted.replace(".", DELIMITER).upper()
