"""All layers together, merged and validated as a whole, or refused as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError, create_model

from quickwins.core.config._layer import INSTANCES, Layer
from quickwins.core.config._mistakes import mistakes
from quickwins.core.config._section import AnyLayerWins, Section
from quickwins.core.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_BOOL: TypeAdapter[bool] = TypeAdapter(bool)
_S = TypeVar("_S", bound=Section)
_NAMED = 50
"""How many mistakes an error names."""


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

    def origin(self, section: str, key: str) -> str:
        """The layer that decided the dotted `key` of `section`, or `default`; an instance's may be its section's."""
        table, _, rest = key.partition(".")
        inherited = f"{section}.{rest.rpartition('.')[2]}" if table == INSTANCES else ""
        return self.origins.get(f"{section}.{key}") or self.origins.get(inherited, "default")

    def values(self, section: str) -> dict[str, object]:
        """What `section` says, as JSON values by dotted key."""
        return dict(_flat(self.sections[section].model_dump(mode="json"), ""))

    def changes(self, section: str, before: Settings) -> dict[str, tuple[object, object]]:
        """The value `before` and the value now, by dotted key of `section`, where they differ.

        An instance without a table of its own has its section's values: a table that says the same changes nothing.
        """
        old, new = before.values(section), self.values(section)
        pairs = {key: (_value(old, key), _value(new, key)) for key in {**new, **old}}
        return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}

    def section(self, name: str, model: type[_S]) -> _S:
        """The section `name`, as the type its owner declared.

        Raises:
            ConfigError: There is no such section, or it has another type.
        """
        found = self.sections.get(name)
        if not isinstance(found, model):
            raise ConfigError(f"no section [{name}] of type {model.__name__}; known: {sorted(self.sections)}")
        return found


def _flat(values: Mapping[str, Any], path: str) -> Iterator[tuple[str, object]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{key}.")
        else:
            yield path + key, value


def _value(values: Mapping[str, object], key: str) -> object:
    table, _, rest = key.partition(".")
    return values.get(key, values.get(rest.rpartition(".")[2]) if table == INSTANCES else None)


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
    lines = [line for layer in layers for line in (*layer.mistakes, *mistakes(layer, root, sections))]
    if lines:
        raise _all_of(lines)
    for layer in reversed(layers):
        _merge(merged, layer.values, layer.name, origins, ())
    for name, model in sections.items():
        for key, info in model.model_fields.items():
            if AnyLayerWins in info.metadata:
                _any_layer(merged, origins, layers, name, key)
    try:
        whole = root.model_validate(merged)
    except ValidationError:  # each layer is right by itself, and two of them contradict each other
        together = Layer(" and ".join(layer.name for layer in layers), merged, may_hold_secrets=True)
        raise _all_of(mistakes(together, root, sections)) from None
    return Settings(whole.service, {name: getattr(whole, name) for name in sections}, origins)


def _all_of(lines: Sequence[str]) -> ConfigError:
    """The error of all these mistakes, of which as many are named as somebody may read."""
    found = list(dict.fromkeys(lines))
    more = len(found) - _NAMED
    return ConfigError("\n".join([*found[:_NAMED], *([f"and {more:,} more"] if more > 0 else [])]))


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
