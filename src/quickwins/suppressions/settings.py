"""What an audit allows, from pyproject.toml, and the section `[suppressions]` of quickwins.toml for the bridge."""

from __future__ import annotations

import re
import tomllib
from datetime import date
from fnmatch import fnmatchcase as fnmatch
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, ValidationError, field_validator

from quickwins.core.config import Section
from quickwins.core.errors import ConfigError, needs_extra
from quickwins.core.flags import SwitchSettings
from quickwins.suppressions.scan.checks import Check
from quickwins.suppressions.scan.directives import NEVER

if TYPE_CHECKING:
    import os

EXCLUDED = (
    ".git", ".hg", ".svn", ".venv", "venv", ".tox", ".nox", "node_modules", "__pycache__", ".mypy_cache", ".ruff_cache",
    ".pytest_cache", ".cache", ".eggs",
)  # fmt: skip
"""Folders that are skipped wherever they are."""

EXCLUDED_AT_ROOT = ("build", "dist", "site")
"""Folders that are skipped directly in the root: elsewhere, a package may have such a name."""

ENVIRONMENT_MARKS = ("pyvenv.cfg", "conda-meta")
"""What is in a virtual environment, whatever its name."""

MAX_FILE_BYTES = 16 << 20
_TABLE = "tool.quickwins.suppressions"


class SuppressionsSettings(SwitchSettings):
    """The section `[suppressions]`: the bridge from Python's warnings to events and a metric."""

    first_party: tuple[str, ...] = Field(
        default=(),
        description="Folders of the service's own code, for the label `origin`. Empty: everything except Python itself "
        "and installed packages. Read when the service starts.",
    )


class Allowance(Section):
    """A suppression that somebody has decided to keep, with a reason and a date.

    Attributes:
        check: The check whose findings it covers.
        path: The file, relative to the root, as findings name it.
        scope: Only this function, class or table; empty for the whole file.
        reason: Why, for the person who reads it in a year.
        until: The last day it is valid; `date.max`, written as `never`, for a decision that is permanent.
        at_most: How many findings it covers; any more are reported.
    """

    check: Check
    path: str = Field(min_length=1)
    scope: str = ""
    reason: str = Field(min_length=1)
    until: date
    at_most: int = Field(default=1, ge=1)

    @field_validator("until", mode="before")
    @classmethod
    def _never(cls, until: object) -> object:
        return date.max if until == NEVER else until

    @field_validator("check")
    @classmethod
    def _not_itself(cls, check: Check) -> Check:
        if check is Check.UNPARSEABLE:
            raise ValueError("a file that cannot be read cannot be allowed: correct it or exclude it")
        return check

    def __str__(self) -> str:
        where = f"{self.path}::{self.scope}" if self.scope else self.path
        return f"{self.check} {where}"


class AuditConfig(Section):
    """How to audit.

    Attributes:
        root: The folder that paths in findings are relative to.
        exclude: Names of folders, and paths relative to the root, to skip.
        gitignore: Whether to skip what git ignores, if git is there and knows the folder.
        select: The checks that count; empty means all.
        ignore: Checks that don't count.
        per_path: Checks that don't count in some files, by a pattern for the path such as `tests/*`, or a folder.
        stale: Whether `check` fails on what is listed and gone, or only on what is new.
        target: The Python that the code is written for, such as `3.14`, where it is newer than the running one, which then
            cannot tell whether a file is valid.
        no_cover_quota: How many lines may be excluded from coverage without a reason; beyond that, each is a finding.
        allow: Suppressions to keep.
    """

    root: Path = Field(default_factory=Path.cwd)
    exclude: tuple[str, ...] = ()
    gitignore: bool = True
    select: tuple[Check, ...] = ()
    ignore: tuple[Check, ...] = ()
    per_path: dict[str, tuple[Check, ...]] = Field(default_factory=dict)
    stale: Literal["fail", "tell"] = "fail"
    target: str = Field(default="", pattern=r"^(3\.\d{1,2})?$")
    no_cover_quota: int = Field(default=0, ge=0)
    allow: tuple[Allowance, ...] = ()

    @field_validator("ignore", "per_path")
    @classmethod
    def _not_unparseable(cls, value: Any) -> Any:
        checks = value if isinstance(value, tuple) else {one for many in value.values() for one in many}
        if Check.UNPARSEABLE in checks:
            raise ValueError("a file that cannot be read cannot be ignored: correct it or exclude it")
        return value

    def counts(self, check: Check, path: str) -> bool:
        """Whether findings of `check` in the file `path` count; files that cannot be read always do."""
        if check is Check.UNPARSEABLE:
            return True
        if (self.select and check not in self.select) or check in self.ignore:
            return False
        return not any(
            check in checks and (fnmatch(path, pattern) or path.startswith(pattern.rstrip("/") + "/"))
            for pattern, checks in self.per_path.items()
        )

    @property
    def version(self) -> tuple[int, int] | None:
        """`target` as numbers; `None` for the running Python."""
        major, _, minor = self.target.partition(".")
        return (int(major), int(minor)) if minor else None

    @classmethod
    def load(cls, path: str | os.PathLike[str] | None = None) -> AuditConfig:
        """Read it from `path`, else from the nearest pyproject.toml in this folder or above; the defaults if there is none.

        Raises:
            ConfigError: The file is missing or not valid; the message names the key and says what is wrong.
        """
        found = nearest_pyproject() if path is None else Path(path)
        if found is None:
            return cls()
        try:
            document = tomllib.loads(found.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise ConfigError(f"{found}: {getattr(error, 'strerror', None) or error}") from error
        table = document.get("tool", {}).get("quickwins", {}).get("suppressions", {})
        if "root" in table:
            raise ConfigError(f"{found}: {_TABLE}.root is the folder of this file; remove the key")
        try:
            return cls.model_validate({"root": found.resolve().parent, **table})
        except ValidationError as error:
            first = error.errors()[0]
            key = re.sub(r"\.(\d+)", r"[\1]", ".".join(map(str, (_TABLE, *first["loc"]))))
            raise ConfigError(f"{found}: {key}: {first['msg']}") from error


def nearest_pyproject(start: Path | None = None) -> Path | None:
    """The pyproject.toml in this folder, or in the nearest folder above that has one."""
    folder = (start or Path.cwd()).resolve()
    return next(
        (one / "pyproject.toml" for one in (folder, *folder.parents) if (one / "pyproject.toml").is_file()),
        None,
    )


def allowed_text(text: str, allowance: Allowance) -> str:
    """The text of a pyproject.toml with `allowance` added, replacing one for the same check and place.

    Raises:
        ConfigError: `text` is not TOML.
        MissingExtraError: tomlkit is not installed.
    """
    with needs_extra("cli"):
        import tomlkit
        import tomlkit.exceptions
    try:
        document: Any = tomlkit.parse(text)
    except tomlkit.exceptions.ParseError as error:
        raise ConfigError(f"pyproject.toml: {error}") from error
    table = document
    for key in _TABLE.split("."):
        table = table.setdefault(key, tomlkit.table(is_super_table=key != "suppressions"))
    allow = table.setdefault("allow", tomlkit.aot())
    entry = tomlkit.table()
    spelled: dict[object, object] = {allowance.check: allowance.check.value, date.max: NEVER}
    for key, value in allowance.model_dump(exclude_defaults=True).items():
        entry.add(key, spelled.get(value, value))
    places = [(one["check"], one["path"], one.get("scope", "")) for one in allow]
    place = (allowance.check.value, allowance.path, allowance.scope)
    if place in places:
        allow[places.index(place)] = entry
    else:
        allow.append(entry)
    entry.add(tomlkit.nl())
    return tomlkit.dumps(document).rstrip("\n") + "\n"
