"""A mistake in words: where it is, what it is, and what is allowed."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, get_args

from pydantic import BaseModel, SecretStr

from quickwins.core.config._layer import INSTANCES, Layer
from quickwins.core.given import guess

_LIST = "input should be a list"
_TABLE = "input should be a table"
_WHY = {
    "model_type": _TABLE,
    "dict_type": _TABLE,
    "mapping_type": _TABLE,
    "tuple_type": _LIST,
    "missing": "it must be given",
}
"""pydantic's words for some mistakes are Python's and not TOML's."""
_BOOLEAN = "input should be a valid boolean: true or false"
_SHOWN = 100
"""How many characters of a value or a key are shown."""

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pydantic import ValidationError
    from pydantic_core import ErrorDetails


def refusals(error: ValidationError, model: type[BaseModel], name: str, *, table: str = "") -> list[str]:
    """A line for each thing that `model` has refused.

    Args:
        error: What it raised.
        model: What was to be made.
        name: Where its values come from, for people.
        table: The key that they stand below there; empty: none.
    """
    layer = Layer(name, {}, spell=lambda dotted: ".".join(filter(None, (table, dotted))))
    items = error.errors(include_url=False)
    # pydantic counts a list without its wrong members, and then finds it too short as well.
    wrong = [path for path in map(path_of, items) if path]
    return [
        line_of(item, model, layer)
        for item in items
        if item["type"] != "too_short"
        or not any(one[: len(path_of(item))] == path_of(item) and one != path_of(item) for one in wrong)
    ]


def secret_keys(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, info in model.model_fields.items():
        for kind in (info.annotation, *get_args(info.annotation)):
            if kind is SecretStr:
                yield (*path, key)
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from secret_keys(kind, (*path, key))


def line_of(item: ErrorDetails, root: type[BaseModel], layer: Layer) -> str:
    path = path_of(item)
    where = ": ".join(filter(None, (layer.name, shortened(layer.spell(".".join(path))))))
    if item["type"] == "extra_forbidden":
        model = _model_at(root, path[:-1])
        allowed = sorted(model.model_fields) if model else []
        meant = _instance(path, allowed, layer) if isinstance(item["input"], Mapping) else ""
        return f"{where}: unknown key{meant or guess(path[-1], allowed)}; allowed: {', '.join(allowed)}"
    # A wrong type at or above a secret may be the secret itself.
    secret = any(key[: len(path)] == tuple(path) for key in secret_keys(root))
    shown = "the given value" if secret else shortened(_shown(item["input"]))
    kind = item["type"]
    why = _BOOLEAN if kind.startswith("bool_") else _WHY.get(kind, item["msg"])
    why = why.removeprefix("Value error, ")
    if not path or kind == "missing":  # nothing that could be shown
        return f"{where}: {why[:1].lower()}{why[1:]}"
    if secret:  # is text, which pydantic does not know
        why = why.replace(" items after validation", " characters").replace(
            " item after validation", " character"
        )
    why = why.replace(" after validation", "").replace("Tuple should", "It should")
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


def path_of(item: ErrorDetails) -> list[str]:
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
