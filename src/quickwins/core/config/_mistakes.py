"""What is wrong with a layer, one line for each thing: where, what it is, and what is allowed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel, SecretStr, ValidationError

from quickwins.core.config._layer import value_at, variable_of
from quickwins.core.config._section import INSTANCES

_LIST = "input should be a list"
_TABLE = "input should be a table"
_WHY = {"model_type": _TABLE, "dict_type": _TABLE, "mapping_type": _TABLE, "tuple_type": _LIST}
"""pydantic's words for some types are Python's and not TOML's."""
_BOOLEAN = "input should be a valid boolean: true or false"
_SHOWN = 100
"""How many characters of a value or a key are shown."""

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from pydantic_core import ErrorDetails

    from quickwins.core.config._layer import Layer
    from quickwins.core.config._section import Section


def mistakes(layer: Layer, root: type[BaseModel], sections: Mapping[str, type[Section]]) -> list[str]:
    """A line for each thing that is wrong with `layer` by itself."""
    lines = []
    for path in () if layer.may_hold_secrets else _secret_keys(root):
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
        given = [item for item in items if value_at(layer.values, _path(item)) is not None] or items
        return [*lines, *(_line(item, root, layer) for item in given)]
    not_tables = (name for name in sections if not isinstance(layer.values.get(name, {}), Mapping))
    return [*lines, *(f"{layer.name}: {layer.spell(name)} is not a table" for name in not_tables)]


def _secret_keys(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, info in model.model_fields.items():
        for kind in (info.annotation, *get_args(info.annotation)):
            if kind is SecretStr:
                yield (*path, key)
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _secret_keys(kind, (*path, key))


def _line(item: ErrorDetails, root: type[BaseModel], layer: Layer) -> str:
    path = _path(item)
    where = f"{layer.name}: {shortened(layer.spell('.'.join(path)))}"
    if item["type"] == "extra_forbidden":
        model = _model_at(root, path[:-1])
        allowed = sorted(model.model_fields) if model else []
        meant = _instance(path, allowed, layer) if isinstance(item["input"], Mapping) else ""
        return f"{where}: unknown key{meant or guess(path[-1], allowed)}; allowed: {', '.join(allowed)}"
    # A wrong type at or above a secret may be the secret itself.
    secret = any(key[: len(path)] == tuple(path) for key in _secret_keys(root))
    shown = "the given value" if secret else shortened(_shown(item["input"]))
    kind = item["type"]
    why = _BOOLEAN if kind.startswith("bool_") else _WHY.get(kind, item["msg"])
    why = why.removeprefix("Value error, ")
    if secret:  # is text, which pydantic does not know
        why = why.replace(" items after validation", " characters").replace(
            " item after validation", " character"
        )
    return f"{where}: {shown} is not allowed: {why[:1].lower()}{why[1:]}"


def _shown(value: object) -> str:
    """`value` as a file spells it, or nearly so."""
    if isinstance(value, str):
        return repr(value)
    if isinstance(value, (bool, list, dict)):
        return json.dumps(value, default=str, ensure_ascii=False)
    return str(value)


def shortened(text: str) -> str:
    """`text`, or its beginning when it is long."""
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _instance(path: Sequence[str], allowed: Sequence[str], layer: Layer) -> str:
    """What a message adds when a table looks like that of an instance, a level too high; empty when it doesn't."""
    *above, name = path
    if INSTANCES not in allowed or difflib.get_close_matches(name, [INSTANCES]):
        return ""
    dotted = ".".join((*above, INSTANCES, name))
    return f" (did you mean {layer.spell(dotted) if layer.may_hold_secrets else f'[{dotted}]'}?)"


def _path(item: ErrorDetails) -> list[str]:
    return [str(part) for part in item["loc"] if part != "[key]"]


def _model_at(model: type[BaseModel], path: Sequence[str]) -> type[BaseModel] | None:
    current: type[BaseModel] | None = model
    for part in path:
        if current is None:
            return None
        info = current.model_fields.get(part)
        if info is None:  # the name of an instance in a table of tables: the model stays
            continue
        current = next(_models_in(info.annotation), None)
    return current


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def guess(key: str, allowed: Iterable[str], *, spell: Callable[[str], str] = str) -> str:
    """What a message adds to a wrong `key` that is almost an allowed one; empty otherwise.

    Args:
        key: In any case.
        allowed: In lower case.
        spell: What people know an allowed one as.
    """
    close = difflib.get_close_matches(key[:_SHOWN].lower(), list(allowed), n=1)
    return f" (did you mean {spell(close[0])!r}?)" if close else ""
