"""`quickwins init`: writes a configuration to start from."""

import os
import textwrap
from collections.abc import Iterator, Mapping
from importlib.metadata import requires
from pathlib import Path
from typing import Annotated

import tomlkit
import typer
from pydantic.fields import FieldInfo

from quickwins.cli._findings import packages_by_extra
from quickwins.cli.doctor import installed_version
from quickwins.cli.options import ConfigOption
from quickwins.cli.output import note
from quickwins.core.config import ENV_PREFIX, Section
from quickwins.core.errors import ConfigError
from quickwins.core.flags import FlagSettings, SourceError
from quickwins.core.flags.loading import config_path
from quickwins.core.flags.sources import read_file
from quickwins.core.flags.text import parsed, writable
from quickwins.core.flags.truncation import COMPLETE, Good
from quickwins.core.flags.writer import replace_whole
from quickwins.facade import SECTIONS

EXAMPLE = "Example: quickwins init && quickwins doctor"
RECOMMENDED: Mapping[str, Mapping[str, object]] = {"backpressure": {"gate": "queue"}}
"""What a new service should say differently from the defaults, by section."""

_WIDTH = 105
_HEAD = """\
# The switches and settings of this service. Running processes follow this file: what is saved holds within a second.
# `quickwins doctor` checks it, `quickwins flags set FEATURE enabled=true` turns a feature on and keeps the comments.
# A setting behind `#` has its default: take the `#` away to change it.

# The name of this service on every metric and log line.
"""


def init(
    config: ConfigOption = None,
    stdout: Annotated[bool, typer.Option("--stdout", help="Print it, and write no file.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write a quickwins.toml to start from.

    Every feature that is installed is in it, switched off, with each of its settings in a comment: the default, and what it does.
    """
    path = config_path(config, os.environ)
    # What the folder's name has of bytes that are no text is no name for a service.
    service = path.absolute().parent.name.encode(errors="replace").decode()
    text = starter(service, missing_extras())
    if stdout:
        print(text, end="")
        return
    data = text.encode()
    writable(data, str(path), _followed_now(path) if force else None)
    try:
        if force and path.exists():
            replace_whole(path.resolve(), data)
        else:
            with path.open("xb") as file:
                file.write(data)
    except FileExistsError:
        raise ConfigError(f"{path} is there already: --force replaces it, --stdout prints instead") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None
    note(f"{path}: written; turn a feature on with `quickwins flags set FEATURE enabled=true`")


def _followed_now(path: Path) -> Good | None:
    """What running processes follow, as far as the file says; `None`: nothing that can be read."""
    try:
        return parsed(read_file(path, str(path)), str(path))[0]
    except SourceError:
        return None


def missing_extras() -> set[str]:
    """The extras of which a package is not installed."""
    extras = packages_by_extra(requires("quickwins") or [])
    return {
        extra
        for extra, packages in extras.items()
        if any(installed_version(package) is None for package, _ in packages)
    }


def starter(service: str, missing: set[str]) -> str:
    """A configuration for a service of that name, without the features whose extra is `missing`."""
    lines = [f"{_HEAD}service = {written(service)}"]
    for name, model in SECTIONS.items():
        if issubclass(model, FlagSettings):
            lines += ["", *(_not_installed(name) if name in missing else _section(name, model))]
    return "\n".join([*lines, "", COMPLETE, ""])


def _not_installed(name: str) -> list[str]:
    return [
        f"# [{name}] needs more: pip install 'quickwins[{name}]'; then `quickwins init --stdout` shows it."
    ]


def _section(name: str, model: type[Section]) -> Iterator[str]:
    recommended = RECOMMENDED.get(name, {})
    yield from wrapped((model.__doc__ or "").strip().partition("\n")[0])  # without docstrings under -OO
    yield f"[{name}]"
    yield "enabled = false"
    for key, info in model.model_fields.items():
        if key in FlagSettings.model_fields:
            continue
        yield ""
        yield from wrapped(info.description or "")
        if key in recommended:
            yield f"{key} = {written(recommended[key])}"
        else:
            line = assignment(name, key, info)
            yield line if line.startswith("#") else f"#{line}"


def assignment(section: str, key: str, info: FieldInfo) -> str:
    """The line that gives a setting its default; a comment where a file cannot."""
    default = info.get_default()
    if "SecretStr" in str(info.annotation):
        return f"# from the environment only: {ENV_PREFIX}{section.upper()}__{key.upper()}"
    if default is None:
        return f"# {key} ="
    if isinstance(default, dict):
        return f"# [{section}.{key}.<name>]"
    return f"{key} = {written(default)}"


def written(value: object) -> str:
    """`value` as TOML spells it."""
    return str(tomlkit.item(list(value) if isinstance(value, tuple) else value).as_string())


def wrapped(text: str) -> list[str]:
    """`text` as lines of comment."""
    return textwrap.wrap(text, _WIDTH, initial_indent="# ", subsequent_indent="# ")
