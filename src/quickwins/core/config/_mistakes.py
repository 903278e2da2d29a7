"""What is wrong with a layer, one line for each thing: where, what it is, and what is allowed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from pydantic import BaseModel, ValidationError

from quickwins.core.config._layer import value_at, variable_of
from quickwins.core.config._words import line_of, path_of, secret_keys

if TYPE_CHECKING:
    from quickwins.core.config._layer import Layer
    from quickwins.core.config._section import Section


def mistakes(layer: Layer, root: type[BaseModel], sections: Mapping[str, type[Section]]) -> list[str]:
    """A line for each thing that is wrong with `layer` by itself."""
    lines = []
    for path in () if layer.may_hold_secrets else secret_keys(root):
        if value_at(layer.values, path) is not None:
            dotted = ".".join(path)
            lines.append(
                f"{layer.name}: {dotted}: a secret does not belong in a file; set {variable_of(dotted)}"
            )
    try:
        root.model_validate(layer.values)
    except RecursionError:
        return [*lines, f"{layer.name}: tables are nested too deeply"]
    except ValidationError as error:
        items = error.errors(include_url=False)
        # What an instance inherited is wrong where it was given; it needs no line of its own.
        given = [item for item in items if value_at(layer.values, path_of(item)) is not None] or items
        return [*lines, *(line_of(item, root, layer) for item in given)]
    not_tables = (name for name in sections if not isinstance(layer.values.get(name, {}), Mapping))
    return [*lines, *(f"{layer.name}: {layer.spell(name)} is not a table" for name in not_tables)]
