"""Edits the text of a configuration file, and nothing in it but what was asked for: comments and order stay."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping, MutableMapping
from typing import TYPE_CHECKING, Any

from quickwins.core.errors import ConfigError, needs_extra
from quickwins.core.flags._kills import killed_by_line, killed_in, kills_by_line
from quickwins.core.flags.truncation import marked_last

with needs_extra("cli"):
    import tomlkit
    import tomlkit.exceptions

if TYPE_CHECKING:
    from collections.abc import Sequence

Path = tuple[str, ...]


def key_path(key: str) -> Path:
    """The parts of a dotted key, written as in a file: `names.feed.threshold`, `names."a.b".threshold`.

    Raises:
        ConfigError: It is no key.
    """
    try:
        values: Any = tomllib.loads(f"{key} = 0")
    except tomllib.TOMLDecodeError:
        values = {}
    path: list[str] = []
    while isinstance(values, dict) and len(values) == 1:
        ((part, values),) = values.items()
        path.append(part)
    if values != 0 or not path:
        raise ConfigError(
            f"{key!r} is not a key: write it as in the file, e.g. percent or names.feed.threshold"
        )
    return tuple(path)


def edited(text: str, feature: str, fields: Mapping[Path, object]) -> str:
    """`text` with `fields` in the section `feature`; `None` removes one.

    A line that says the file is whole is the last one then.

    Raises:
        ConfigError: The text is not TOML, something on the way is not a table, or nobody but a person can edit it.
    """
    return _checked(marked_last(_with(text, feature, fields)), text, feature, fields)


def killed(text: str, feature: str) -> str:
    """`text` with the line that kills `feature`, whatever else is wrong with it."""
    fields: dict[Path, object] = {("killed",): True}
    try:
        return edited(text, feature, fields)
    except ConfigError:
        pass
    try:  # what looks like the line that says it is whole is inside of a text, and has to stay there
        return _checked(_with(text, feature, fields), text, feature, fields)
    except ConfigError:
        texts = [marked_last(one) for one in kills_by_line(text, feature)]
        return next((one for one in texts if feature in _kills_of(one)), texts[0])


def _kills_of(text: str) -> frozenset[str]:
    try:
        return killed_in(tomllib.loads(text))
    except (ValueError, RecursionError):
        return killed_by_line(text)


def _with(text: str, feature: str, fields: Mapping[Path, object]) -> str:
    try:
        tomllib.loads(text)  # as running processes do: tomlkit takes a lone carriage return for a line's end
        document = tomlkit.parse(text)
    except (ValueError, RecursionError, tomlkit.exceptions.TOMLKitError) as error:
        raise ConfigError(f"not valid TOML: {error}") from None
    for path, value in fields.items():
        *tables, key = (feature, *path)
        table = _table(document, tables)
        if isinstance(table.get(key), MutableMapping):
            raise ConfigError(f"{'.'.join((*tables, key))} is a table: give one of its keys")
        if value is None:
            table.pop(key, None)
        else:
            table[key] = value
    return tomlkit.dumps(document)


def _checked(new: str, text: str, feature: str, fields: Mapping[Path, object]) -> str:
    """`new`, if it says of anything else what `text` does, with a line break at its end."""
    if not new.endswith("\n"):
        new += "\n"  # without it, running processes take the file for one that was cut short
    paths = [(feature, *path) for path in fields]
    if _others(new, paths) != _others(text, paths):
        raise ConfigError("it cannot be edited without a change of something else: do it by hand")
    return new


def nested(feature: str, fields: Mapping[Path, object]) -> dict[str, Any]:
    """The section `feature` with those of `fields` that are not removed, as a file has them."""
    values: dict[str, Any] = {feature: {}}
    for path, value in fields.items():
        *tables, key = (feature, *path)
        if value is not None:
            _plain_table(values, tables)[key] = value
    return values


def _plain_table(values: dict[str, Any], tables: Sequence[str]) -> dict[str, Any]:
    for name in tables:
        values = values.setdefault(name, {})
    return values


def _table(document: Any, tables: Sequence[str]) -> Any:
    table = document
    for depth, name in enumerate(tables):
        if name not in table:
            table[name] = tomlkit.table(is_super_table=0 < depth < len(tables) - 1)
        table = table[name]
        if not isinstance(table, MutableMapping):
            raise ConfigError(f"{'.'.join(tables[: depth + 1])} is not a table")
    return table


def _others(text: str, paths: Sequence[Path]) -> str:
    """What `text` says about anything but `paths`; texts are equal when it is the same."""
    values: Any = tomllib.loads(text)
    for path in paths:
        holders = [values]
        for name in path[:-1]:
            holders.append(holders[-1].get(name, {}))
        holders[-1].pop(path[-1], None)
        for depth in range(len(path) - 1, 0, -1):  # a table that is there for this alone says nothing
            if not holders[depth]:
                holders[depth - 1].pop(path[depth - 1], None)
    return json.dumps(values, sort_keys=True, default=repr)
