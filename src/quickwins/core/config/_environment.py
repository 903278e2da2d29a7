"""The environment as a layer of the configuration: `QUICKWINS_<SECTION>__<KEY>`, and the aliases that sections name."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, create_model
from pydantic_settings import BaseSettings, EnvSettingsSource, SettingsConfigDict, SettingsError
from pydantic_settings.sources.utils import parse_env_vars

from quickwins.core.config._layer import (
    CONFIG_PATH_VARIABLE,
    DELIMITER,
    ENV_PREFIX,
    Layer,
    value_at,
    variable_of,
)
from quickwins.core.config._resolve import root_model
from quickwins.core.config._words import shortened
from quickwins.core.given import guess

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from quickwins.core.config._section import Section

_NOT_SETTINGS = {CONFIG_PATH_VARIABLE}
_LINK = re.compile(
    r"(?:\w+_)?(?:SERVICE_HOST|SERVICE_PORT(?:_\w+)?|PORT_\d+_(?:TCP|UDP|SCTP)_(?:PROTO|PORT|ADDR))"
)
_ADDRESS_LINK = re.compile(r"(?:\w+_)?PORT(?:_\d+_(?:TCP|UDP|SCTP))?")
_ADDRESS = re.compile(r"(?:tcp|udp|sctp)://")


def load_environment(env: Mapping[str, str], sections: Mapping[str, type[Section]]) -> Layer:
    """The layer of the environment: `QUICKWINS_<SECTION>__<KEY>=value`, upper or lower case.

    A variable with the prefix that names no known section is among the layer's mistakes, unless it is one that Kubernetes
    sets for a service called `quickwins` or `quickwins-…`.
    """
    root = root_model(sections)
    names = {*root.model_fields}
    known: dict[str, str] = {}
    wrong: list[str] = []
    for variable, text in env.items():
        if not variable.upper().startswith(ENV_PREFIX):
            continue
        if not (_is_text(variable) and _is_text(text)):
            wrong.append(f"environment: {variable!a}: not text in this locale's encoding")
            continue
        head, *keys = variable[len(ENV_PREFIX) :].lower().split(DELIMITER)
        if head in names:
            if not keys and head in sections and not _is_object(text):
                wrong.append(f"environment: {variable}: a whole section must be given as a JSON object")
            else:
                known[variable] = text
        elif variable.upper() not in _NOT_SETTINGS and not _is_link(variable, text):
            allowed = ", ".join(sorted(ENV_PREFIX + name.upper() + DELIMITER + "…" for name in sections))
            wrong.append(
                f"environment: {shortened(variable)}: unknown setting{_meant(variable, sections) or guess(head, names)}; "
                f"allowed: {CONFIG_PATH_VARIABLE}, {ENV_PREFIX}SERVICE, {allowed}"
            )
    try:
        values = _GivenEnvironment(root, known)()
    except (SettingsError, RecursionError):
        broken = [variable for variable, text in known.items() if not _is_read(root, variable, text)]
        wrong += [
            f'environment: {variable}: lists and tables are given as JSON, such as ["one", "two"]'
            for variable in broken
        ]
        values = _GivenEnvironment(root, {one: known[one] for one in known.keys() - broken})()
    aliases = _put_aliases(env, sections, values)
    return Layer(
        "environment",
        values,
        spell=lambda dotted: aliases.get(dotted) or variable_of(dotted),
        may_hold_secrets=True,
        mistakes=tuple(wrong),
    )


def _is_text(given: str) -> bool:
    """Whether all of it was text; Python shows other bytes as lone surrogates."""
    return not any("\ud800" <= one <= "\udfff" for one in given)


def _meant(variable: str, sections: Mapping[str, type[Section]]) -> str:
    """What a message adds to a variable that is almost a known one; the prefix makes none alike."""
    keys = [f"{section}.{key}" for section, model in sections.items() for key in model.model_fields]
    known = [variable_of(key) for key in ("service", *keys)]
    by_rest = {one.removeprefix(ENV_PREFIX).lower(): one for one in (*known, CONFIG_PATH_VARIABLE)}
    return guess(variable[len(ENV_PREFIX) :].strip("_"), by_rest, spell=by_rest.__getitem__)


def _is_read(root: type[BaseModel], variable: str, text: str) -> bool:
    try:
        _GivenEnvironment(root, {variable: text})()
    except (SettingsError, RecursionError):
        return False
    return True


def _is_object(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _is_link(variable: str, text: str) -> bool:
    """Whether Kubernetes has set it for a service, as for each in the namespace: `<NAME>_SERVICE_HOST` and so on.

    Source: Kubernetes, "Service", environment variables. A port without an address is nothing that it sets.
    """
    name = variable.removeprefix(ENV_PREFIX)
    if _LINK.fullmatch(name):
        return True
    return _ADDRESS_LINK.fullmatch(name) is not None and _ADDRESS.match(text) is not None


def _put_aliases(
    env: Mapping[str, str], sections: Mapping[str, type[Section]], values: dict[str, Any]
) -> dict[str, str]:
    """Put what aliases say into `values` where nothing else says it, and tell which variable each dotted key is from."""
    found: dict[str, str] = {}
    for section, model in sections.items():
        for alias, key in model.env_aliases.items():
            given = value_at(values, (section, key)) is not None
            for variable, text in env.items():
                name = variable.upper().removeprefix(alias)
                if given or not variable.upper().startswith(alias) or (name and name[0] != "_"):
                    continue
                path = (section, "names", name[1:].lower(), key) if name else (section, key)
                if value_at(values, path) is None:
                    found[".".join(path)] = variable
                    _put(values, path, text)
    return found


def _put(into: dict[str, Any], path: Sequence[str], value: str) -> None:
    *tables, key = path
    for table in tables:
        below = into.get(table)
        if not isinstance(below, dict):
            below = into[table] = {}
        into = below
    into[key] = value


class _GivenEnvironment(EnvSettingsSource):
    """pydantic-settings' reading of an environment, from the mapping it is given instead of the process's own."""

    def __init__(self, root: type[BaseModel], env: Mapping[str, str]) -> None:
        self._given = env
        model = create_model("Environment", __base__=_EnvironmentModel, **_fields_of(root))
        super().__init__(model, env_prefix=ENV_PREFIX, env_nested_delimiter=DELIMITER)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return parse_env_vars(
            self._given, self.case_sensitive, self.env_ignore_empty, self.env_parse_none_str
        )


class _EnvironmentModel(BaseSettings):
    model_config = SettingsConfigDict(extra="allow")


def _fields_of(root: type[BaseModel]) -> dict[str, Any]:
    return {name: (info.annotation, info.default) for name, info in root.model_fields.items()}
