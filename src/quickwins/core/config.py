"""Configuration: layers of raw values, merged and validated as a whole, or refused as a whole.

A layer is what one source says: the environment, later an OpenFeature client, the file. The first layer that
names a key wins; a key marked `AnyLayerWins` is on when any layer turns it on (a kill). Nothing here reads a file
or keeps state: `quickwins.core.flags` does both, and calls `resolve` again for each change.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, TypeVar, get_args

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    TypeAdapter,
    ValidationError,
    create_model,
)

from quickwins.core.errors import ConfigError
from quickwins.core.knobs import knobs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from pydantic_core import ErrorDetails

ENV_PREFIX = "QUICKWINS_"
CONFIG_PATH_VARIABLE = "QUICKWINS_CONFIG"
DELIMITER = "__"
"""Between a section and its key in a variable's name."""
_BOOL: TypeAdapter[bool] = TypeAdapter(bool)
_S = TypeVar("_S", bound="Section")


class Section(BaseModel):
    """Base of every settings model: frozen, and a key it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    env_aliases: ClassVar[Mapping[str, str]] = {}
    """Other names for keys in the environment. A `QUICKWINS_*` variable for the same key wins over one; with `_<NAME>` at
    its end it sets that key of the instance `names.<name>`."""


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("Input should be a number, not true or false")  # noqa: TRY004 -- what pydantic expects; until=2027-12-31
    return value


Number = Annotated[float, BeforeValidator(_no_boolean)]
"""A float. `true` and `false` are refused."""


def setting(owner: type, name: str) -> Any:
    """A key with the default, the bounds and the words of the knob `name` of the dataclass `owner`.

    Example: `threshold: Number = setting(Rule, "threshold")`
    """
    knob = knobs(owner)[name]
    return Field(default=knob.default, description=knob.words, **knob.bounds)


class AnyLayerWins:
    """Marks a boolean field that is true as soon as any layer says so, whatever the others say."""


@dataclass(frozen=True, slots=True)
class Layer:
    """What one source says.

    Attributes:
        name: For people: `quickwins.toml`, `environment`.
        values: Section name to keys to raw values; `service` is a plain string at the top. In no `repr`: there may be
            secrets among them.
        spell: How this source writes a dotted key, for error messages.
        may_hold_secrets: Whether a secret may be given here.
    """

    name: str
    values: Mapping[str, Any] = field(repr=False)
    spell: Callable[[str], str] = field(default=str)
    may_hold_secrets: bool = False


@dataclass(frozen=True, slots=True)
class Settings:
    """The whole configuration: validated models, and which layer each given value came from.

    Attributes:
        service: The name on every metric and event.
        sections: Section name to its model; every known section is there, with defaults where nothing was given.
        origins: Dotted key to the name of the layer that decided it; a key left at its default is absent.
    """

    service: str
    sections: Mapping[str, Section]
    origins: Mapping[str, str]

    def section(self, name: str, model: type[_S]) -> _S:
        """The section `name`, as the type its owner declared.

        Raises:
            ConfigError: There is no such section, or it has another type.
        """
        found = self.sections.get(name)
        if not isinstance(found, model):
            raise ConfigError(f"no section [{name}] of type {model.__name__}; known: {sorted(self.sections)}")
        return found


def load_file(text: str, name: str) -> Layer:
    """The layer of a TOML file's text.

    Raises:
        ConfigError: The text is not TOML; the message has line and column.
    """
    try:
        return Layer(name, tomllib.loads(text))
    except (ValueError, RecursionError) as error:  # an integer of thousands of digits is a bare ValueError
        raise ConfigError(f"{name}: not valid TOML: {error}") from error


def resolve(layers: Sequence[Layer], sections: Mapping[str, type[Section]]) -> Settings:
    """Merge `layers`, the strongest first, and validate the result whole.

    Raises:
        ConfigError: One line for each bad value: which layer, which key, what it was, what is allowed. A value of
            a secret key is never shown.
    """
    merged: dict[str, Any] = {}
    origins: dict[str, str] = {}
    root = root_model(sections)
    # Each layer by itself: what a stronger one hides today must not be a surprise when that one is gone.
    lines = [line for layer in layers for line in _mistakes(layer, root, sections)]
    if lines:
        raise ConfigError("\n".join(dict.fromkeys(lines)))
    for layer in reversed(layers):
        _merge(merged, layer.values, layer.name, origins, ())
    for name, model in sections.items():
        for key, info in model.model_fields.items():
            if AnyLayerWins in info.metadata:
                _any_layer(merged, origins, layers, name, key)
    whole = root.model_validate(merged)
    return Settings(whole.service, {name: getattr(whole, name) for name in sections}, origins)


class _Root(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")
    service: str = ""


def root_model(sections: Mapping[str, type[Section]]) -> type[_Root]:
    """The model of the whole configuration."""
    return _made_root(tuple(sections.items()))


@lru_cache(maxsize=8)  # making a model takes milliseconds, and every reload asks for the same one
def _made_root(sections: tuple[tuple[str, type[Section]], ...]) -> type[_Root]:
    fields: dict[str, Any] = {name: (model, model()) for name, model in sections}
    return create_model("Root", __base__=_Root, **fields)


def _merge(
    into: dict[str, Any],
    values: Mapping[str, Any],
    layer: str,
    origins: dict[str, str],
    path: tuple[str, ...],
) -> None:
    for key, value in values.items():
        here = (*path, key)
        if isinstance(value, dict):
            below = into.get(key)
            if not isinstance(below, dict):
                below = into[key] = {}
            _merge(below, value, layer, origins, here)
        else:
            into[key] = value
            origins[".".join(here)] = layer


def _any_layer(
    merged: dict[str, Any], origins: dict[str, str], layers: Sequence[Layer], section: str, key: str
) -> None:
    for layer in layers:
        keys = layer.values.get(section)
        if isinstance(keys, dict) and key in keys:
            try:
                on = _BOOL.validate_python(keys[key])
            except ValidationError:
                on = True  # not a boolean: let it be the merged value, so that validation names it
            if on:
                merged[section][key] = keys[key]
                origins[f"{section}.{key}"] = layer.name
                return


def _secret_keys(model: type[BaseModel], path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, info in model.model_fields.items():
        for kind in (info.annotation, *get_args(info.annotation)):
            if kind is SecretStr:
                yield (*path, key)
            elif isinstance(kind, type) and issubclass(kind, BaseModel):
                yield from _secret_keys(kind, (*path, key))


def _mistakes(layer: Layer, root: type[BaseModel], sections: Mapping[str, type[Section]]) -> list[str]:
    """A line for each thing that is wrong with `layer` by itself."""
    if not layer.may_hold_secrets:
        for path in _secret_keys(root):
            if value_at(layer.values, path) is not None:
                dotted = ".".join(path)
                return [
                    f"{layer.name}: {dotted}: a secret does not belong in a file; set {variable_of(dotted)}"
                ]
    try:
        root.model_validate(layer.values)
    except (ValidationError, RecursionError) as error:
        if isinstance(error, RecursionError):
            return [f"{layer.name}: tables are nested too deeply"]
        items = error.errors(include_url=False)
        # What an instance inherited is wrong where it was given; it needs no line of its own.
        given = [item for item in items if value_at(layer.values, _path(item)) is not None] or items
        return [_line(item, root, layer) for item in given]
    return [
        f"{layer.name}: {layer.spell(name)} is not a table"
        for name in sections
        if not isinstance(layer.values.get(name, {}), Mapping)
    ]


def value_at(values: Any, path: Sequence[str]) -> Any:
    """What stands at `path` in raw `values`; `None` when nothing does."""
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def variable_of(dotted: str) -> str:
    """The environment variable that sets a dotted key."""
    return ENV_PREFIX + dotted.replace(".", DELIMITER).upper()


def _line(item: ErrorDetails, root: type[BaseModel], layer: Layer) -> str:
    path = _path(item)
    where = f"{layer.name}: {layer.spell('.'.join(path))}"
    if item["type"] == "extra_forbidden":
        model = _model_at(root, path[:-1])
        allowed = sorted(model.model_fields) if model else []
        return f"{where}: unknown key{guess(path[-1], allowed)}; allowed: {', '.join(allowed)}"
    # A wrong type at or above a secret may be the secret itself.
    secret = any(key[: len(path)] == tuple(path) for key in _secret_keys(root))
    value = item["input"]
    shown = "the given value" if secret else repr(value) if isinstance(value, str) else str(value)
    return f"{where}: {shown} is not allowed: {item['msg'][:1].lower()}{item['msg'][1:]}"


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


def guess(key: str, allowed: Sequence[str] | set[str]) -> str:
    """What a message adds to a wrong `key` that is almost an allowed one; empty otherwise."""
    close = difflib.get_close_matches(key, list(allowed), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
