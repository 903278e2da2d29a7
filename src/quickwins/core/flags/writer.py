"""Writes a flag where it is kept: the configuration file, or another store through a command.

Nothing is written that would not load: the result is validated whole first.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import tempfile
from collections.abc import MutableMapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from quickwins.core.config import load_file, resolve
from quickwins.core.errors import ConfigError, needs_extra
from quickwins.core.flags._truncation import COMPLETE, is_marked

with needs_extra("cli"):
    import tomlkit
    import tomlkit.exceptions

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from quickwins.core.config import Section, Settings

COMMAND_TIMEOUT_SECONDS = 30.0


class WriteReason(StrEnum):
    """Why nothing was written."""

    READ_ONLY = "read_only"
    MISSING = "missing"
    COMMAND_FAILED = "command_failed"


class WriteError(ConfigError):
    """The flag could not be written; the store is as it was."""


@dataclass(frozen=True, slots=True)
class Written:
    """What a successful `set` did.

    Attributes:
        settings: What the file alone says now; `None` when a command wrote elsewhere.
        where: The file, or the program that was run.
    """

    settings: Settings | None
    where: str


class FlagWriter:
    """Sets fields of one feature's section. Safe among several processes; blocks for a file write or a command."""

    def __init__(
        self, path: Path, sections: Mapping[str, type[Section]], *, command: Sequence[str] = ()
    ) -> None:
        """Write to `path`, or through `command`.

        Args:
            path: The configuration file. A symbolic link is followed and its target replaced.
            sections: The known sections.
            command: A program and its arguments; `{feature}` and `{changes}`, a JSON object of the fields, are filled
                in. It runs without a shell, for 30 s at most. Empty: the file is written.
        """
        self._path = path
        self._sections = sections
        self._command = command

    def __repr__(self) -> str:
        return f"<FlagWriter to {self._command[0] if self._command else self._path}>"

    def set(self, feature: str, /, **fields: object) -> Written:
        """Give the section `feature` these fields; `None` removes one, so that its default holds.

        Raises:
            ConfigError: A field or value is not allowed; the message says what is.
            WriteError: The store cannot be written; the message says why.
        """
        if feature not in self._sections:
            raise ConfigError(f"no section {feature!r}; known: {', '.join(sorted(self._sections))}")
        if self._command:
            return self._run(feature, fields)
        target = self._path.resolve()
        self._refuse_managed(target)
        with self._locked(target):
            text = self._read(target)
            new = self._edited(text, feature, fields)
            settings = resolve([load_file(new, str(self._path))], self._sections)
            _replace(target, new)
        return Written(settings, str(self._path))

    def _run(self, feature: str, fields: Mapping[str, object]) -> Written:
        changes = {feature: {key: value for key, value in fields.items() if value is not None}}
        resolve([load_file(tomlkit.dumps(changes), "the change")], self._sections)
        filled = {"{feature}": feature, "{changes}": json.dumps(fields, default=str)}
        argv = []
        for part in self._command:
            for placeholder, value in filled.items():
                part = part.replace(placeholder, value)  # noqa: PLW2901 -- filled in step by step; until=never
            argv.append(part)
        try:
            done = subprocess.run(  # noqa: S603 -- the operator's own command, no shell; until=never
                argv, check=False, capture_output=True, text=True, timeout=COMMAND_TIMEOUT_SECONDS
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise WriteError(f"{argv[0]}: {error}", reason=WriteReason.COMMAND_FAILED) from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip()[-500:]
            raise WriteError(
                f"{argv[0]} ended with {done.returncode}: {said}", reason=WriteReason.COMMAND_FAILED
            )
        return Written(None, argv[0])

    def _refuse_managed(self, target: Path) -> None:
        parent = self._path.parent
        if (parent / "..data").is_symlink():
            raise WriteError(
                f"{self._path} is mounted from a Kubernetes ConfigMap, which would undo the change: edit the ConfigMap, "
                "or set write_command under [flags]",
                reason=WriteReason.READ_ONLY,
            )
        if not os.access(target.parent, os.W_OK):
            raise WriteError(
                f"{target.parent} is not writable, and a file is replaced, not changed in place: run as its owner, or "
                "set write_command under [flags]",
                reason=WriteReason.READ_ONLY,
            )

    def _read(self, target: Path) -> str:
        try:
            return target.read_bytes().decode()
        except UnicodeDecodeError as error:
            raise ConfigError(f"{self._path}: not UTF-8 at byte {error.start}") from None
        except FileNotFoundError:
            raise WriteError(
                f"{self._path}: there is no such file; `quickwins init` writes one to start from",
                reason=WriteReason.MISSING,
            ) from None

    def _edited(self, text: str, feature: str, fields: Mapping[str, object]) -> str:
        try:
            document = tomlkit.parse(text)
        except tomlkit.exceptions.ParseError as error:
            raise ConfigError(f"{self._path}: not valid TOML: {error}") from None
        section: Any = document.setdefault(feature, tomlkit.table())
        if not isinstance(section, MutableMapping):
            raise ConfigError(f"{self._path}: {feature} is not a table")
        for key, value in fields.items():
            if value is None and key in section and not is_marked(text):
                raise ConfigError(
                    f"{self._path}: {feature}.{key} cannot be removed: running services would take the file for one that "
                    f"was cut short. Write the default, or, if the file is whole, end it with the line {COMPLETE!r}"
                )
            if value is None:
                section.pop(key, None)
            else:
                section[key] = value
        new = tomlkit.dumps(document)
        if is_marked(text) and not is_marked(new):  # a new section came after the mark
            lines = [line for line in new.split("\n") if line.strip() != COMPLETE]
            new = "\n".join(lines).rstrip() + f"\n\n{COMPLETE}\n"
        return new

    @contextlib.contextmanager
    def _locked(self, target: Path) -> Iterator[None]:
        # The folder is what two writers have in common: the file itself is a new one after each write.
        folder = os.open(target.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)


def _give_to(file: int, old: os.stat_result, target: Path) -> None:
    """Keep group and owner, so that who could read the file still can."""
    for owner, group in ((-1, old.st_gid), (old.st_uid, -1)):  # one may be allowed without the other
        try:
            os.fchown(file, owner, group)
        except PermissionError:
            if not old.st_mode & 0o004:
                raise WriteError(
                    f"{target} belongs to user {old.st_uid} and group {old.st_gid}, who could not read it any more if "
                    "you replaced it: run as its owner",
                    reason=WriteReason.READ_ONLY,
                ) from None


def _replace(target: Path, text: str) -> None:
    """Replace `target` in one step; readers see the old text or the new one, also across a crash."""
    old = target.stat()
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise WriteError(f"{target.parent}: {error.strerror}", reason=WriteReason.READ_ONLY) from None
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(file.fileno(), old.st_mode & 0o7777)
            _give_to(file.fileno(), old, target)
            file.write(text.encode())
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)  # noqa: PTH105 -- the name is a string already; until=never
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)  # noqa: PTH108 -- the name is a string already; until=never
        raise
