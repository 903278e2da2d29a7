"""The configuration of an audit with what the command line adds to it, and files that are written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from quickwins.core.errors import ConfigError
from quickwins.suppressions import AuditConfig, Check

if TYPE_CHECKING:
    from collections.abc import Iterable

_MODE = 0o644


def configured(
    pyproject: Path | None,
    root: Path | None,
    select: Iterable[str] | None,
    ignore: Iterable[str] | None,
    target: str | None,
) -> AuditConfig:
    """The configuration from `pyproject`, changed by options.

    Raises:
        ConfigError: One of them makes no sense; the message names it.
    """
    config = AuditConfig.load(pyproject)
    changed: dict[str, Any] = config.model_dump()
    if root is not None:
        if not root.is_dir():
            raise ConfigError(f"--root {root}: no such folder")
        changed["root"] = root.resolve()
    if select:
        changed["select"] = tuple(_check("--select", one) for one in select)
    for one in ignore or ():
        name, _, path = one.partition(":")
        check = _check("--ignore", name)
        if path:
            changed["per_path"][path] = (*changed["per_path"].get(path, ()), check)
        else:
            changed["ignore"] = (*changed["ignore"], check)
    if target is not None:
        changed["target"] = target
    try:
        return AuditConfig.model_validate(changed)
    except ValidationError as error:
        first = error.errors()[0]
        raise ConfigError(f"--{first['loc'][0]}: {first['msg']}") from error


def _check(option: str, name: str) -> Check:
    if name.upper() not in set(Check):
        raise ConfigError(f"{option}: there is no check {name!r}: they are {min(Check)} to {max(Check)}")
    return Check(name.upper())


def write_whole(path: Path, text: str) -> None:
    """Write a file, or leave it as it was.

    Raises:
        ConfigError: It cannot be written; the message says why.
    """
    data = text.encode()
    target = path.resolve()  # a link stays one
    try:
        mode = target.stat().st_mode & 0o777 if target.exists() else _MODE
        with tempfile.NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as file:
            written = Path(file.name)
            try:
                file.write(data)
                file.flush()
                os.fchmod(file.fileno(), mode)
                written.replace(target)
            except BaseException:
                written.unlink(missing_ok=True)
                raise
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
