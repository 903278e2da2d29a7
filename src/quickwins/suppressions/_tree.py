"""Which files of a folder an audit reads, by their names."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from quickwins.core.errors import ConfigError
from quickwins.suppressions.revisions import ignored_by_git
from quickwins.suppressions.scan import commands, config_files
from quickwins.suppressions.settings import ENVIRONMENT_MARKS, EXCLUDED, EXCLUDED_AT_ROOT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from quickwins.suppressions.settings import AuditConfig

PYTHON = (".py", ".pyi", ".pyw")
CYTHON = (".pyx", ".pxd", ".pxi")
NOTEBOOK = ".ipynb"


def files_in(paths: Iterable[str | os.PathLike[str]], root: Path, config: AuditConfig) -> Iterator[str]:
    """Where the files are: those given whatever their name, those in folders if an audit knows what to look for in them.

    Raises:
        ConfigError: A path does not exist.
    """
    exclude = config.exclude
    names = {*EXCLUDED, *(one for one in exclude if "/" not in one.strip("/"))}
    places = {str(root / one.strip("/")) for one in (*exclude, *EXCLUDED_AT_ROOT)}
    for path in paths:
        start = os.path.abspath(path)  # noqa: PTH100 -- as text: a Path for each file costs more than reading it; until=never
        if os.path.isfile(start):  # noqa: PTH113 -- as text, see above; until=never
            yield start
            continue
        if not os.path.isdir(start):  # noqa: PTH112 -- as text, see above; until=never
            raise ConfigError(f"{os.fspath(path)}: no such file or folder")
        skipped = places | (ignored_by_git(start) if config.gitignore else set())
        for folder, folders, files in os.walk(start):
            if folder != start and not {*files, *folders}.isdisjoint(ENVIRONMENT_MARKS):
                folders.clear()
                continue
            folders[:] = [
                one
                for one in folders
                if one not in names and f"{folder}/{one}" not in skipped and not one.endswith(".egg-info")
            ]
            for file in files:
                full = f"{folder}/{file}"
                if (
                    full not in skipped
                    and file not in exclude
                    and (_is_known(file) or _is_script(full, file))
                ):
                    yield full


def _is_known(name: str) -> bool:
    return (
        name.endswith((*PYTHON, *CYTHON, NOTEBOOK))
        or name in config_files.NAMES
        or commands.is_command_file(name)
    )


def _is_script(path: str, name: str) -> bool:
    """Whether a file without a suffix begins with `#!`."""
    if "." in name.lstrip(".") or not os.path.isfile(path):  # noqa: PTH113 -- as above; until=never
        return False
    try:
        with open(path, "rb") as file:  # noqa: PTH123 -- as above; until=never
            return file.read(2) == b"#!"
    except OSError:
        return False


def relative(file: str, root: Path) -> str:
    """The path of `file` in findings: relative to `root`, with `/`."""
    prefix = f"{root}{os.sep}"
    return (file.removeprefix(prefix) if file.startswith(prefix) else os.path.relpath(file, root)).replace(
        os.sep, "/"
    )
